"""`holdfast approvals`: what waits for a person, in all sessions, and the answers.

Answers are only submitted: whoever leads the session carries them out, and when
nobody does, the next runner (`--now` does it here).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.control import NowOption, WaitOption, deliver, say
from holdfast.cli.output import facts, note, print_json, print_line, table, when
from holdfast.cli.world import Options, opened, options_of
from holdfast.core.errors import ApproverRefused, InvalidInput, QuestionNotFound, UnknownDecision

if TYPE_CHECKING:
    from holdfast.bootstrap import SessionManager
    from holdfast.client.values import Approval as RemoteApproval
    from holdfast.runtime.approvals import Approval

EXPIRES_MAX_S = 366 * 24 * 3600
IdArgument = Annotated[str, typer.Argument(help="The approval's id, SESSION:NUMBER.")]
NoteOption = Annotated[str, typer.Option("--note", help="Why; the model reads it after a denial.")]


def list_approvals(
    context: typer.Context,
    *,
    session: Annotated[
        str | None, typer.Option("--session", "-s", help="Of this session only.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many.")] = 100,
) -> None:
    """List what waits for a person, in all sessions of the store."""
    # lazy: help does not need an event loop.
    import asyncio

    options = options_of(context, served=True)

    async def work() -> Sequence[Approval] | Sequence[RemoteApproval]:
        if not options.server:
            async with opened(options) as manager:
                return await manager.list_approvals(session_id=session, limit=limit)
        # lazy: a server is rarely asked.
        from holdfast.cli import remote

        async with remote.connected(options) as client:
            return await client.list_approvals(session_id=session, limit=limit)

    found = asyncio.run(work())
    if options.json:
        print_json([one.to_json() for one in found])
        return
    if not found:
        note("nothing waits for a person")
        return
    rows = [
        (
            one.id,
            one.about,
            one.tool,
            when(one.asked_ms // 1000),
            _due(one),
            one.preview or one.text,
        )
        for one in found
    ]
    table(("ID", "ABOUT", "TOOL", "ASKED", "DUE", "CALL"), rows, flexible=5)


def show(context: typer.Context, id: IdArgument) -> None:
    """Show one question with all that may be answered."""
    # lazy: help does not need an event loop.
    import asyncio

    options = options_of(context, served=True)

    async def work() -> Approval | RemoteApproval:
        if not options.server:
            async with opened(options) as manager:
                return await _find(manager, id)
        # lazy: a server is rarely asked.
        from holdfast.cli import remote

        async with remote.connected(options) as client:
            return await remote.find(client, id)

    found = asyncio.run(work())
    if options.json:
        print_json(found.to_json())
        return
    pairs = [
        ("id", found.id),
        ("about", found.about),
        ("tool", found.tool),
        ("question", found.text),
        ("arguments", found.preview),
        ("reasons", ", ".join(found.codes)),
        ("asked", when(found.asked_ms // 1000)),
        ("due", _due(found)),
        ("choices", ", ".join(found.choices)),
    ]
    if found.quorum > 1:
        said = ", ".join(found.yes) or "nobody yet"
        pairs.append(("needs", f"{found.quorum} people; yes: {said}"))
    facts(pairs)
    for one in found.patterns:
        print_line(f"pattern    {one.pattern}  would also match: {'; '.join(one.samples)}")


def approve(
    context: typer.Context,
    id: IdArgument,
    *,
    scope: Annotated[
        str, typer.Option("--for", help="once, session, workspace, always, or raise (a budget).")
    ] = "",
    pattern: Annotated[
        str, typer.Option("--pattern", help="A wider rule that `show` offers, with --for.")
    ] = "",
    edit: Annotated[
        str, typer.Option("--edit", help="Changed arguments, a JSON object; judged anew.")
    ] = "",
    expires: Annotated[
        int | None,
        typer.Option("--expires", min=1, max=EXPIRES_MAX_S, help="Seconds what is granted holds."),
    ] = None,
    uses: Annotated[
        int | None,
        typer.Option("--uses", min=1, max=1_000_000, help="How often it may be used."),
    ] = None,
    amount: Annotated[
        int, typer.Option("--amount", min=0, help="With raise: the account's new limit.")
    ] = 0,
    remark: NoteOption = "",
    by: Annotated[str, typer.Option("--by", help="Who says so.")] = "local",
    now: NowOption = False,
    wait: WaitOption = 3.0,
) -> None:
    """Say yes: once unless --for says more, or with --edit to other arguments."""
    if edit and (scope or pattern):
        raise InvalidInput("--edit changes one call; it goes with neither --for nor --pattern")
    if pattern and scope in ("", "once", "raise"):
        raise InvalidInput("--pattern goes with --for session, workspace or always")
    _answer(
        options_of(context, served=True),
        id,
        "edit" if edit else scope,
        {
            "note": remark,
            "pattern": pattern,
            "arguments": edit,
            "expires_in_s": expires,
            "uses_max": uses,
            "amount": amount,
            "by": by,
        },
        now=now,
        wait=wait,
    )


def deny(
    context: typer.Context,
    id: IdArgument,
    *,
    remark: NoteOption = "",
    by: Annotated[str, typer.Option("--by", help="Who says so.")] = "local",
    now: NowOption = False,
    wait: WaitOption = 3.0,
) -> None:
    """Say no; the model reads why."""
    given: dict[str, object] = {"note": remark, "by": by}
    _answer(options_of(context, served=True), id, "deny", given, now=now, wait=wait)


def _answer(
    options: Options, id: str, decision: str, given: dict[str, object], *, now: bool, wait: float
) -> None:
    # lazy: help does not need an event loop, and commands are the runtime's.
    import asyncio

    from holdfast.core.commands import Answer

    if options.server:
        _answer_there(options, id, decision, given, now=now)
        return

    async def work() -> dict[str, object]:
        async with opened(options, lead=now) as manager:
            approval = await _find(manager, id)
            chosen = decision or _plain_yes(approval)
            if chosen not in approval.choices:
                choices = ", ".join(approval.choices)
                raise UnknownDecision(f"{chosen!r} is not one of: {choices}")
            session = await manager.get_session(approval.session_id)
            about = "" if chosen == "deny" else approval.about
            _check(approval, given, (await session.view()).user_id, about)
            seconds = given.pop("expires_in_s", None)
            if isinstance(seconds, int):
                given["expires_ms"] = manager.clock.now_ms() + seconds * 1000
            command = Answer(question=approval.question, decision=chosen, **given)  # type: ignore[arg-type]  # collected above
            return await deliver(manager, session, command, done="answered", now=now, wait=wait)

    say(options, asyncio.run(work()))


def _answer_there(
    options: Options, id: str, decision: str, given: dict[str, object], *, now: bool
) -> None:
    # lazy: a server is rarely asked.
    from holdfast.cli import remote

    remote.refuse_now(now)
    remote.refuse_by(str(given["by"]), "local")
    told = {
        "note": given["note"],
        "pattern": given.get("pattern", ""),
        "arguments": _object(str(given.get("arguments") or "")),
        "expires_in_s": given.get("expires_in_s"),
        "max_uses": given.get("uses_max"),
        "amount": given.get("amount", 0),
    }
    found = remote.answer(options, id, lambda one: decision or _plain_yes(one), told)
    say(options, found)


def _object(text: str) -> dict[str, object] | None:
    """Arguments as a JSON object; None if there are none.

    Raises:
        InvalidInput: it is none.
    """
    if not text:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the arguments are not JSON: {error}") from None
    if not isinstance(found, dict):
        raise InvalidInput("the arguments are a JSON object")
    return found


def _check(approval: Approval, given: Mapping[str, object], user: str, about: str) -> None:
    """Refuse at once what whoever carries the answer out could only refuse later, unseen.

    Args:
        user: whose session it is.
        about: what is said yes to, or "" for a no.

    Raises:
        InvalidInput: the pattern was not offered, or the arguments are no JSON object.
        ApproverRefused: no person answers, or not the author to what is theirs to say.
    """
    # lazy: who may answer is the core's word.
    from holdfast.core.decide.approvals import may_answer

    refused = may_answer(str(given["by"]), requester=user, about=about)
    if refused:
        raise ApproverRefused(refused)
    pattern = given.get("pattern")
    if pattern and pattern not in [one.pattern for one in approval.patterns]:
        raise InvalidInput("the pattern is not one that was offered; see `approvals show`")
    _object(str(given.get("arguments") or ""))


def _plain_yes(approval: Approval | RemoteApproval) -> str:
    """What `approve` means where nothing more is said."""
    return next((one for one in ("once", "raise") if one in approval.choices), "once")


async def _find(manager: SessionManager, id: str) -> Approval:
    """The open question of that id.

    Raises:
        QuestionNotFound: nothing of that id waits; a subclass says if it did.
    """
    # lazy: ids of approvals are the runtime's, and why they are gone the core's word.
    from holdfast.core.decide.answers import why_gone
    from holdfast.runtime.asking import split_id

    session, question = split_id(id)
    found = await manager.list_approvals(session_id=session, limit=None)
    for one in found:
        if one.question == question:
            return one
    gone = why_gone(await (await manager.get_session(session)).view(), question)
    if type(gone) is not QuestionNotFound:
        raise gone
    waiting = ", ".join(one.id for one in found) or "none"
    raise QuestionNotFound(f"no open question {id}; open: {waiting}")


def _call(approval: Approval) -> str:
    return approval.preview or approval.text


def _due(approval: Approval | RemoteApproval) -> str:
    return "" if approval.due_ms is None else when(approval.due_ms // 1000)
