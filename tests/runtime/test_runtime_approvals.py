"""Questions to people through the public API: listed, answered, attended, parked."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from holdfast.bootstrap import SessionManager
from holdfast.core.errors import (
    AlreadyAnswered,
    ApprovalExpired,
    HoldfastError,
    InvalidInput,
    QuestionNotFound,
    SessionNotFound,
    UnknownDecision,
    WrongSession,
)
from holdfast.core.events import Answered, EffectStarted
from holdfast.core.messages import ToolResult
from holdfast.core.settings import ConfirmationPolicy
from holdfast.ports.store import PendingKind
from holdfast.runtime.approvals import Approval
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.handle import Session
from holdfast.testing.script import call, calls, make_call, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import HandClock, memory, on_file, results, run, tool, until, until_async

RAN: list[str] = []


def pay(n: str = "") -> str:
    """Pay once."""
    RAN.append(n)
    return f"paid {n}"


PAY = tool(pay, params=["n"])


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    RAN.clear()


def payer(*amounts: str) -> ScriptedModel:
    """A model that pays each amount in a turn of its own."""
    turns = []
    for amount in amounts:
        turns += [call("pay", {"n": amount}), say(f"done {amount}")]
    return ScriptedModel(turns)


async def waiting(session: Session) -> Approval:
    """The question that the session waits with."""
    found: list[Approval] = []

    async def there() -> bool:
        found[:] = await session.approvals()
        return bool(found)

    await until_async(there)
    return found[0]


def said(messages: object) -> ToolResult:
    """The last tool result."""
    return results(messages)[-1]  # type: ignore[arg-type]  # messages of a result


def test_a_call_waits_for_a_yes() -> None:
    """Asked, listed with all a person needs, answered, run once (seed B13)."""

    async def work() -> None:
        async with memory(payer("1"), PAY) as sessions:
            session = await sessions.create_session("one")
            turn = asyncio.create_task(session.generate("go"))
            found = await waiting(session)
            assert ("one:5", "pay", '{"n":"1"}', ("call_1",)) == (
                found.id,
                found.tool,
                found.preview,
                found.tool_ids,
            )
            assert ("pay", 3) == (found.patterns[0].pattern, len(found.patterns[0].samples))
            assert [found] == await sessions.list_approvals()
            assert [] == RAN
            await session.answer_approval(found.id, "approve")
            assert "done 1" == (await turn).text
            assert (["1"], []) == (RAN, await sessions.list_approvals())
            assert 1 == (await session.info()).approval_count

    run(work())


def test_confirm_tool_keeps_the_seeds_bool() -> None:
    """Unknown, late and double are False; an unknown session is an error (a3s#14.1)."""

    async def work() -> None:
        async with memory(payer("1", "2"), PAY) as sessions:
            session = await sessions.create_session("one")
            turn = asyncio.create_task(session.generate("go"))
            await waiting(session)
            assert not await sessions.confirm_tool("one", "call_9", True)
            assert await sessions.confirm_tool("one", "call_1", True)
            assert not await sessions.confirm_tool("one", "call_1", True)
            await turn
            turn = asyncio.create_task(session.generate("go"))
            await waiting(session)
            assert await sessions.confirm_tool("one", "call_2", False, "too dear")
            answer = await turn
            assert (
                "[denied by a person: too dear; do not try again]" == said(answer.messages).content
            )
            with pytest.raises(SessionNotFound):
                await sessions.confirm_tool("none", "call_1", True)
        assert ["1"] == RAN

    run(work())


def test_each_bad_answer_has_its_own_error() -> None:
    """Unknown question and decision, wrong session, double."""

    async def work() -> None:
        async with memory(payer("1"), PAY) as sessions:
            session = await sessions.create_session("one")
            other = await sessions.create_session("two")
            turn = asyncio.create_task(session.generate("go"))
            found = await waiting(session)
            for where, id, decision, kind in (
                (session, found.id, "maybe", UnknownDecision),
                (session, "one:99", "once", QuestionNotFound),
                (session, "nonsense", "once", QuestionNotFound),
                (other, found.id, "once", WrongSession),
            ):
                with pytest.raises(HoldfastError) as caught:
                    await where.answer_approval(id, decision)
                assert type(caught.value) is kind
            with pytest.raises(InvalidInput):
                await session.answer_approval(found.id, "session", max_uses=0)
            await sessions.answer_approval(found.id, "once")
            with pytest.raises(AlreadyAnswered):
                await session.answer_approval(found.id, "once")
            await turn

    run(work())


def test_an_edit_runs_what_was_written_instead() -> None:
    """Judged anew: the person says yes to the new form, and just that runs."""

    async def work() -> None:
        async with memory(payer("1"), PAY) as sessions:
            session = await sessions.create_session("one")
            turn = asyncio.create_task(session.generate("go"))
            first = await waiting(session)
            with pytest.raises(InvalidInput):
                await session.answer_approval(first.id, "edit", arguments={"other": 1})
            await session.answer_approval(first.id, "edit", arguments={"n": "7"})
            second = await waiting(session)
            assert ('{"n":"7"}', True) == (second.preview, second.id != first.id)
            await session.answer_approval(second.id, "once")
            assert "paid 7" == said((await turn).messages).content
        assert ["7"] == RAN

    run(work())


def test_a_session_answer_is_not_asked_again() -> None:
    """The same call runs unasked then; another one is asked about (astrid#T-17, astrid#AW-23)."""

    async def work() -> None:
        async with memory(payer("1", "1", "2"), PAY) as sessions:
            session = await sessions.create_session("one")
            turn = asyncio.create_task(session.generate("go"))
            found = await waiting(session)
            await session.answer_approval(found.id, "session")
            await turn
            await session.generate("again")
            assert ["1", "1"] == RAN
            turn = asyncio.create_task(session.generate("more"))
            assert '{"n":"2"}' == (await waiting(session)).preview
            await session.cancel()
            await asyncio.wait({turn})
            turn.exception()

    run(work())


def test_a_chosen_pattern_covers_what_it_was_shown_to() -> None:
    """A wider grant is a person's choice, and only of a pattern that was offered (astrid#AW-1)."""

    async def work() -> None:
        async with memory(payer("1", "2"), PAY) as sessions:
            session = await sessions.create_session("one")
            turn = asyncio.create_task(session.generate("go"))
            found = await waiting(session)
            with pytest.raises(InvalidInput):
                await session.answer_approval(found.id, "session", pattern="bash")
            await session.answer_approval(found.id, "session", pattern="pay", max_uses=5)
            await turn
            await session.generate("again")
        assert ["1", "2"] == RAN

    run(work())


def test_identical_calls_are_asked_about_once() -> None:
    """One question with all their ids; one answer lets each run (astrid#AW-38)."""

    async def work() -> None:
        same = [make_call("pay", {"n": "1"}) for _ in range(3)]
        async with memory(ScriptedModel([calls(*same), say("done")]), PAY) as sessions:
            session = await sessions.create_session("one")
            turn = asyncio.create_task(session.generate("go"))
            found = await waiting(session)
            assert (3, 1) == (len(found.tool_ids), len(await session.approvals()))
            assert await session.confirm_tool(found.tool_ids[2], True)
            assert "done" == (await turn).text
        assert ["1", "1", "1"] == RAN

    run(work())


def test_a_handler_answers() -> None:
    """It is given what is open and what is asked (seed E5)."""

    async def work() -> None:
        given: list[Approval] = []

        async def handler(approval: Approval) -> tuple[str, str]:
            given.append(approval)
            return ("once", "") if approval.preview == '{"n":"1"}' else ("deny", "not two")

        async with memory(payer("1", "2"), PAY) as sessions:
            session = await sessions.create_session("one")
            turn = asyncio.create_task(session.generate("go"))
            await waiting(session)
            attendant = session.on_approval(handler)
            assert "done 1" == (await turn).text
            answer = await session.generate("again")
            assert "not two" in said(answer.messages).content
            attendant.close()
        assert (["1"], ["1", "2"]) == (RAN, [json.loads(one.preview)["n"] for one in given])

    run(work())


@pytest.mark.parametrize("how", ["raises", "hangs", "nothing"])
def test_a_handler_that_fails_never_approves(how: str) -> None:
    """Its question lapses at its time and is a denial (astrid#AW-21, astrid#T-18)."""

    async def work() -> None:
        clock = HandClock()
        called = asyncio.Event()

        async def handler(approval: Approval) -> str | None:
            called.set()
            if how == "raises":
                raise RuntimeError("a bug")
            if how == "hangs":
                await asyncio.Event().wait()
            return None

        async with memory(payer("1"), PAY, clock=clock) as sessions:
            session = await sessions.create_session("one")
            session.on_approval(handler)
            await asyncio.sleep(0)
            turn = asyncio.create_task(session.generate("go"))
            found = await waiting(session)
            await called.wait()
            assert found.asked_ms + 120_000 == found.due_ms
            clock.advance(121)
            assert "[denied: nobody answered in time]" == said((await turn).messages).content
            with pytest.raises(ApprovalExpired):
                await session.answer_approval(found.id, "once")
        assert [] == RAN

    run(work())


@pytest.mark.parametrize("said", [True, ("once",), ("once", None), "", ("deny", "a", "b")], ids=str)
def test_a_handler_that_says_nonsense_approves_nothing(
    said: object, caplog: pytest.LogCaptureFixture
) -> None:
    """What is no decision is a bug of the handler: it is logged, and the question waits on."""

    async def work() -> None:
        async def handler(approval: Approval) -> object:
            return said

        async with memory(payer("1"), PAY) as sessions:
            session = await sessions.create_session("one")
            turn = asyncio.create_task(session.generate("go"))
            found = await waiting(session)
            session.on_approval(handler)  # type: ignore[arg-type]  # that is the bug
            await until(lambda: "an approval handler" in caplog.text)
            assert [found] == await session.approvals()
            await session.cancel()
            await asyncio.wait({turn})
            turn.exception()
        assert [] == RAN

    with caplog.at_level("INFO", logger="holdfast"):
        run(work())


async def parent_and_child(
    sessions: SessionManager, *, same_number: bool
) -> tuple[list[Session], list[Approval], list[asyncio.Task[object]]]:
    """A parent and its child that each wait with a question, of the same number or not."""
    family, asked, turns = [await sessions.create_session("up")], [], []
    family.append(await sessions.create_child_session("up", "down"))
    if same_number:
        await family[1].set_title("one event more, as the parent has one for the child")
    for session in family:
        turns.append(asyncio.create_task(session.generate("go")))
        asked.append(await waiting(session))
    assert same_number == (asked[0].question == asked[1].question)
    return family, asked, turns


def family_payer() -> ScriptedModel:
    """A model that pays for the parent, then for the child."""
    both = [calls(make_call("pay", {"n": id}, id=id)) for id in ("above", "below")]
    return ScriptedModel([*both, say("done"), say("done")])


def test_a_yes_for_a_childs_call_is_not_taken_for_the_parents() -> None:
    """Questions are numbered alike in every session: an id confirms only this one's own calls."""

    async def work() -> None:
        async with memory(family_payer(), PAY) as sessions:
            (up, down), asked, turns = await parent_and_child(sessions, same_number=True)
            assert asked == await up.approvals()
            assert not await up.confirm_tool("below", True)
            assert asked == await up.approvals()
            assert await down.confirm_tool("below", True)
            await turns[1]
            assert (["below"], asked[:1]) == (RAN, await up.approvals())
            assert await up.confirm_tool("above", True)
            await turns[0]
        assert ["below", "above"] == RAN

    run(work())


def test_a_handler_is_given_its_own_sessions_questions() -> None:
    """Those of a child are listed at the root, and answered by their ids."""

    async def work() -> None:
        given: list[str] = []

        async def handler(approval: Approval) -> str:
            given.append(approval.tool_ids[0])
            return "once"

        async with memory(family_payer(), PAY) as sessions:
            (up, _), asked, turns = await parent_and_child(sessions, same_number=False)
            attendant = up.on_approval(handler)
            await turns[0]
            assert asked[1:] == await up.approvals()
            await sessions.answer_approval(asked[1].id, "once")
            await turns[1]
            attendant.close()
        assert (["above"], ["above", "below"]) == (given, RAN)

    run(work())


def test_a_hanging_tool_of_another_session_does_not_hold_the_answer_up() -> None:
    """Questions of sessions do not wait for each other."""

    async def work() -> None:
        paying = [call("pay", {"n": "1"}) for _ in range(2)]
        async with memory(ScriptedModel([*paying, say("done")]), PAY) as sessions:
            one, two = [await sessions.create_session(name) for name in ("one", "two")]
            turns = [asyncio.create_task(each.generate("go")) for each in (one, two)]
            await waiting(one)
            found = await waiting(two)
            await sessions.answer_approval(found.id, "once")
            await turns[1]
            assert ["one"] == [each.session_id for each in await sessions.list_approvals()]
            await one.cancel()
            await asyncio.wait(turns)
            turns[0].exception()

    run(work())


def test_a_cancelled_turn_takes_its_question_along() -> None:
    """What waits is rejected and its row is gone (a3s#14.1)."""

    async def work() -> None:
        async with memory(payer("1"), PAY) as sessions:
            session = await sessions.create_session("one")
            turn = asyncio.create_task(session.generate("go"))
            await waiting(session)
            assert await session.cancel()
            await asyncio.wait({turn})
            turn.exception()
            assert ([], []) == (await sessions.list_approvals(), RAN)

    run(work())


def test_the_confirmation_policy_is_kept() -> None:
    """Set with the session or later, in the seeds' words or ours (seeds B13, D3)."""

    async def work(folder: Path) -> None:
        config = SessionConfig(confirmation_policy={"enabled": True, "default_timeout_ms": 30_000})
        async with on_file(folder, payer("1"), PAY) as sessions:
            session = await sessions.create_session("one", config)
            assert 30 == (await session.get_confirmation_policy()).attended_s
            chosen = await sessions.set_confirmation_policy("one", {"yolo_lanes": ["execute"]})
            assert ("execute",) == chosen.unsafe_auto_approve
            await session.generate("go")
            assert ["1"] == RAN
            with pytest.raises(InvalidInput):
                await session.set_confirmation_policy({"nonsense": 1})
        async with on_file(folder) as sessions:
            assert chosen == await sessions.get_confirmation_policy("one")

    import tempfile  # lazy: one test with a folder of its own

    with tempfile.TemporaryDirectory() as folder:
        run(work(Path(folder)))


def test_a_critical_action_takes_two_people() -> None:
    """Not the same one twice, and not the requester, whatever else allows it (astrid#AW-21)."""

    async def work() -> None:
        policy = ConfirmationPolicy(critical=("pay",))
        config = SessionConfig(unsafe_auto_approve=True, confirmation_policy=policy)
        async with memory(payer("1"), PAY) as sessions:
            session = await sessions.create_session("one", config)
            turn = asyncio.create_task(session.generate("go"))
            found = await waiting(session)
            assert (2, ("once", "deny", "edit")) == (found.quorum, found.choices)
            await session.answer_approval(found.id, "once", by="ann")
            assert ("ann",) == (await session.approvals())[0].yes
            with pytest.raises(AlreadyAnswered):
                await session.answer_approval(found.id, "once", by="ann")
            with pytest.raises(HoldfastError, match="who asked for it"):
                await session.answer_approval(found.id, "once")
            assert [] == RAN
            await session.answer_approval(found.id, "once", by="bob")
            await turn
        assert ["1"] == RAN

    run(work())


def test_a_session_that_only_waits_for_a_person_is_parked(tmp_path: Path) -> None:
    """No task, no lease; the answer is carried out by another process (astrid#AW-23)."""

    async def work() -> None:
        async with on_file(tmp_path, payer("1"), PAY, idle_s=0.1) as first:
            session = await first.create_session("one")
            feed = session.stream("go", answers=False)
            async for event in feed:
                if event.type == "confirmation_required":
                    break
            await feed.aclose()  # type: ignore[attr-defined]  # an async generator
            found = await waiting(session)
            assert found.due_ms is None
            await until(lambda: first.live(session.where.stream) is None)
            store, stream = session.where.backend.store, session.where.stream

            async def free() -> bool:
                row = await store.stream_row(stream)
                return row is not None and row.node is None

            await until_async(free)
            assert not [t for t in asyncio.all_tasks() if t.get_name().startswith("engine")]
            async with on_file(tmp_path, ScriptedModel([say("done")]), PAY) as second:
                assert [found] == await second.list_approvals()
                await second.answer_approval(found.id, "once")
                again = await second.get_session("one")
                await until_async(lambda: _over(again))
                assert (["1"], []) == (RAN, await second.list_approvals())

    run(work())


async def _over(session: Session) -> bool:
    return (await session.view()).turn is None


def test_a_parked_question_lapses_without_a_lease(tmp_path: Path) -> None:
    """Whoever runs leads the session when its time has come, and refuses (contract 2.6)."""

    async def work() -> None:
        policy = ConfirmationPolicy(unattended_s=1)
        async with on_file(tmp_path, payer("1"), PAY) as first:
            session = await first.create_session("one", SessionConfig(confirmation_policy=policy))
            command = await first.queue(session.where, _send("go"))
            assert command
            found = await waiting(session)
            assert found.asked_ms + 1_000 == found.due_ms
        async with on_file(tmp_path, ScriptedModel([say("done")]), PAY) as second:
            again = await second.get_session("one")
            await until_async(lambda: _over(again))
            assert "nobody answered in time" in said(await again.history()).content
        assert [] == RAN

    run(work())


def _send(text: str) -> object:
    from holdfast.core.commands import Send  # lazy: only for who speaks to the inbox
    from holdfast.core.messages import user

    return Send(message=user(text))


def test_the_rows_of_questions_are_sealed(tmp_path: Path) -> None:
    """What is asked about is nowhere in clear, only when it is due (contract 1.9)."""

    async def work() -> None:
        async with on_file(tmp_path, payer("topsecret"), PAY) as sessions:
            session = await sessions.create_session("one")
            turn = asyncio.create_task(session.generate("go"))
            await waiting(session)
            store = session.where.backend.store
            rows = await store.pending(session.where.stream, PendingKind.QUESTION)
            assert 1 == len(rows) and b"topsecret" not in rows[0].payload
            await session.cancel()
            await asyncio.wait({turn})
            turn.exception()

    run(work())


def test_who_and_when_are_on_record(tmp_path: Path) -> None:
    """The answer's event says who; its place in the log when."""

    async def work() -> None:
        async with on_file(tmp_path, payer("1"), PAY) as sessions:
            session = await sessions.create_session("one")
            turn = asyncio.create_task(session.generate("go"))
            found = await waiting(session)
            await session.answer_approval(found.id, "once", by="ann", note="fine")
            await turn
            journal = session.where.backend.journal(session.where.row)
            log = [one async for one in journal.replay()]
            given = [one for one in log if isinstance(one.event, Answered)]
            assert [("ann", "fine", "once")] == [
                (one.event.by, one.event.note, one.event.decision) for one in given
            ]
            began = [o for o in log if isinstance(o.event, EffectStarted) and o.event.name == "pay"]
            assert given[0].version < began[0].version
            assert found.asked_ms <= given[0].time_ms

    run(work())


def test_events_say_what_the_seeds_say() -> None:
    """Required, received and timeout carry the tool's id (a3s#3)."""

    async def work() -> None:
        async with memory(payer("1"), PAY) as sessions:
            session = await sessions.create_session("one")
            seen = []
            async for event in session.stream("go"):
                seen.append(event)
                if event.type == "confirmation_required":
                    assert await session.confirm_tool(str(event.data["tool_id"]), False, "no")
            required = next(one for one in seen if one.type == "confirmation_required")
            received = next(one for one in seen if one.type == "confirmation_received")
            assert ("call_1", "pay", '{"n":"1"}', 120_000) == tuple(
                required.data[key] for key in ("tool_id", "tool_name", "args", "timeout_ms")
            )
            assert ("call_1", False, "no") == tuple(
                received.data[key] for key in ("tool_id", "approved", "note")
            )

    run(work())
