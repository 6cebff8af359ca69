"""What readers are shown: the author all, another nothing above the session's `reader` level."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

import sealedhelp
from contenthelp import CARD, EMAIL, PASSWORD, SECRETS, TOLD, leaked, names_in, quick
from holdfast.bootstrap import SessionManager
from holdfast.core.errors import InvalidInput, KeyDestroyed, ProviderFailed, Unavailable
from holdfast.core.events import Outcome
from holdfast.core.findings import TaintMatch
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.feed import Feed
from holdfast.runtime.handle import Session
from holdfast.runtime.readers import DEPTH_MAX, PIECES, TOO_DEEP, WIPED, Reading
from holdfast.runtime.securing import SecurityConfig
from holdfast.runtime.stream import EVENT_TYPES, StreamEvent
from holdfast.testing.script import ScriptItem, call, fail, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import memory, on_file, run, tool, until, until_async

HIDDEN = "NDExMS0xMTExLTExMTEtMTExMQ=="
"""The card, in base64."""
NEVER = (CARD, PASSWORD, HIDDEN[:12])
LEVELS = pytest.mark.parametrize(
    ("level", "secret"), [("sensitive", NEVER), ("normal", (*NEVER, EMAIL))]
)


BOB = "bob"
LATER = f"Once more {HIDDEN}, and the address is {EMAIL}."


def config_of(level: str) -> SessionConfig:
    """A session whose readers see up to a level, with a prompt that tells."""
    return SessionConfig(
        system_prompt=f"The door opens with password: {PASSWORD}",
        security_config=SecurityConfig(reader=level),
    )


def note(text: str = "") -> str:
    """Note it."""
    return f"noted {text}"


def script() -> list[ScriptItem]:
    """A call that is asked about, answers, a failure that tells."""
    return [
        call("note", {"text": f"{EMAIL} {CARD}"}),
        say(f"I noted {EMAIL} with {CARD}."),
        say(f"Yes, {CARD}."),
        fail(f"cannot parse {CARD} of {EMAIL}", retryable=False),
    ]


async def asked(session: Session) -> bool:
    """Whether somebody is to answer."""
    return bool(await session.questions())


async def everything(sessions: SessionManager, by: str | None) -> dict[str, object]:
    """What each reader says of the session `one`."""
    one = await sessions.get_session("one")
    return {
        "history": await one.history(by=by),
        "history by id": await sessions.history("one", by=by),
        "last_messages": await one.last_messages(99, by=by),
        "system_prompt": await one.system_prompt(by=by),
        "info": await one.info(by=by),
        "facts": [(f.details, f.questions, f.state_reason) for f in [await one.facts(by=by)]],
        "metadata": await one.metadata(by=by),
        "questions": await one.questions(by=by),
        "approvals": await one.approvals(by=by),
        "list_approvals": await sessions.list_approvals(by=by),
        "to_session_data": (await sessions.to_session_data("one", by=by)).to_json(),
        "to_serializable": (await sessions.to_serializable("one", by=by)).to_json(),
        "plan": await one.plan(by=by),
        "waiting_for": await one.waiting_for(),
    }


async def told(session: Session) -> None:
    """Put something secret wherever the session's people can."""
    await session.set_title(f"Ask {EMAIL} for {CARD}")
    await session.set_tags([f"card {CARD}", "x"])
    await session.set_custom(
        "it", {"n": int(CARD.replace("-", "")), f"k {EMAIL}": [CARD, PASSWORD]}
    )


async def a_life(
    sessions: SessionManager, level: str, while_asked: list[dict[str, object]]
) -> tuple[list[StreamEvent], list[StreamEvent], list[StreamEvent]]:
    """A whole session; returns what its author, Bob, and Bob by a stream of his own saw."""
    session = await sessions.create_session("one", config_of(level))
    author: list[StreamEvent] = []
    bob: list[StreamEvent] = []

    async def collect(by: str | None, into: list[StreamEvent]) -> None:
        async for event in await sessions.subscribe_events("one", 0, by=by):
            into += (event,)

    readers = [asyncio.create_task(collect(*one)) for one in ((None, author), (BOB, bob))]
    await told(session)
    await session.fix_plan([("note", {"text": f"{EMAIL} {CARD}"})])
    turn = asyncio.create_task(session.generate(TOLD))
    await until_async(lambda: asked(session))
    while_asked.append(await everything(sessions, BOB))
    (question,) = await session.questions()
    session.emit("sent", {"what": [CARD]})
    await session.answer_approval(question.id, "once", note=f"good for {CARD}")
    await turn
    await session.set_tags([f"y {HIDDEN}"])
    own = [event async for event in session.stream(LATER, by=BOB)]
    with pytest.raises(ProviderFailed) as failed:
        await session.generate(f"Again to {HIDDEN}.", by=BOB)
    assert [] == leaked(str(failed.value), NEVER)
    await session.set_error(f"lost {CARD}")
    last = await session.version()
    await until(lambda: author[-1].version == bob[-1].version == last)
    for reader in readers:
        reader.cancel()
    return author, bob, own


@LEVELS
def test_another_than_the_author_is_shown_no_more_than_the_readers_level(
    level: str, secret: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    """In every event, live and again, and by every reader, while it runs and after."""

    async def work() -> None:
        while_asked: list[dict[str, object]] = []
        model = ScriptedModel(script())
        async with memory(model, tool(note, params=["text"]), detectors=quick()) as sessions:
            author, bob, own = await a_life(sessions, level, while_asked)
            again = await Feed(sessions, (await sessions.get_session("one")).where, by=BOB).start(0)
            for event in (*bob, *own, *again):
                assert [] == leaked(event, secret), event.type
            found = (*while_asked, await everything(sessions, BOB))
            for name, shown in ((name, one) for each in found for name, one in each.items()):
                assert [] == leaked(shown, secret), name
            assert while_asked[0]["approvals"] and while_asked[0]["list_approvals"]
            # The author sees everything, as before, and the events are the same otherwise.
            said = [event for event in author if event.type in ("agent_start", "message_added")]
            assert TOLD == said[0].data["prompt"]
            mine = await everything(sessions, None)
            named = await everything(sessions, sessions.principal)
            for name in ("history", "system_prompt", "metadata", "plan", "questions"):
                assert mine[name] == named[name], name
            assert TOLD in mine["history"][0].text  # type: ignore[index]  # a list of messages
            for name in (
                "plan",
                "history",
                "to_session_data",
                "to_serializable",
                "metadata",
                "info",
            ):
                assert CARD in repr(mine[name]), name
            durable = [(one.type, one.version) for one in author if not one.live]
            assert durable == [(one.type, one.version) for one in bob if not one.live]
            assert durable == [(one.type, one.version) for one in again]
            assert "host.sent" in [one.type for one in bob]
            # The names are those that calls are kept with.
            (use,) = [use for one in mine["history"] for use in one.tool_uses]  # type: ignore[attr-defined]  # messages
            assert set(names_in(use.arguments)) <= set(names_in(repr(bob)))

    run(work())
    assert [] == leaked(caplog.text, SECRETS)


def test_a_session_that_nobody_leads_is_shown_the_same(tmp_path: Path) -> None:
    """In another process, whose principal is another; an export has everything."""

    async def work() -> None:
        model = ScriptedModel([*script()[:2]])
        options = {"detectors": quick()}
        async with on_file(tmp_path, model, tool(note, params=["text"]), **options) as first:
            session = await first.create_session("one", config_of("sensitive"))
            await told(session)
            turn = asyncio.create_task(session.generate(TOLD))
            await until_async(lambda: asked(session))
            here = await everything(first, BOB)
            listed = (await first.list_sessions()).sessions
            assert CARD in listed[0].title
            turn.cancel()
        async with on_file(tmp_path, None, detectors=quick()) as second:
            mine = await everything(second, None)
            assert CARD in repr(mine["history"])
            author, second.principal = second.principal, BOB
            there = await everything(second, None)
            assert None is second.live((await second.get_session("one")).where.stream)
            for name, shown in there.items():
                assert [] == leaked(shown, NEVER), name
            for name in ("history", "metadata", "system_prompt", "approvals", "questions"):
                assert here[name] == there[name], name
            (row,) = (await second.list_sessions()).sessions
            assert [] == leaked((row.title, row.tags), (*NEVER, EMAIL))
            assert names_in(row.title)
            one = await second.get_session("one")
            events = one.subscribe_events(0)
            for event in [await anext(events) for _ in range(6)]:
                assert [] == leaked(event, NEVER), event.type
            whole = await second.export_text("one", "serializable_session")
            assert CARD in whole and PASSWORD in whole
            as_author = await one.history(by=author)
            assert TOLD == as_author[0].text

    run(work())


@pytest.mark.parametrize("type", [*EVENT_TYPES, "host.any"])
def test_no_type_of_event_is_passed_over(type: str) -> None:
    """Whatever field a value is in; pieces were looked at before they were published."""

    async def work() -> StreamEvent:
        async with memory(ScriptedModel([]), detectors=quick()) as sessions:
            session = await sessions.create_session("one", user_id="ada")
            await session.add_message(TOLD)
            data = {
                "text": TOLD,
                "args": json.dumps({"to": f"x {EMAIL}", "card": CARD}),
                "tool_calls": [{"id": CARD, "arguments": json.dumps({"a": [PASSWORD]})}],
                "metadata": {CARD: int(CARD.replace("-", "")), "ok": True, "n": 7, "x": None},
                "steps": ({"tool": PASSWORD},),
                "version": 4,
            }
            event = StreamEvent(type=type, session="one", version=4, time_ms=9, data=data)
            (shown,) = await Reading(sessions, session.where).events(await session.view(), [event])
            (own,) = await Reading(sessions, session.where, "ada").events(
                await session.view(), [event]
            )
            assert own is event
            return shown

    shown = run(work())
    if type in PIECES:
        assert TOLD == shown.data["text"]
        return
    assert [] == leaked(shown, (*NEVER, CARD.replace("-", "")))
    assert set(shown.data) == {"text", "args", "tool_calls", "metadata", "steps", "version"}
    assert 4 == shown.data["version"]
    assert EMAIL in str(shown.data["args"]), "it may be seen"


def test_what_is_not_looked_at_is_ours() -> None:
    """Outcomes are words of ours, usages our own names with figures, whatever was said."""

    async def work() -> list[StreamEvent]:
        async with memory(ScriptedModel([call("nothing", {"a": CARD}), say(TOLD)])) as sessions:
            session = await sessions.create_session("one", user_id="ada")
            await session.generate(TOLD)
            events = session.subscribe_events(0)
            found = [await anext(events)]
            while found[-1].type != "agent_end":
                found.append(await anext(events))
            return found

    heard = run(work())
    outcomes = [one.data["outcome"] for one in heard if "outcome" in one.data]
    usages = [one.data["usage"] for one in heard if "usage" in one.data]
    words = {one.value for one in Outcome} | {"completed", "failed", "cancelled"}
    assert (4, 3, True) == (len(outcomes), len(usages), set(outcomes) <= words)
    for usage in usages:
        assert isinstance(usage, dict)
        assert all(type(count) is int for count in usage.values())
        assert "total_tokens" in usage
        assert all(name.islower() and name.isidentifier() for name in usage)


def test_what_is_not_on_the_list_of_types_is_none() -> None:
    """The pieces that are let through are types that there are."""
    assert set(EVENT_TYPES) >= PIECES


def test_what_is_nested_without_end_is_not_shown() -> None:
    """A depth is enough; deeper there is a marker."""

    async def work() -> None:
        async with memory(ScriptedModel([]), detectors=quick()) as sessions:
            session = await sessions.create_session("one", user_id="ada")
            deep: object = CARD
            for _ in range(DEPTH_MAX + 5):
                deep = [deep]
            view, reading = await session.view(), Reading(sessions, session.where)
            event = StreamEvent(type="x", session="one", version=1, time_ms=1, data={"a": deep})
            (shown,) = await reading.events(view, [event])
            assert TOO_DEEP in repr(shown)
            assert [] == leaked(shown)

    run(work())


class Silent:
    """A matcher that has died."""

    async def load(self, session: str, taints: object) -> None:
        """Take them."""

    async def scan(self, session: str, text: str) -> tuple[TaintMatch, ...]:
        """Not answer."""
        raise Unavailable("it does not answer")

    async def reach(self, session: str) -> int:
        """Nothing."""
        return 0

    async def known(self, session: str) -> int:
        """Nothing."""
        return 0

    async def forget(self, session: str) -> None:
        """Nothing."""

    async def aclose(self) -> None:
        """Nothing."""


def test_what_cannot_be_looked_through_is_shown_to_the_author_alone(tmp_path: Path) -> None:
    """No reader of another principal gets a word, and no question."""

    async def work() -> None:
        async with on_file(tmp_path, ScriptedModel([say("Yes.")]), detectors=quick()) as first:
            session = await first.create_session("one", config_of("sensitive"))
            await session.set_title(f"Of {CARD}")
            await session.generate(TOLD)
        broken = replace(quick(), taints=Silent())
        async with on_file(tmp_path, None, detectors=broken) as second:
            one = await second.get_session("one")
            assert TOLD == (await one.history())[0].text
            for read in (
                one.history(by=BOB),
                one.info(by=BOB),
                one.system_prompt(by=BOB),
                anext(one.subscribe_events(0, by=BOB)),
                second.to_serializable("one", by=BOB),
            ):
                with pytest.raises(Unavailable):
                    await read
            second.principal = BOB
            (row,) = (await second.list_sessions()).sessions
            assert ("", ()) == (row.title, row.tags)

    run(work())


def test_who_reads_is_a_text() -> None:
    """And an empty one is the manager's principal, as everywhere."""

    async def work() -> None:
        async with memory(ScriptedModel([]), detectors=quick()) as sessions:
            session = await sessions.create_session("one")
            await session.add_message(TOLD)
            assert TOLD == (await session.history(by=""))[0].text
            for wrong in (3, b"user", ["user"]):
                with pytest.raises(InvalidInput):
                    await session.history(by=wrong)  # type: ignore[arg-type]  # on purpose

    run(work())


def test_what_was_queued_when_a_session_was_wiped_is_withheld() -> None:
    """Nothing can be looked for any more, so that no word of it is shown; the end is told."""

    async def work() -> list[StreamEvent]:
        async with memory(ScriptedModel([]), detectors=quick()) as sessions:
            session = await sessions.create_session("one", user_id="ada")
            await session.add_message(TOLD)
            events = session.subscribe_events(by=BOB)
            first = asyncio.create_task(anext(events))
            await until(lambda: sessions.hub(session.where.stream).watched)
            await session.add_message(f"{HIDDEN} {EMAIL}")
            await session.set_title(HIDDEN)
            found = [await first]
            assert [] == leaked(found, NEVER)
            assert EMAIL in repr(found)
            await session.add_message(f"{HIDDEN} {EMAIL}")
            await sessions.terminate_session("one")
            return [event async for event in events]

    found = run(work())
    assert [] == leaked(found, (*NEVER, EMAIL))
    assert WIPED == found[1].data["text"]
    assert ["session_configured", "message_added", "session_state"] == [e.type for e in found][:3]
    assert ["session_wiped", "session_ended"] == [event.type for event in found][-2:]
    assert "Terminated" == found[-1].data["state"]


def test_events_of_the_program_have_no_field_that_is_passed_over() -> None:
    """What is ours in our events is anybody's in others."""

    async def work() -> None:
        async with memory(ScriptedModel([]), detectors=quick()) as sessions:
            session = await sessions.create_session("one", user_id="ada")
            data = {"command": CARD, "state": [PASSWORD, CARD]}
            event = StreamEvent(type="host.x", session="one", version=1, time_ms=1, data=data)
            (shown,) = await Reading(sessions, session.where).events(await session.view(), [event])
            assert [] == leaked(shown, (CARD,))

    run(work())


def test_a_reading_that_a_wipe_overtakes_gives_nothing() -> None:
    """The values were forgotten while it looked: what it found is not to be relied on."""

    async def work() -> None:
        async with memory(ScriptedModel([]), detectors=quick()) as sessions:
            session = await sessions.create_session("one", user_id="ada")
            await session.add_message(f"{TOLD} {HIDDEN}")
            engine = sessions.live(session.where.stream)
            assert engine is not None
            await engine.workers.content.taints.forget()
            with pytest.raises(KeyDestroyed):
                await session.history()

    run(work())


def test_a_sealed_session_says_in_its_process_what_another_may_see(tmp_path: Path) -> None:
    """Who reads is relayed; what comes out is what a session of this process shows."""

    async def work() -> None:
        async with (
            sealedhelp.provider() as near,
            sealedhelp.opened(tmp_path, near.base_url) as sessions,
        ):
            session = await sessions.create_session("one", sealedhelp.SEALED)
            await session.set_title(f"Of {CARD}")
            await session.generate(TOLD)
            events = session.subscribe_events(0, by=BOB)
            for shown in (
                await session.history(by=BOB),
                await session.info(by=BOB),
                await session.system_prompt(by=BOB),
                await session.questions(by=BOB),
                await session.approvals(by=BOB),
                [await anext(events) for _ in range(6)],
            ):
                assert [] == leaked(shown, NEVER)
            assert TOLD == (await session.history())[0].text
            assert CARD in (await session.info()).title
            with pytest.raises(InvalidInput):
                await session.history(by=3)  # type: ignore[arg-type]  # on purpose

    sealedhelp.run(work())
