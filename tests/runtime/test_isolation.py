"""Each session by itself: registries, wipes, and that nothing of one reaches another."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from random import Random

import apsw
import pytest

from contenthelp import CARD, EMAIL, PASSWORD, leaked, log_of, quick
from holdfast.bootstrap import SessionManager
from holdfast.core.errors import HoldfastError, InvalidInput, SessionNotFound
from holdfast.core.labels import Sensitivity
from holdfast.core.security import Zone
from holdfast.ports.model import ModelRequest
from holdfast.runtime.audit import verify_store
from holdfast.runtime.handle import Session
from holdfast.runtime.isolation import WIPE_ALL
from holdfast.testing.script import Turn, call, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import UNSAFE, echo, last_user, memory, on_file, run, tool


def test_a_registry_is_one_sessions_own(tmp_path: Path) -> None:
    """Kinds, levels and pseudonyms; fingerprints of the same value differ; no values."""

    async def work() -> None:
        async with on_file(tmp_path, echo(), detectors=quick()) as sessions:
            await (await sessions.create_session("one")).generate(f"card {CARD}, mail {EMAIL}")
            await (await sessions.create_session("two")).generate(f"mail {EMAIL}")
            one = await sessions.isolation.registry("one")
            two = await sessions.isolation.registry("two")
            assert [Sensitivity.HIGHLY_SENSITIVE, Sensitivity.SENSITIVE] == [e.level for e in one]
            assert ["email"] == [entry.kind for entry in two]
            assert not {entry.fingerprint for entry in one} & {entry.fingerprint for entry in two}
            assert not {entry.pseudonym for entry in one} & {entry.pseudonym for entry in two}
            assert [] == leaked(one) + leaked(two)
            await sessions.isolation.wipe_session("one", reason="told to")
            with pytest.raises(SessionNotFound):
                await sessions.isolation.registry("one")
            assert two == await sessions.isolation.registry("two")

    run(work())


def test_all_are_wiped_only_if_that_is_said(tmp_path: Path) -> None:
    """Forks once, ended and hidden ones too; the chains still verify, and nothing is readable."""

    async def work() -> None:
        async with on_file(tmp_path, echo(), detectors=quick()) as sessions:
            for name in ("one", "two", "three"):
                await (await sessions.create_session(name)).generate(f"mail {EMAIL}")
            await sessions.fork_session("one", "fork")
            await sessions.end_session("three")
            for said in ("", "yes", WIPE_ALL.upper()):
                with pytest.raises(InvalidInput, match="nothing was wiped"):
                    await sessions.isolation.wipe_all(confirm=said)
            assert 4 == await sessions.session_count()
            report = await sessions.isolation.wipe_all(confirm=WIPE_ALL)
            named = {receipt.session_id for receipt in report.wiped}
            below = {name for receipt in report.wiped for name in receipt.erased}
            assert report.complete and {"one", "two", "three", "fork"} == named | below
            assert not named & below
            for name in ("one", "two", "three", "fork"):
                with pytest.raises(SessionNotFound):
                    await sessions.get_session(name)
            audit = await verify_store(sessions)
            assert audit.ok and 4 == audit.wiped
            again = await sessions.isolation.wipe_all(confirm=WIPE_ALL)
            assert again.complete and () == again.wiped

    run(work())


def test_what_another_manager_leads_is_wiped_by_it(tmp_path: Path) -> None:
    """The command goes to whoever leads; both sessions are gone."""

    async def work() -> None:
        async with (
            on_file(tmp_path, echo()) as theirs,
            on_file(tmp_path, echo()) as sessions,
        ):
            await (await theirs.create_session("theirs")).generate("a")
            await (await sessions.create_session("ours")).generate("b")
            report = await sessions.isolation.wipe_all(confirm=WIPE_ALL)
            assert {"ours", "theirs"} == {receipt.session_id for receipt in report.wiped}
            with pytest.raises(SessionNotFound):
                await theirs.get_session("theirs")

    run(work())


def test_one_that_cannot_be_wiped_is_named_and_does_not_keep_the_rest(tmp_path: Path) -> None:
    """A damaged log stops its own wipe only."""

    async def work() -> None:
        async with on_file(tmp_path, echo()) as sessions:
            for name in ("bad", "good"):
                await (await sessions.create_session(name)).generate("a")
        store = next((tmp_path / "store").glob("*.db"))
        db = apsw.Connection(str(store))
        db.execute("UPDATE event SET body = zeroblob(20) WHERE version = 3 AND stream = "
                   "(SELECT min(stream) FROM event)")  # fmt: skip
        db.close()
        async with on_file(tmp_path, echo()) as sessions:
            report = await sessions.isolation.wipe_all(confirm=WIPE_ALL)
            assert 1 == len(report.wiped) == len(report.failed) and not report.complete
            ((name, reason),) = report.failed
            assert {"bad", "good"} == {name, report.wiped[0].session_id}
            assert reason in ("chain_broken", "unreadable_event")

    run(work())


# --- nothing of one session reaches another ---------------------------------------------------


SECRETS = {
    "one": ("ada.lovelace@example.org", "4111-1111-1111-1111", PASSWORD),
    "two": ("grace.hopper@example.net", "5500-0000-0000-0004", "wrong4Donkey2Volt"),
}


def _told(name: str, random: Random) -> str:
    mail, card, password = SECRETS[name]
    return random.choice((
        f"my mail is {mail}", f"charge {card} please", f"my password is {password}", "hello",
    ))  # fmt: skip


def _answers(request: ModelRequest) -> Turn:
    """A model that repeats what it is told, and at times calls a tool with it."""
    words = last_user(request.messages)
    if request.messages[-1].parts[0].type == "text" and "charge" in words:
        return call("note", {"text": words})
    return say(f"re: {words}")


class Watcher:
    """Keeps all that each session's outside is shown, and what anybody logs."""

    def __init__(self) -> None:
        self.seen: dict[str, list[str]] = {"one": [], "two": []}

    def note(self, name: str, what: object) -> None:
        """Keep it."""
        self.seen[name].append(what if isinstance(what, str) else repr(what))

    def strangers(self) -> list[str]:
        """What of one session stands in what the other one showed."""
        return [
            value
            for name, other in (("one", "two"), ("two", "one"))
            for value in leaked("\n".join(self.seen[name]), SECRETS[other])
        ]


async def _do(sessions: SessionManager, session: Session, random: Random, watch: Watcher) -> None:
    name = session.id
    deeds: tuple[Callable[[], object], ...] = (
        lambda: session.generate(_told(name, random)),
        lambda: session.generate(_told(name, random)),
        session.history,
        session.questions,
        session.label,
        session.risk,
        session.info,
        lambda: sessions.isolation.registry(name),
        lambda: sessions.export_text(name),
        lambda: sessions.explain(name, "note", {"text": _told(name, random)}),
        lambda: session.rewind(10**6),
        lambda: session.answer(10**6, "whatever"),
        lambda: sessions.get_session(f"no such {name}"),
        session.cancel,
        session.pause,
        session.resume,
        session.clear,
    )
    try:
        found = random.choice(deeds)()
        watch.note(name, await found if asyncio.iscoroutine(found) else found)
    except HoldfastError as error:
        watch.note(name, f"{error!r} {error.message}")
    except Exception as error:  # a wrong call of the test itself
        raise AssertionError(f"{type(error).__name__}: {error}") from error


async def _both(count: int, watch: Watcher) -> None:
    random = Random(7)
    model = ScriptedModel([_answers] * (3 * count), zone=Zone.LOCAL)

    def note(text: str = "") -> str:
        return f"noted {text}"

    async with memory(model, tool(note, params=["text"]), detectors=quick()) as sessions:
        both = [await sessions.create_session(name, UNSAFE) for name in ("one", "two")]
        feeds = [asyncio.create_task(_follow(one, watch)) for one in both]
        for _ in range(count):
            await _do(sessions, random.choice(both), random, watch)
        for one in both:
            await one.resume()
            watch.note(one.id, await log_of(one))
        for feed in feeds:
            feed.cancel()
        await asyncio.gather(*feeds, return_exceptions=True)


async def _follow(session: Session, watch: Watcher) -> None:
    async for event in await session.subscribe_events():
        watch.note(session.id, event)


def _apart(count: int, caplog: pytest.LogCaptureFixture) -> None:
    watch = Watcher()
    with caplog.at_level(logging.DEBUG):
        asyncio.run(_both(count, watch))
    assert all(len(seen) > count // 3 for seen in watch.seen.values())
    assert [] == watch.strangers()
    # The check would tell: each session's own values are in what it showed.
    assert all(leaked("\n".join(watch.seen[name]), SECRETS[name]) for name in SECRETS)
    assert [] == leaked(caplog.text, (*SECRETS["one"], *SECRETS["two"]))


def test_nothing_of_one_session_reaches_another(caplog: pytest.LogCaptureFixture) -> None:
    """Outputs, events, logs, exports, errors: a few hundred random operations."""
    _apart(300, caplog)


@pytest.mark.slow
def test_ten_thousand_operations_keep_two_sessions_apart(caplog: pytest.LogCaptureFixture) -> None:
    """The same, 10,000 times."""
    _apart(10_000, caplog)
