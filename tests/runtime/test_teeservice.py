"""Sessions and the enclave, through the public API, with real processes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from contenthelp import EMAIL, all_sent, leaked, log_of, public, quick
from holdfast.adapters.enclave.simulated import SimulatedEnclave
from holdfast.adapters.enclave.worker import EnclaveProgram
from holdfast.bootstrap import SessionManager
from holdfast.core.errors import InvalidInput, TeeUnavailable
from holdfast.core.events import Asked
from holdfast.core.lifecycle import SessionState
from holdfast.ports.clock import SystemClock
from holdfast.runtime.runrecords import record_of
from holdfast.runtime.tee import TeeConfig
from holdfast.testing.script import say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import UNSAFE, memory, on_file, run, until

SIMULATED = TeeConfig(enabled=True, allow_simulated=True, required=True)
TOLD = f"mail {EMAIL} please"


def slowly(sessions: SessionManager, delay_ms: int) -> SimulatedEnclave:
    """Have a manager's enclave take its time for each word."""
    enclave = SimulatedEnclave(EnclaveProgram(delay_ms=delay_ms), SystemClock())
    sessions.tee_runtime._build = lambda config: enclave
    return enclave


def test_22_an_enclave_that_is_wanted_and_missing_is_a_question() -> None:
    """An e-mail address in a text, no hardware, the default policy: a person decides."""

    async def work() -> None:
        model = public([say("no")])
        async with memory(model, tee=TeeConfig(enabled=True), detectors=quick()) as sessions:
            assert not sessions.is_tee_enabled()
            assert sessions.tee_runtime.status.configured
            session = await sessions.create_session("one", UNSAFE)
            stream = session.stream(TOLD)
            async for event in stream:
                if event.type == "confirmation_required":
                    break
            await stream.aclose()
            asked = [one for one in await log_of(session) if isinstance(one, Asked)]
            assert 1 == len(asked)
            assert not (await session.info()).tee_active
        assert [] == model.requests

    run(work())


def test_what_is_ordinary_needs_no_enclave() -> None:
    """It is processed where the session is, while the enclave is missing."""

    async def work() -> None:
        model = public([say("ok")])
        async with memory(model, tee=TeeConfig(enabled=True), detectors=quick()) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            assert "ok" == (await session.generate("hello")).text

    run(work())


def test_what_is_sensitive_is_answered_in_the_simulated_enclave() -> None:
    """And nowhere else; the result says that it was simulated."""

    async def work() -> None:
        model = public([say("no")])
        async with memory(model, tee=SIMULATED, detectors=quick()) as sessions:
            assert sessions.is_tee_enabled() and sessions.tee_runtime.status.simulated
            session = await sessions.create_session("one", UNSAFE)
            assert not await session.uses_tee()
            result = await session.generate(TOLD, command_id=bytes(16))
            assert "please" in result.text
            assert await session.uses_tee()
            record = await record_of(session.where, bytes(16), result.version)
            assert (1, 1, ("email",)) == (record.models, record.enclave, record.kinds)
            said = "".join(repr(event) for event in await log_of(session))
            assert "simulated enclave" in said
        assert [] == leaked(all_sent(model), (EMAIL,)) and [] == model.requests
        assert not sessions.is_tee_enabled()

    run(work())


def test_killed_in_the_middle_of_an_answer_the_session_is_intact(tmp_path: Path) -> None:
    """The turn fails with a type; after a new start the session goes on."""

    async def work() -> None:
        model = public([say("no")])
        async with on_file(
            tmp_path, model, tee=TeeConfig(enabled=True), detectors=quick()
        ) as sessions:
            enclave = slowly(sessions, 50)
            assert (await sessions.init_tee()).ready
            session = await sessions.create_session("one", UNSAFE)
            stream = session.stream(f"{TOLD} " + "word " * 400)
            async for event in stream:
                if event.type == "text_delta":
                    break
            assert enclave.pid is not None
            os.kill(enclave.pid, signal.SIGKILL)
            ended = [event async for event in stream]
            assert ("agent_end", "failed", "provider_failed") == (
                ended[-1].type,
                ended[-1].data["outcome"],
                ended[-1].data["reason"],
            )
            assert [] == model.requests
            await sessions.shutdown_tee()
            slowly(sessions, 0)
            await sessions.init_tee()
            assert "please" in (await session.generate(TOLD)).text
            report = await sessions.audit_verify("one")
            assert report.ok
        assert [] == model.requests

    run(work())


def test_shutdown_parks_what_runs_in_the_enclave(tmp_path: Path) -> None:
    """It is paused, no key of a session dies, and it goes on when the enclave is back."""

    async def work() -> None:
        model = public([say("no")])
        async with on_file(
            tmp_path, model, tee=TeeConfig(enabled=True), detectors=quick()
        ) as sessions:
            slowly(sessions, 50)
            await sessions.init_tee()
            session = await sessions.create_session("one", UNSAFE)
            stream = session.stream(f"{TOLD} " + "word " * 400)
            async for event in stream:
                if event.type == "text_delta":
                    break
            engine = sessions.live(session.where.stream)
            assert engine is not None
            assert ["one"] == await sessions.shutdown_tee()
            await stream.aclose()
            assert 0 == len(engine.workers.content.taints.vault)
            assert not sessions.is_tee_enabled()
            assert SessionState.PAUSED is await session.state()
            slowly(sessions, 0)
            await sessions.init_tee()
            assert await session.resume()
            live = await sessions.engine(session.where)
            await until(lambda: live.view.turn is None)
            assert any("please" in one.text for one in (await session.history())[1:])
        assert [] == model.requests

    run(work())


def test_an_enclave_that_is_required_and_missing_opens_nothing() -> None:
    """And two of them are refused at once."""

    async def work() -> None:
        with pytest.raises(TeeUnavailable):
            async with memory(public(), tee=TeeConfig(enabled=True, required=True)):
                pass

    run(work())
    with pytest.raises(InvalidInput):
        memory(public(), tee=TeeConfig(enabled=True), enclave_llm=ScriptedModel())
