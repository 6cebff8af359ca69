"""What a detector cannot answer is taken for the worst, and nothing hangs on it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from contenthelp import (
    CARD,
    EMAIL,
    Broken,
    all_sent,
    leaked,
    log_of,
    public,
    quick,
)
from holdfast.adapters.taints.local import LocalTaintMatcher
from holdfast.core.errors import Denied, HoldfastError, ImportRefused, Unavailable
from holdfast.core.events import Admitted, EffectEnded, Refused
from holdfast.core.findings import Classification
from holdfast.core.flows import Flow, Reads, Sink
from holdfast.core.labels import Sensitivity
from holdfast.ports.tool import ToolOutcome
from holdfast.runtime.config import SessionConfig
from holdfast.testing.script import call, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import UNSAFE, echo, memory, one_session, results, run, tool


@pytest.mark.parametrize("which", ["classifier", "injection"])
def test_a_message_nobody_could_look_at_is_refused(
    which: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is on record that it was refused, not what it said; the next one is let in."""
    bug = Broken(only="poison")
    parts = {"classifier": lambda security: bug} if which == "classifier" else {"injection": bug}

    async def work() -> None:
        model = ScriptedModel([say("ok")])
        detectors = replace(quick(), **parts)  # type: ignore[arg-type]  # one of its fields
        async with one_session(model, detectors=detectors) as session:
            before = await session.version()
            for attempt in (
                lambda: session.generate("poison pill"),
                lambda: session.add_message("poison pill"),
            ):
                with pytest.raises(Denied):
                    await attempt()
            refused = (await log_of(session))[before:]
            assert [("injection", "not_inspected")] * 2 == [
                (event.guard, event.reason) for event in refused if isinstance(event, Refused)
            ]
            assert [] == [event for event in refused if "pill" in repr(event)]
            assert [] == await session.history() and [] == model.requests
            assert "ok" == (await session.generate("harmless")).text

    with caplog.at_level(logging.DEBUG):
        run(work())
    assert "pill" not in caplog.text


def test_a_result_nobody_could_look_at_is_withheld(caplog: pytest.LogCaptureFixture) -> None:
    """It counts as Critical and untrusted, and neither model nor reader is told of it."""

    def fetch() -> ToolOutcome:
        return ToolOutcome(content=f"poison {CARD}", metadata={"card": CARD})

    async def work() -> None:
        bug = Broken(only="poison")
        model = public([call("fetch"), say("ok")])
        detectors = replace(quick(), classifier=lambda security: bug)
        flow = Flow(reads=Reads.TRUSTED, sink=Sink.NONE)
        async with one_session(model, tool(fetch, flow=flow), detectors=detectors) as session:
            events = [event async for event in session.stream("go")]
            label = await session.label()
            (result,) = results(await session.history())
        assert Sensitivity.CRITICAL is label.sensitivity
        assert (True, "[withheld: it could not be inspected]") == (result.is_error, result.content)
        assert [] == leaked((events, all_sent(model)))

    with caplog.at_level(logging.DEBUG):
        run(work())
    assert [] == leaked(caplog.text)


def test_a_file_nobody_could_look_at_is_refused(tmp_path: Path) -> None:
    """No session is made of it."""

    async def work() -> None:
        path = tmp_path / "out.jsonl"
        async with memory(echo(), detectors=quick()) as others:
            await (await others.create_session("other", UNSAFE)).generate("poison pill")
            await others.export_session("other", path)
        detectors = replace(quick(), injection=Broken(only="poison"))
        async with memory(echo(), detectors=detectors) as sessions:
            with pytest.raises(ImportRefused) as caught:
                await sessions.import_file(path)
            assert "pill" not in repr(caught.value)
            assert [] == await sessions.get_all_sessions()

    run(work())


def test_a_prompt_nobody_could_look_at_is_not_sent() -> None:
    """No model is called."""

    async def work() -> None:
        bug = Broken(only="poison")
        model = public([say("no")])
        config = SessionConfig(system_prompt="poison pill")
        detectors = replace(quick(), classifier=lambda security: bug)
        async with one_session(model, config=config, detectors=detectors) as session:
            with pytest.raises(HoldfastError):
                await session.generate("hi")
        assert [] == model.requests

    run(work())


class Silent(LocalTaintMatcher):
    """A matcher that does not answer any more."""

    async def scan(self, session: str, text: str) -> object:  # type: ignore[override]  # it never returns
        """Fail."""
        raise Unavailable("the matcher is gone")


def test_without_a_matcher_nothing_is_sent_and_nothing_shown() -> None:
    """What cannot be looked through stays here; a session without values does not need it."""

    async def work() -> None:
        model = public([say("first"), say(f"never {EMAIL}")])
        detectors = replace(quick(), taints=Silent())
        async with one_session(model, detectors=detectors) as session:
            assert "first" == (await session.generate("hi")).text
            with pytest.raises(HoldfastError):
                await session.generate(f"mail {EMAIL}")
            local = ScriptedModel([say(f"said {EMAIL}")])
        assert 1 == len(model.requests)
        async with one_session(local, detectors=replace(quick(), taints=Silent())) as session:
            with pytest.raises(HoldfastError):
                await session.generate(f"mail {EMAIL}")
            journal = [event for event in await log_of(session) if isinstance(event, EffectEnded)]
            assert [] == leaked(journal) and [] != journal

    run(work())


def test_a_result_is_withheld_without_a_matcher() -> None:
    """A value that a result may hold is not shown on the hope that it holds none."""

    def fetch() -> str:
        return f"card {CARD}"

    async def work() -> None:
        detectors = replace(quick(), taints=Silent())
        model = ScriptedModel([call("fetch"), say("ok")])
        async with one_session(model, tool(fetch), detectors=detectors) as session:
            events = [event async for event in session.stream("go")]
            (result,) = results(await session.history())
        assert "[withheld: it could not be inspected]" == result.content
        assert [] == leaked(events)

    run(work())


class Slow:
    """A classifier that never answers, or finds that all is critical."""

    name = "slow"

    def __init__(self, *, answers: bool) -> None:
        self._answers = answers
        self.asked = 0

    async def classify_slowly(self, text: str) -> Classification:
        """Answer, or hang."""
        self.asked += 1
        if not self._answers:
            await asyncio.Event().wait()
        return Classification(level=Sensitivity.CRITICAL)


def test_a_slow_classifier_has_a_deadline() -> None:
    """What the fast one saw stands, and it is on record that less was looked for."""

    async def work() -> None:
        slow = Slow(answers=False)
        async with one_session(echo(), detectors=quick([slow], 0.02)) as session:
            await session.generate(f"mail {EMAIL}")
            assert Sensitivity.SENSITIVE is (await session.label()).sensitivity
            (found,) = [e.found for e in await log_of(session) if isinstance(e, Admitted)]
        assert found is not None and ("slow: timed out",) == found.weak
        assert 1 == slow.asked

    run(work())


def test_the_higher_verdict_stands() -> None:
    """A slow classifier that is in time can only make it worse."""

    async def work() -> None:
        model = public([say("no")])
        async with one_session(model, detectors=quick([Slow(answers=True)])) as session:
            with pytest.raises(Denied):
                await session.generate("nothing of note")
        assert [] == model.requests

    run(work())
