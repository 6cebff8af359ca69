"""`holdfast sessions list|show`: reading, without leading anything."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.output import facts, note, print_json, print_line, table, when
from holdfast.cli.plain import one_line
from holdfast.cli.world import Options, opened, options_of
from holdfast.core.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from holdfast.bootstrap import SessionManager
    from holdfast.client import Client, RemoteSession
    from holdfast.client.values import ListedSession as RemoteListed
    from holdfast.client.values import StreamEvent as RemoteEvent
    from holdfast.core.messages import Message
    from holdfast.core.view import Question
    from holdfast.runtime.handle import Session
    from holdfast.runtime.listing import ListedSession
    from holdfast.runtime.stream import StreamEvent

    Listed = ListedSession | RemoteListed
    Log = Sequence[StreamEvent] | Sequence[RemoteEvent]
    Shown = tuple[dict[str, object], list[Message] | None, Log | None]

PAGE = 200
SessionArgument = Annotated[str, typer.Argument(metavar="SESSION", help="The session's id.")]


def list_sessions(
    context: typer.Context,
    *,
    state: Annotated[
        list[str] | None, typer.Option("--state", help="Only this state; may be given again.")
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", help="Only with this tag; may be given again.")
    ] = None,
    title: Annotated[
        str | None, typer.Option("--title", help="Only with these whole words in the title.")
    ] = None,
    user: Annotated[str | None, typer.Option("--user", help="Only of this user.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 50,
    every: Annotated[bool, typer.Option("--all", help="All of them; no limit.")] = False,
) -> None:
    """List sessions, newest change first."""
    # lazy: help does not need an event loop.
    import asyncio

    options = options_of(context, served=True)
    wanted = {"title": title, "user_id": user, "tags": tuple(tag or ())}
    rows, more = asyncio.run(_collect(options, wanted, tuple(state or ()), 0 if every else limit))
    if options.json:
        print_json([asdict(row) for row in rows])
        return
    if not rows:
        note("no sessions")
        return
    table(
        ("session", "state", "turns", "tools", "updated", "title"),
        [
            (row.id, _state_of(row), row.turn_count, row.tool_call_count, when(row.updated_at),
             row.title)
            for row in rows
        ],
    )  # fmt: skip
    if more:
        note(f"… there are more; --limit {limit * 2} or --all shows them")


def _state_of(row: Listed) -> str:
    return f"damaged: {row.damaged}" if row.damaged else row.state


def sessions_of(options: Options) -> AbstractAsyncContextManager[SessionManager | Client]:
    """The sessions of the store that is here, or of a server."""
    # lazy: a server is rarely asked.
    from holdfast.cli.remote import connected

    return connected(options) if options.server else opened(options)


async def _collect(
    options: Options, wanted: Mapping[str, object], states: tuple[str, ...], limit: int
) -> tuple[list[Listed], bool]:
    """The rows, at most `limit` unless it is 0, and whether there are more."""
    # lazy: the states are checked only when some are given.
    from holdfast.core.lifecycle import SessionState, decode_state

    for name in states:
        if decode_state(name) is SessionState.UNKNOWN:
            known = ", ".join(s.title for s in SessionState if s is not SessionState.UNKNOWN)
            raise InvalidInput(f"{name!r} is no state; the states are {known}")
    found: list[Listed] = []
    async with sessions_of(options) as manager:
        cursor = ""
        while True:
            page = await manager.list_sessions(
                states=states,
                title=wanted["title"],  # type: ignore[arg-type]  # checked by the caller's types
                user_id=wanted["user_id"],  # type: ignore[arg-type]  # checked by the caller's types
                tags=wanted["tags"],  # type: ignore[arg-type]  # checked by the caller's types
                cursor=cursor,
                limit=PAGE,
            )
            found += page.sessions
            cursor = page.cursor
            if not cursor or (limit and len(found) > limit):
                break
    return (found[:limit], len(found) > limit) if limit else (found, False)


def show(
    context: typer.Context,
    session: SessionArgument,
    *,
    history: Annotated[
        bool, typer.Option("--history", help="The conversation as the model sees it.")
    ] = False,
    events: Annotated[bool, typer.Option("--events", help="Every event of the log.")] = False,
) -> None:
    """Show a session: its facts, its conversation, its events."""
    # lazy: help does not need an event loop.
    import asyncio

    asyncio.run(_show(options_of(context, served=True), session, history, events))


async def _show(options: Options, id: str, history: bool, events: bool) -> None:
    read = _read_there if options.server else _read_here
    found, messages, log = await read(options, id, history, events)
    if options.json:
        if messages is not None:
            # lazy: only this option needs the wire form.
            from holdfast.runtime.codec import dump

            found["history"] = [_plain_json(dump(message)) for message in messages]
        if log is not None:
            found["events"] = [event.to_json() for event in log]
        print_json(found)
        return
    _print_facts(found)
    if messages is not None:
        print_line()
        for message in messages:
            _print_message(message)
    if log is not None:
        print_line()
        _print_events(log)


def _plain_json(data: bytes) -> object:
    # lazy: one use.
    import json

    return json.loads(data)


async def _read_here(options: Options, id: str, history: bool, events: bool) -> Shown:
    async with opened(options) as manager:
        session = await manager.get_session(id)
        return (
            await _facts(session, [_question(one) for one in await session.questions()]),
            await session.history() if history else None,
            await log_of(manager, session) if events else None,
        )


async def _read_there(options: Options, id: str, history: bool, events: bool) -> Shown:
    # lazy: a server is rarely asked.
    from holdfast.cli import remote

    async with remote.connected(options) as client:
        session = await client.get_session(id)
        questions: list[dict[str, object]] = [
            {"id": one.question, "about": one.about, "name": one.tool, "choices": list(one.choices)}
            for one in await session.approvals()
            if one.session_id == session.id
        ]
        return (
            await _facts(session, questions),
            await session.history() if history else None,
            await remote.log_of(session) if events else None,
        )


async def _facts(
    session: Session | RemoteSession, questions: list[dict[str, object]]
) -> dict[str, object]:
    info = await session.info()
    usage, context = await session.total_usage(), await session.context_usage()
    found = asdict(info)
    found["usage"] = asdict(usage)
    found["context"] = asdict(context)
    found["questions"] = questions
    return found


def _question(question: Question) -> dict[str, object]:
    return {
        "id": question.id,
        "about": question.about,
        "name": question.name,
        "choices": list(question.choices),
    }


async def log_of(manager: SessionManager, session: Session) -> list[StreamEvent]:
    """All events of a session's log, up to now."""
    # lazy: reading the log loads the runtime.
    from holdfast.runtime.feed import Feed

    feed = Feed(manager, session.where)
    try:
        return await feed.start(0)
    finally:
        feed.close()


def _print_facts(found: Mapping[str, object]) -> None:
    usage, context = found["usage"], found["context"]
    assert isinstance(usage, dict) and isinstance(context, dict), "made by _facts"
    # lazy: money is written in one way.
    from holdfast.core.quantities import micros_to_usd

    questions = found["questions"]
    pairs = [
        ("session", str(found["id"])),
        ("title", str(found["title"])),
        ("state", f"{found['state']} {found['state_reason']}".strip()),
        ("version", str(found["version"])),
        ("workspace", str(found["workspace"])),
        ("model", str(found["model"])),
        ("user", str(found["user_id"])),
        ("created", when(int(str(found["created_at"])))),
        ("last activity", when(int(str(found["last_activity"])))),
        ("turns", f"{found['turn_count']} ({found['tool_call_count']} tool calls)"),
        ("tokens", f"{usage['input_tokens']} in, {usage['output_tokens']} out"),
        ("cost", f"${micros_to_usd(int(usage['cost_micros']))}"),
        ("context", f"{context['used_tokens']} of {context['max_tokens']} tokens"),
        ("enclave", "used" if found["tee_active"] else ""),
        ("tags", ", ".join(str(tag) for tag in found["tags"])),  # type: ignore[attr-defined]  # a tuple of text
    ]
    facts([(name, value) for name, value in pairs if value])
    for question in questions if isinstance(questions, list) else []:
        print_line(
            f"question {question['id']}: {question['about']} {question['name']}; "
            f"answer one of {', '.join(question['choices'])}"
        )


def _print_message(message: Message) -> None:
    # lazy: the kinds of parts.
    from holdfast.core.messages import Text, ToolResult, ToolUse

    for part in message.parts:
        match part:
            case Text(text=text):
                print_line(f"[{message.role.value}] {text}")
            case ToolUse(name=name, arguments=arguments):
                print_line(f"[{message.role.value} calls {name}] {one_line(arguments)}")
            case ToolResult(name=name, content=content, is_error=failed):
                print_line(f"[{name}{' failed' if failed else ''}] {one_line(content)}")


def _print_events(log: Log) -> None:
    rows = []
    for event in log:
        detail = " ".join(
            f"{name}={value}" for name, value in event.data.items() if value not in ("", [], {}, 0)
        )
        rows.append((event.version, when(event.time_ms // 1000), event.type, one_line(detail, 80)))
    table(("version", "time", "event", "detail"), rows)
