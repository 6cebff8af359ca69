"""Commands that change a session: submitted to whoever leads it.

When nobody does, the command stays in the session's inbox and is carried out by
the next runner; `--now` leads the session here for a moment instead.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.exits import Quit
from holdfast.cli.output import note, print_json
from holdfast.cli.sessions import SessionArgument
from holdfast.cli.world import Options, opened, options_of, talks_to_a_person
from holdfast.core.errors import (
    InvalidInput,
    KeyDestroyed,
    NotNow,
    QuestionNotFound,
    SessionNotFound,
)
from holdfast.core.lifecycle import WORKING, SessionState

if TYPE_CHECKING:
    from holdfast.bootstrap import SessionManager
    from holdfast.cli.remote import Act
    from holdfast.core.commands import External
    from holdfast.runtime.config import WipeReceipt
    from holdfast.runtime.handle import Session
    from holdfast.runtime.isolation import WipeReport
    from holdfast.runtime.manager import Located
    from holdfast.runtime.retaining import Retention, RetentionReport

POLL_S = 0.05
DAY_MS = 24 * 3600 * 1000
NowOption = Annotated[
    bool,
    typer.Option("--now", help="Carry it out here if nobody leads the session at the moment."),
]
WaitOption = Annotated[
    float,
    typer.Option("--wait", min=0.0, help="Seconds to wait for whoever leads the session."),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
Work = Callable[["Session"], Awaitable[object]]


def pause(
    context: typer.Context,
    session: SessionArgument,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept in the log.")] = "",
    now: NowOption = False,
    wait: WaitOption = 3.0,
) -> None:
    """Pause a session: what runs is stopped, nothing starts until it is resumed."""
    # lazy: commands are the runtime's.
    from holdfast.core.commands import Pause

    async def check(found: Session) -> None:
        state = await found.state()
        if not await _something_waits(found) and state not in WORKING:
            raise NotNow(f"only an active session is paused; it is {state.title}")

    options = options_of(context, served=True)
    if options.server:
        by_server(options, session, lambda it: it.pause(reason), "paused", now=now)
        return
    command = Pause(why=reason)
    _control(options, session, command, "paused", now=now, wait=wait, check=check)


def resume(
    context: typer.Context,
    session: SessionArgument,
    *,
    now: NowOption = False,
    wait: WaitOption = 3.0,
) -> None:
    """Let a paused session go on."""
    # lazy: commands are the runtime's.
    from holdfast.core.commands import Resume

    async def check(found: Session) -> None:
        state = await found.state()
        if not await _something_waits(found) and state is not SessionState.PAUSED:
            raise NotNow(f"only a paused session is resumed; it is {state.title}")

    options = options_of(context, served=True)
    if options.server:
        by_server(options, session, lambda it: it.resume(), "resumed", now=now)
        return
    _control(options, session, Resume(), "resumed", now=now, wait=wait, check=check)


def end(
    context: typer.Context,
    session: SessionArgument,
    *,
    now: NowOption = False,
    wait: WaitOption = 3.0,
) -> None:
    """Complete a session; everything is kept and it can be reopened."""
    # lazy: commands are the runtime's.
    from holdfast.core.commands import MoveTo

    options = options_of(context, served=True)
    if options.server:
        by_server(options, session, lambda it: it.end(), "ended", now=now)
        return
    _control(options, session, MoveTo(state="Completed"), "ended", now=now, wait=wait)


def reopen(
    context: typer.Context,
    session: SessionArgument,
    *,
    now: NowOption = False,
    wait: WaitOption = 3.0,
) -> None:
    """Make a completed or failed session active again."""
    # lazy: commands are the runtime's.
    from holdfast.core.commands import MoveTo

    options = options_of(context, served=True)
    if options.server:
        by_server(options, session, lambda it: it.reopen(), "reopened", now=now)
        return
    _control(options, session, MoveTo(state="Active"), "reopened", now=now, wait=wait)


def rewind(
    context: typer.Context,
    session: SessionArgument,
    version: Annotated[int, typer.Argument(min=1, help="See `sessions show --events`.")],
    *,
    now: NowOption = False,
    wait: WaitOption = 3.0,
) -> None:
    """Show the model only what was there at a version; nothing else goes back."""
    # lazy: commands are the runtime's.
    from holdfast.core.commands import SetContext

    options = options_of(context, served=True)
    if options.server:
        by_server(options, session, lambda it: it.rewind(version), "rewound", now=now)
        return
    command = SetContext(reason="rewind", to_version=version)
    _control(options, session, command, "rewound", now=now, wait=wait)


def answer(
    context: typer.Context,
    session: SessionArgument,
    question: Annotated[int, typer.Argument(help="The question's number.")],
    decision: Annotated[str, typer.Argument(help="One of its choices.")],
    *,
    remark: Annotated[str, typer.Option("--note", help="What the model is told beside.")] = "",
    now: NowOption = False,
    wait: WaitOption = 3.0,
) -> None:
    """Answer a question that a session waits on."""
    # lazy: commands are the runtime's.
    from holdfast.core.commands import Answer

    async def check(found: Session) -> None:
        asked = {known.id: known for known in await found.questions()}
        if question not in asked:
            waiting = ", ".join(map(str, asked)) or "none"
            raise QuestionNotFound(f"no open question {question}; open: {waiting}")
        if decision not in asked[question].choices:
            choices = ", ".join(asked[question].choices)
            raise InvalidInput(f"{decision!r} is not one of: {choices}")

    options = options_of(context, served=True)
    if options.server:
        by_server(
            options, session, lambda it: it.answer(question, decision, remark), "answered", now=now
        )
        return
    command = Answer(question=question, decision=decision, note=remark, by="local")
    _control(options, session, command, "answered", now=now, wait=wait, check=check)


def wipe(
    context: typer.Context,
    session: SessionArgument,
    *,
    keep: Annotated[
        list[str] | None, typer.Option("--keep", help="A fork that is to live on.")
    ] = None,
    yes: YesOption = False,
    now: NowOption = False,
    wait: WaitOption = 10.0,
) -> None:
    """Destroy a session's key for good, and its forks' too.

    What was in it can never be read again here. Its forks are wiped with it
    unless they are named with --keep.
    """
    # lazy: help does not need an event loop.
    import asyncio

    options = options_of(context, served=True)
    if options.server:
        _wipe_there(options, session, list(keep or ()), yes=yes, now=now)
        return
    kept = {name.casefold() for name in keep or ()}
    doomed = asyncio.run(_doomed(options, session, kept))
    if not yes:
        confirm(f"Wipe {', '.join(doomed)}? This cannot be undone.")
    asyncio.run(_wipe(options, doomed, kept, now=now, wait=wait))


def wipe_all(
    context: typer.Context,
    *,
    confirmed: Annotated[
        str, typer.Option("--confirm", help='Has to be "wipe all sessions".')
    ] = "",
) -> None:
    """Destroy the keys of all sessions of the store for good.

    One that cannot be wiped is named, and the exit code is 1; the others are wiped.
    """
    # lazy: help does not need an event loop.
    import asyncio

    options = options_of(context)
    report = asyncio.run(_wipe_all(options, confirmed))
    names = [name for one in report.wiped for name in (one.session_id, *one.erased)]
    if options.json:
        failed = [{"session": name, "reason": why} for name, why in report.failed]
        print_json({"wiped": names, "failed": failed})
    else:
        note(f"{len(names)} sessions wiped; keys in older copies need `holdfast keys rotate`")
        for name, why in report.failed:
            note(f"{name}: not wiped ({why})")
    if not report.complete:
        raise Quit(1)


async def _wipe_all(options: Options, confirmed: str) -> WipeReport:
    async with opened(options, lead=True) as manager:
        return await manager.isolation.wipe_all(confirm=confirmed, reason="user")


def wipe_idle(
    context: typer.Context,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which.")] = False,
    yes: YesOption = False,
) -> None:
    """Wipe the sessions that the retention rule of the policy file names.

    `holdfast serve` does so by itself. One that cannot be wiped is named, and the exit
    code is 1; the others are wiped.
    """
    # lazy: help does not need an event loop.
    import asyncio

    options = options_of(context)
    rule, found = asyncio.run(_retained(options, dry_run=True))
    if not rule:
        raise InvalidInput("there is no retention rule: [retention] idle_days in the policy file")
    if found.due and not (dry_run or yes):
        confirm(f"Wipe {len(found.due)} sessions? This cannot be undone.")
    if found.due and not dry_run:
        _, found = asyncio.run(_retained(options, dry_run=False))
    _show_retained(options, found)
    if found.failed:
        raise Quit(1)


async def _retained(options: Options, *, dry_run: bool) -> tuple[Retention, RetentionReport]:
    async with opened(options, lead=not dry_run) as manager:
        return manager.retention, await manager.apply_retention(dry_run=dry_run)


def _show_retained(options: Options, found: RetentionReport) -> None:
    wiped = [name for one in found.wiped for name in (one.session_id, *one.erased)]
    if options.json:
        due = [
            {"session": one.session_id, "workspace": one.workspace, "idle_ms": one.idle_ms}
            for one in found.due
        ]
        failed = [{"session": name, "reason": why} for name, why in found.failed]
        print_json({"due": due, "wiped": wiped, "failed": failed})
        return
    for one in found.due:
        days = one.idle_ms // DAY_MS
        note(f"{one.session_id}: nothing happened for {days} days, {one.days} are kept")
    note(f"{len(found.due)} sessions due, {len(wiped)} wiped")
    for name, why in found.failed:
        note(f"{name}: not wiped ({why})")


def confirm(question: str) -> None:
    """Ask for a yes.

    Raises:
        InvalidInput: nobody can be asked, so --yes is needed.
        Quit: the answer was no.
    """
    if not talks_to_a_person():
        raise InvalidInput("nobody can be asked here; say --yes if you mean it")
    if input(f"{question} [y/N] ").strip().casefold() not in ("y", "yes"):
        note("nothing was done")
        raise Quit(130)


# --- how a command gets there -------------------------------------------------------


def by_server(options: Options, id: str, act: Act, done: str, *, now: bool) -> None:
    """Have the server that the options name change a session, and say what became of it."""
    # lazy: a server is rarely asked.
    from holdfast.cli import remote

    say(options, remote.carry_out(options, id, act, done, now=now))


def _wipe_there(options: Options, id: str, keep: list[str], *, yes: bool, now: bool) -> None:
    # lazy: a server is rarely asked.
    from holdfast.cli import remote

    if not yes:
        confirm(f"Wipe {id}, its forks and its children? This cannot be undone.")
    remote.wipe(options, id, keep, now=now)


def _control(
    options: Options,
    id: str,
    command: External,
    done: str,
    *,
    now: bool,
    wait: float,
    check: Work | None = None,
) -> None:
    # lazy: help does not need an event loop.
    import asyncio

    async def work() -> dict[str, object]:
        async with opened(options, lead=now) as manager:
            session = await manager.get_session(id)
            if check is not None:
                await check(session)
            return await deliver(manager, session, command, done=done, now=now, wait=wait)

    found = asyncio.run(work())
    say(options, found)


def say(options: Options, found: dict[str, object]) -> None:
    """Print what became of a command."""
    if options.json:
        print_json(found)
    elif found["status"] == "queued":
        note(
            f"{found['session']}: queued: nobody runs this session now; it is carried out "
            "when someone does (--now does it here)"
        )
    elif found["status"] == "pending":
        note(f"{found['session']}: queued: whoever runs this session has not come to it yet")
    else:
        note(f"{found['session']}: {found['status']}")


async def deliver(
    manager: SessionManager,
    session: Session,
    command: External,
    *,
    done: str,
    now: bool,
    wait: float,
) -> dict[str, object]:
    """Submit a command and wait a little for its outcome.

    Raises:
        NotNow: it changed nothing.
        HoldfastError: it was refused.
    """
    # lazy: reading an outcome loads the runtime.
    from holdfast.runtime.outcomes import outcome_of

    found: dict[str, object] = {"session": session.id}
    if now:
        handled = await session.submit(command)
        first = handled.first
    else:
        id = await manager.queue(session.where, command)
        version = await _carried_out(session.where, id, wait)
        if version is None:
            led = await _may_be_led(session.where)
            return {**found, "status": "pending" if led else "queued", "command": id.hex()}
        journal = session.where.backend.journal(session.where.row)
        first = (await outcome_of(journal, id, version)).first
    if not first:
        state = (await session.state()).title
        raise NotNow(f"nothing changed: the session is {state}")
    return {**found, "status": done, "version": first}


async def _something_waits(session: Session) -> bool:
    """Whether queued commands may change the state before this one is carried out."""
    where = session.where
    # lazy: the store's types are the runtime's.
    from holdfast.ports.store import PendingKind

    waiting = await where.backend.store.pending(where.stream, PendingKind.COMMAND, limit=1)
    return bool(waiting)


async def _may_be_led(where: Located) -> bool:
    """Whether the session has a holder, who may however have died."""
    row = await where.backend.store.stream_row(where.stream)
    return row is not None and row.node is not None


async def _carried_out(where: Located, id: bytes, wait: float) -> int | None:
    """The version at which a command was carried out; None if nobody did in time."""
    # lazy: help does not need an event loop.
    import asyncio

    store = where.backend.store
    until = asyncio.get_running_loop().time() + wait
    while True:
        known = await store.command(where.stream, id)
        if known is not None:
            return known[0]
        left = until - asyncio.get_running_loop().time()
        if left <= 0 or not await _may_be_led(where):
            return None
        await store.changed(min(left, POLL_S))


# --- the wipe -----------------------------------------------------------------------


async def _doomed(options: Options, id: str, kept: set[str]) -> list[str]:
    """The sessions a wipe reaches, forks before what they come from."""
    # lazy: the store's types are the runtime's.
    from holdfast.ports.store import Filter

    async with opened(options) as manager:

        async def below(name: str) -> list[str]:
            where = await manager.locate(name)
            found: list[str] = []
            filter = Filter(tenant=manager.tenant, parent=where.stream, limit=1000)
            for row in (await where.backend.store.list_streams(filter)).rows:
                if row.name is not None and row.name.casefold() not in kept:
                    found += await below(row.name)
            return [*found, where.row.name or name]

        return await below(id)


async def _wipe(
    options: Options, doomed: list[str], kept: set[str], *, now: bool, wait: float
) -> None:
    # lazy: commands are the runtime's.
    from holdfast.core.commands import Terminate

    wiped, keep = False, tuple(sorted(kept))
    async with opened(options, lead=now) as manager:
        for name in () if now else reversed(doomed):  # what is above refuses new work first
            try:
                session = await manager.get_session(name)
            except SessionNotFound:  # it went with the one above it
                say(options, {"session": name, "status": "wiped"})
                continue
            command = Terminate(why="user", keep=keep)
            try:
                found = await deliver(manager, session, command, done="wiped", now=False, wait=wait)
            except KeyDestroyed:  # so quickly that its outcome cannot be read any more
                found = {"session": name, "status": "wiped"}
            if found["status"] == "wiped" and not await _destroyed(session.where, wait):
                found["status"] = "pending"
            wiped = wiped or found["status"] == "wiped"
            say(options, found)
        if now:
            receipt = await manager.terminate_session(doomed[-1], keep=keep, reason="user")
            for name in receipt.erased:
                say(options, {"session": name, "status": "wiped"})
            _say_receipt(options, receipt)
            wiped = True
    if wiped and not options.json:
        note("copies of the key store made before can still be read until `holdfast keys rotate`")


def _say_receipt(options: Options, receipt: WipeReceipt) -> None:
    """Print what a termination is worth, and what it does not reach."""
    found: dict[str, object] = {"session": receipt.session_id, "status": "wiped"}
    exports = [asdict(one) for one in receipt.exports]
    say(options, {**found, "key_epoch": receipt.key_epoch, "exports": exports})
    if exports and not options.json:
        note(f"{receipt.session_id}: {len(exports)} plain exports of it are out of reach")


async def _destroyed(where: Located, wait: float) -> bool:
    """Whether the key is destroyed within the time."""
    # lazy: help does not need an event loop.
    import asyncio

    until = asyncio.get_running_loop().time() + wait
    while where.backend.keys.receipt(where.stream) is None:
        if asyncio.get_running_loop().time() >= until:
            return False
        await where.backend.store.changed(POLL_S)
    return True
