"""All four routing decisions are acted on, and who consents is the author."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from contenthelp import CARD, EMAIL, PASSWORD, all_sent, leaked, log_of, names_in, public, quick
from holdfast.core.errors import ApproverRefused, Denied, HoldfastError
from holdfast.core.events import Asked, EffectStarted, Refused
from holdfast.core.flows import Flow, Sink
from holdfast.core.labels import Sensitivity
from holdfast.core.security import DataPolicy, Fallback, RoutingDecision, Zone
from holdfast.core.view import ENCLAVE, Question
from holdfast.runtime.config import AgentResult, SessionConfig
from holdfast.runtime.handle import Session
from holdfast.runtime.perform import Publish
from holdfast.runtime.securing import SecurityConfig
from holdfast.testing.script import call, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import echo, memory, on_file, one_session, run, tool

TOLD = f"my card is {CARD}"


def config(**options: object) -> SessionConfig:
    """A session with these settings of content security."""
    security = SecurityConfig(**options)  # type: ignore[arg-type]  # its fields, as the test needs
    return SessionConfig(unsafe_auto_approve=True, security_config=security)


def policy(**options: object) -> SessionConfig:
    """A session with this data policy."""
    return config(data_policy=DataPolicy(**options))  # type: ignore[arg-type]  # its fields, as the test needs


def rule(kind: str, decision: RoutingDecision) -> SessionConfig:
    """A session with one type rule."""
    return policy(type_rules=((kind, decision),))


def enclave(*turns: object) -> ScriptedModel:
    """The model of an enclave."""
    return ScriptedModel(turns or [say("from within")] * 5, zone=Zone.TEE, model="enclave")  # type: ignore[arg-type]  # turns, as the test needs


async def asked(session: Session, task: asyncio.Task[AgentResult]) -> Question:
    """The question that a session waits with."""
    while not (found := await session.questions()):
        if task.done():
            task.result()
        await asyncio.sleep(0.002)
    return found[0]


# --- local ------------------------------------------------------------------------------------


def test_what_is_ordinary_is_processed_where_the_session_is() -> None:
    """No question, no enclave, no other model."""

    async def work() -> None:
        model, inner = public([say("ok")]), enclave()
        async with one_session(model, enclave_llm=inner, detectors=quick()) as session:
            assert "ok" == (await session.generate("hello")).text
            assert not (await session.info()).tee_active
        assert [] == inner.requests

    run(work())


# --- in the enclave ---------------------------------------------------------------------------


def test_what_is_sensitive_goes_to_the_enclave_and_nowhere_else() -> None:
    """In clear, since it may see it; so do all later calls, and it is on record."""

    async def work() -> None:
        model, inner = public([say("outside")]), enclave()
        async with one_session(model, enclave_llm=inner, detectors=quick()) as session:
            assert "outside" == (await session.generate("hello")).text
            result = await session.generate(f"mail {EMAIL}, password is {PASSWORD}")
            assert "from within" == result.text
            assert (await session.info()).tee_active
            assert "from within" == (await session.generate("go on")).text
            starts = [one for one in await log_of(session) if isinstance(one, EffectStarted)]
            assert [False, True, True] == [ENCLAVE in one.obligations for one in starts]
        assert 1 == len(model.requests)
        assert [EMAIL, PASSWORD] == leaked(all_sent(inner), (EMAIL, PASSWORD))

    run(work())


def test_a_result_sends_the_next_call_to_the_enclave() -> None:
    """What a tool brought in is not sent to the model that asked for it."""

    def fetch() -> str:
        return f"mail {EMAIL}"

    async def work() -> None:
        model, inner = public([call("fetch")]), enclave()
        async with one_session(model, tool(fetch), enclave_llm=inner, detectors=quick()) as session:
            assert "from within" == (await session.generate("hello")).text
        assert 1 == len(model.requests) == len(inner.requests)

    run(work())


def test_an_enclave_outlives_a_restart(tmp_path: Path) -> None:
    """The session stays within; where the enclave is gone its content goes nowhere."""

    async def work() -> None:
        inner, detectors = enclave(), quick()
        async with on_file(tmp_path, public(), enclave_llm=inner, detectors=detectors) as sessions:
            session = await sessions.create_session("one", config())
            await session.generate(TOLD)
        model, inner = public([say("no")]), enclave()
        async with on_file(tmp_path, model, enclave_llm=inner, detectors=quick()) as sessions:
            session = await sessions.get_session("one")
            assert (await session.info()).tee_active
            assert "from within" == (await session.generate("go on")).text
        assert [] == model.requests

    run(work())


# --- rejected -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (config(), f"the password is {PASSWORD}"),
        (policy(allow_highly_sensitive=False), TOLD),
        (policy(allow_highly_sensitive=False), f"the password is {PASSWORD}"),
        (rule("email", RoutingDecision.REJECT), f"mail {EMAIL}"),
    ],
)
def test_what_is_rejected_is_not_stored(made: SessionConfig, text: str) -> None:
    """The message is refused, the session as it was, and the record holds no content."""

    async def work() -> None:
        model = public([say("ok")])
        async with one_session(model, config=made, detectors=quick()) as session:
            with pytest.raises(Denied):
                await session.generate(text)
            (refused,) = [one for one in await log_of(session) if isinstance(one, Refused)]
            assert ("sensitivity", "rejected") == (refused.guard, refused.reason)
            assert [] == await session.history()
            assert Sensitivity.NORMAL is (await session.label()).sensitivity
            assert "ok" == (await session.generate("hello")).text
        assert [] == leaked(all_sent(model))

    run(work())


def test_what_a_tool_declares_is_not_sent_where_it_may_not_be() -> None:
    """The turn ends; the model has not seen it."""

    def fetch() -> str:
        return "a diagnosis nobody is to know"

    async def work() -> None:
        model = public([call("fetch"), say("no")])
        flow = Flow(sink=Sink.NONE, produces=Sensitivity.CRITICAL)
        async with one_session(
            model, tool(fetch, flow=flow), config=config(), detectors=quick()
        ) as session:
            with pytest.raises(HoldfastError):
                await session.generate("go")
        assert 1 == len(model.requests)

    run(work())


# --- asked ------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["once", "deny"])
def test_consent_is_asked_of_the_author(answer: str) -> None:
    """A yes sends names, once for all that was said; nobody else says it; a no ends the turn."""

    async def work() -> None:
        model = public([say("ok"), say("ok")])
        async with one_session(model, config=config(), detectors=quick()) as session:
            task = asyncio.create_task(session.generate(TOLD))
            question = await asked(session, task)
            assert "consent" == question.about
            assert [] == model.requests
            with pytest.raises(ApproverRefused):
                await session.answer(question.id, "once", by="somebody else")
            assert [] == model.requests
            await session.answer(question.id, answer)
            if answer == "deny":
                with pytest.raises(HoldfastError):
                    await task
                assert [] == model.requests
                return
            await task
            await session.generate("go on")
            asks = [one for one in await log_of(session) if isinstance(one, Asked)]
        assert 1 == len(asks) and [] == leaked(asks)
        assert 2 == len(model.requests)
        assert [] == leaked(all_sent(model)) and 1 == len(names_in(all_sent(model)))

    run(work())


def test_the_question_outlives_a_restart(tmp_path: Path) -> None:
    """Nothing is sent while nobody answers, whoever leads the session."""

    async def work() -> None:
        model = public([say("no")])
        async with on_file(tmp_path, model, detectors=quick()) as sessions:
            session = await sessions.create_session("one", config())
            task = asyncio.create_task(session.generate(TOLD))
            before = await asked(session, task)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        again = public([say("ok")])
        async with on_file(tmp_path, again, detectors=quick()) as sessions:
            session = await sessions.get_session("one")
            await sessions.resume_interrupted()
            (question,) = await session.questions()
            assert (before.id, "consent") == (question.id, question.about)
            with pytest.raises(ApproverRefused):
                await session.answer(question.id, "once", by="somebody else")
            await session.answer(question.id, "once")
            while (await session.info()).turn_count == 0:
                await asyncio.sleep(0.002)
        assert [] == model.requests and 1 == len(again.requests)
        assert [] == leaked(all_sent(again))

    run(work())


def test_a_type_rule_asks() -> None:
    """What is asked about is named by its kind, never by its value."""

    async def work() -> None:
        made = rule("email", RoutingDecision.REQUIRE_CONFIRMATION)
        model = public([say("ok")])
        async with one_session(model, config=made, detectors=quick()) as session:
            task = asyncio.create_task(session.generate(f"mail {EMAIL}"))
            question = await asked(session, task)
            (asking,) = await session.approvals()
            assert "email" in repr(asking) and [] == leaked(asking)
            await session.answer(question.id, "once")
            await task

    run(work())


def test_more_of_it_is_asked_about_anew() -> None:
    """A consent covers what was said before it."""

    async def work() -> None:
        model = public([say("ok"), say("ok")])
        async with one_session(model, config=config(), detectors=quick()) as session:
            for _ in range(2):
                task = asyncio.create_task(session.generate(TOLD))
                question = await asked(session, task)
                await session.answer(question.id, "once")
                await task
            asks = [one for one in await log_of(session) if isinstance(one, Asked)]
        assert 2 == len(asks)

    run(work())


@pytest.mark.parametrize(
    ("fallback", "told", "comes_to"),
    [
        (Fallback.REJECT, f"mail {EMAIL}", "asked"),
        (Fallback.REJECT, TOLD, "refused"),
        (Fallback.WARN, f"mail {EMAIL}", "local"),
        (Fallback.WARN, TOLD, "asked"),
        (Fallback.ALLOW, TOLD, "local"),
    ],
)
def test_an_enclave_that_is_wanted_and_missing(
    fallback: Fallback, told: str, comes_to: str
) -> None:
    """There is no silent downgrade unless the policy says so."""

    async def work() -> None:
        kind = "email" if EMAIL in told else "credit_card"
        made = policy(fallback=fallback, type_rules=((kind, RoutingDecision.PROCESS_IN_TEE),))
        model = ScriptedModel([say("ok")])
        async with one_session(model, config=made, detectors=quick()) as session:
            task = asyncio.create_task(session.generate(told))
            if comes_to == "refused":
                with pytest.raises(Denied):
                    await task
                return
            if comes_to == "asked":
                question = await asked(session, task)
                await session.answer(question.id, "once")
            assert "ok" == (await task).text

    run(work())


# --- the installation's word --------------------------------------------------------------------


def test_what_the_embedding_program_runs_is_its_own() -> None:
    """A host's call brings nothing into the session: its result is as the tool gave it."""

    def fetch() -> str:
        return f"card {CARD}"

    async def work() -> None:
        async with memory(echo(), tool(fetch), detectors=quick()) as sessions:
            session = await sessions.create_session("one", config())
            outcome = await sessions.tool_executor().execute("one", "fetch", {})
            assert CARD in repr(outcome)
            assert Sensitivity.NORMAL is (await session.label()).sensitivity

    run(work())


def test_live_output_is_only_looked_through_where_it_matters() -> None:
    """A reader that may see everything, and a session that looks at nothing, see it as it is."""

    async def work() -> None:
        publish: Publish = lambda type, data: None  # noqa: E731  # nothing is published
        for made, through in (
            (config(), True),
            (config(reader="critical"), False),
            (config(enabled=False), False),
        ):
            async with memory(echo(), detectors=quick()) as sessions:
                session = await sessions.create_session("one", made)
                engine = sessions.live(session.where.stream)
                assert engine is not None
                assert through is (engine.workers.content.output(publish) is not None)

    run(work())
