"""`holdfast audit verify`, `keys rotate`, `doctor`, `demo`."""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.cli.exits import Quit
from holdfast.cli.output import facts, note, print_json, warn_heading
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


def doctor(context: typer.Context) -> None:
    """Say how this installation is, and what is wrong with it."""
    # lazy: the examination loads most of the program.
    from holdfast.cli.examine import examine

    options = options_of(context)
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


def verify(
    context: typer.Context,
    session: Annotated[str | None, typer.Argument(help="Only this session (default: all).")] = None,
) -> None:
    """Check every event's place, hash and signature, and what is derived from them."""
    # lazy: help does not need an event loop.
    import asyncio

    raise Quit(asyncio.run(_verify(options_of(context), session)))


async def _verify(options: Options, session: str | None) -> int:
    # lazy: the audit loads the runtime.
    from holdfast.runtime.audit import verify_store

    async with opened(options) as manager:
        report = await verify_store(manager, session)
    return 0
