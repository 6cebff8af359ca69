"""`holdfast sessions label|relabel|risk|plan` and `holdfast taint list`.

What a session is labelled with, what it was told of people, and what was fixed
before it read strangers' words. Values are never printed: taints are told by
fingerprint, kind and level.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.control import NowOption, WaitOption, by_server, deliver, say
from holdfast.cli.output import facts, note, print_json, print_line, table
from holdfast.cli.privacy import word
from holdfast.cli.sessions import SessionArgument, sessions_of
from holdfast.cli.world import Options, opened, options_of
from holdfast.core.errors import InvalidInput

if TYPE_CHECKING:
    from holdfast.client import RemoteSession
    from holdfast.client.values import Followed as ToldFollowed
    from holdfast.client.values import RiskReport as ToldRisk
    from holdfast.core.commands import Relabel
    from holdfast.core.labels import Label
    from holdfast.runtime.guarding import RiskReport
    from holdfast.runtime.isolation import Followed

WhyOption = Annotated[str, typer.Option("--why", help="Why; it is kept in the log.")]
ByOption = Annotated[str, typer.Option("--by", help="Who says so.")]
BY = "local"


def label(context: typer.Context, session: SessionArgument) -> None:
    """Show how secret what a session has seen is, and who had a hand in it."""
    # lazy: help does not need an event loop.
    import asyncio

    options = options_of(context, served=True)

    async def work() -> Label:
        async with sessions_of(options) as manager:
            return await (await manager.get_session(session)).label()

    found = asyncio.run(work())
    integrity = found.integrity.name.lower()
    if options.json:
        data = {"sensitivity": word(found.sensitivity), "integrity": integrity}
        print_json({**data, "origins": list(found.origins)})
        return
    facts(
        [
            ("sensitivity", word(found.sensitivity)),
            ("integrity", integrity),
            ("origins", ", ".join(found.origins) or "none"),
        ]
    )


def relabel(
    context: typer.Context,
    session: SessionArgument,
    *,
    sensitivity: Annotated[
        str, typer.Option("--sensitivity", help="The highest level from now on.")
    ] = "",
    trusted: Annotated[
        bool, typer.Option("--trusted", help="Vouch for what strangers wrote so far.")
    ] = False,
    why: WhyOption = "",
    by: ByOption = BY,
    now: NowOption = False,
    wait: WaitOption = 3.0,
) -> None:
    """Lower a session's label for everything so far; who and why are kept in the log."""
    # lazy: commands and levels are the runtime's.
    from holdfast.core.commands import Relabel
    from holdfast.core.labels import Integrity
    from holdfast.runtime.securing import level_of

    if not sensitivity and not trusted:
        raise InvalidInput("say what is lowered: --sensitivity LEVEL, --trusted, or both")
    command = Relabel(
        sensitivity=level_of("--sensitivity", sensitivity) if sensitivity else None,
        integrity=Integrity.TRUSTED if trusted else None,
        why=why,
        by=by,
    )
    _lower(options_of(context, served=True), session, command, "relabelled", now=now, wait=wait)


def risk(
    context: typer.Context,
    session: SessionArgument,
    *,
    reset: Annotated[bool, typer.Option("--reset", help="Begin it anew; needs --why.")] = False,
    why: WhyOption = "",
    by: ByOption = BY,
    now: NowOption = False,
    wait: WaitOption = 3.0,
) -> None:
    """Show how much about a person a session was told, or begin that anew."""
    # lazy: help does not need an event loop, and commands are the runtime's.
    import asyncio

    from holdfast.core.commands import Relabel

    options = options_of(context, served=True)
    if reset:
        command = Relabel(risk=True, why=why, by=by)
        _lower(options, session, command, "reset", now=now, wait=wait)
        return
    if why:
        raise InvalidInput("--why goes with --reset")

    async def work() -> RiskReport | ToldRisk:
        async with sessions_of(options) as manager:
            return await (await manager.get_session(session)).risk()

    found = asyncio.run(work())
    if options.json:
        told = {"points": found.points, "kinds": dict(found.kinds)}
        print_json({**told, "decision": found.decision})
        return
    print_line(f"points  {found.points:.2f}")
    if found.kinds:
        table(("kind", "values"), sorted(found.kinds.items()))


def plan(context: typer.Context, session: SessionArgument) -> None:
    """Show the steps of a session's plan, and how often each may still be taken."""
    # lazy: help does not need an event loop.
    import asyncio

    options = options_of(context, served=True)
    found = asyncio.run(_plan(options, session))
    if options.json:
        names = ("tool", "arguments", "times", "left")
        print_json([dict(zip(names, row, strict=True)) for row in found])
        return
    if not found:
        note("no plan is fixed")
        return
    headers = ("step", "tool", "left", "fixed arguments")
    rows_shown = [
        (place, tool, f"{left} of {times}", arguments)
        for place, (tool, arguments, times, left) in enumerate(found, start=1)
    ]
    table(headers, rows_shown, flexible=3)


async def _plan(options: Options, id: str) -> list[tuple[str, str, int, int]]:
    """Each step's tool and fixed arguments, how often it may be taken, and how often still."""
    if not options.server:
        async with opened(options) as manager:
            steps = await (await manager.get_session(id)).plan()
            return [(one.tool, one.arguments, one.times, left) for one, left in steps]
    # lazy: a server is rarely asked.
    from holdfast.cli.remote import connected

    async with connected(options) as client:
        told = await (await client.get_session(id)).plan()
        return [(one.tool, one.arguments, one.times, one.left) for one in told]


def list_taints(context: typer.Context, session: SessionArgument) -> None:
    """List what is followed in a session, by fingerprint, kind and level; never a value."""
    # lazy: help does not need an event loop.
    import asyncio

    options = options_of(context, served=True)
    found = asyncio.run(_taints(options, session))
    rows = [(one.fingerprint, one.kind, word(one.level), one.pseudonym) for one in found]
    if options.json:
        names = ("fingerprint", "kind", "level", "pseudonym")
        print_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    if not rows:
        note("nothing is followed")
        return
    table(("fingerprint", "kind", "level", "pseudonym"), rows)


async def _taints(options: Options, id: str) -> tuple[Followed, ...] | tuple[ToldFollowed, ...]:
    async with sessions_of(options) as manager:
        return await manager.isolation.registry(id)


def _lower(
    options: Options, id: str, command: Relabel, done: str, *, now: bool, wait: float
) -> None:
    """Submit what a person lowers, after refusing what could only be refused later, unseen."""
    # lazy: help does not need an event loop, and who may lower is the core's word.
    import asyncio

    from holdfast.core.decide.approvals import may_answer
    from holdfast.core.errors import ApproverRefused

    if not command.why.strip():
        raise InvalidInput("say why: --why is kept in the log")
    if options.server:
        _lower_there(options, id, command, done, now=now)
        return
    refused = may_answer(command.by, requester="")
    if refused:
        raise ApproverRefused(refused)

    async def work() -> dict[str, object]:
        async with opened(options, lead=now) as manager:
            session = await manager.get_session(id)
            return await deliver(manager, session, command, done=done, now=now, wait=wait)

    say(options, asyncio.run(work()))


def _lower_there(options: Options, id: str, command: Relabel, done: str, *, now: bool) -> None:
    # lazy: a server is rarely asked.
    from holdfast.cli.remote import refuse_by
    from holdfast.core.labels import Integrity

    refuse_by(command.by, BY)
    level, why = command.sensitivity, command.why
    trusted = command.integrity is Integrity.TRUSTED

    async def act(session: RemoteSession) -> None:
        if command.risk:
            await session.reset_risk(why=why)
        else:
            await session.relabel(why=why, sensitivity=level, trusted=trusted)

    by_server(options, id, act, done, now=now)
