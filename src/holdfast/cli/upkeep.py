"""`holdfast keys rotate`, `doctor`, `demo`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from holdfast.cli.exits import Quit
from holdfast.cli.output import facts, note, print_json, table, warn_heading
from holdfast.cli.world import Options, opened, options_of


def rotate(context: typer.Context) -> None:
    """Wrap all living keys anew and destroy the old wrapping key.

    Every older copy of the key store becomes useless for sessions that were wiped.
    """
    # lazy: help does not need an event loop.
    import asyncio

    options = options_of(context)
    epoch = asyncio.run(_rotate(options))
    if options.json:
        print_json({"epoch": epoch})
    else:
        note(f"all living keys are wrapped under epoch {epoch}; older copies are useless now")
        note("make a new backup of the key store and the installation key")


async def _rotate(options: Options) -> int:
    # lazy: help does not need an event loop.
    import asyncio

    async with opened(options) as manager:
        _, backend = manager.distinct_backends()[0]
        return await asyncio.to_thread(backend.keys.rotate, now_ms=manager.clock.now_ms())


def doctor(
    context: typer.Context,
    *,
    guards: Annotated[
        bool, typer.Option("--guards", help="Drive a message at every guard and show what it did.")
    ] = False,
) -> None:
    """Say how this installation is, and what is wrong with it."""
    options = options_of(context)
    if guards:
        raise Quit(_guards(options))
    # lazy: the examination loads most of the program.
    from holdfast.cli.examine import examine

    found = examine(options)
    if options.json:
        print_json({"facts": dict(found.facts), "complaints": found.complaints})
    else:
        facts(found.facts)
        for complaint in found.complaints:
            print(f"{warn_heading('!')} {complaint}")
        if not found.complaints:
            print("\nnothing to complain about")
    if found.code:
        raise Quit(found.code)


def _guards(options: Options) -> int:
    """Show what every guard did; 1 if one let its probe pass."""
    # lazy: help needs neither an event loop nor the runtime.
    import asyncio

    from holdfast.bootstrap import check_guards

    found = asyncio.run(check_guards())
    failed = [one for one in found if not one.hit]
    if options.json:
        rows = [{**asdict(one), "hit": one.hit} for one in found]
        print_json({"ok": not failed, "guards": rows})
    else:
        cells = [
            (one.guard, "hit" if one.hit else "NOT HIT", ", ".join(one.said) or "-", one.tries)
            for one in found
        ]
        table(("guard", "", "said", "what was tried"), cells)
        for one in failed:
            did = "and a tool ran" if one.ran else f"instead of {one.code or 'nothing to expect'}"
            print(f"{warn_heading('!')} {one.guard} did not hold up {one.tries}, {did}")
    return 1 if failed else 0


def demo(
    context: typer.Context,
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the demo's directory to be looked at.")
    ] = False,
) -> None:
    """Watch a session survive kill -9. Needs no keys and no network."""
    # lazy: the demo loads most of the program.
    from holdfast.cli.demo import show_demo

    raise Quit(show_demo(as_json=options_of(context).json, keep=keep))
