"""What a session of a server may do, and how people are asked."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from clienthelp import Pair, pair
from holdfast.client import RemoteSession
from holdfast.client.values import Approval
from holdfast.core.errors import (
    AlreadyAnswered,
    GrantNotFound,
    InvalidInput,
    MalformedRule,
    QuestionNotFound,
    UnknownDecision,
    WrongSession,
)
from holdfast.core.policyform import policy_of
from holdfast.core.rules import Policy, PolicyMode, RuleEffect
from holdfast.core.settings import ConfirmationPolicy, TimeoutAction
from holdfast.testing.script import call, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import memory, run, tool


def send(to: str = "") -> str:
    """Send."""
    return f"sent to {to}"


@asynccontextmanager
async def asking() -> AsyncIterator[tuple[Pair, RemoteSession]]:
    """A session whose model wants to send something again and again."""
    turns = itertools.cycle([call("send", {"to": "a"}), say("Done.")])
    async with pair(sessions=memory(ScriptedModel(turns), tool(send, params=("to",)))) as found:
        session = await found.client.create_session("one")
        await session.add_ask_rule("send", always=False)
        yield found, session


async def asked(session: RemoteSession) -> Approval:
    """The first question that waits."""
    while not (found := await session.approvals()):
        await asyncio.sleep(0.02)
    return found[0]


def test_a_person_is_asked_and_answers() -> None:
    """The message waits for the answer; the first answer counts, whoever gives another."""

    async def main() -> None:
        async with asking() as (found, session):
            answer = asyncio.create_task(session.generate("go"))
            one = await asked(session)
            assert ("one", "send", "approval") == (one.session_id, one.tool, one.about)
            assert {"once", "deny"} <= set(one.choices)
            assert [one] == await found.client.list_approvals(session_id="one")
            with pytest.raises(UnknownDecision):
                await session.answer_approval(one.id, "perhaps")
            with pytest.raises(WrongSession):
                await session.answer_approval(f"other:{one.question}", "once")
            with pytest.raises(QuestionNotFound):
                await session.answer_approval(999, "once")
            for wrong in (True, None, 1.5):
                with pytest.raises(InvalidInput):
                    await session.answer_approval(wrong, "once")  # type: ignore[arg-type]  # the point of the test
            await found.client.answer_approval(one.id, "once", note="Fine.")
            assert ("Done.", 1) == ((await answer).text, (await answer).tool_calls_count)
            with pytest.raises(AlreadyAnswered):
                await session.answer(one.question, "deny")
            assert [] == await session.approvals()

    run(main())


def test_tools_are_confirmed_by_the_models_id() -> None:
    """Yes and no by the id of the call; nothing of another id."""

    async def main() -> None:
        async with asking() as (_, session):
            for approved, output in ((True, "sent to a"), (False, "denied")):
                events = [
                    one
                    async for one in _answering(session, approved)
                    if one.type in ("tool_end", "permission_denied")
                ]
                assert output in str(events[-1].data).lower()
            assert not await session.confirm_tool("nothing", True)

    run(main())


async def _answering(session: RemoteSession, approved: bool) -> AsyncIterator[object]:
    async for event in session.stream("go"):
        if event.type == "confirmation_required":
            assert not await session.confirm_tool("another", approved)
            assert await session.confirm_tool(str(event.data["tool_id"]), approved, "So.")
        yield event


def test_arguments_are_changed_and_grants_given() -> None:
    """An edited call is judged anew; a grant for the session is listed and taken back."""

    async def main() -> None:
        async with asking() as (_, session):
            answer = asyncio.create_task(session.generate("go"))
            one = await asked(session)
            await session.answer_approval(one.question, "edit", arguments={"to": "b"})
            while (anew := await asked(session)).question == one.question:
                await asyncio.sleep(0.01)
            assert '{"to":"b"}' == anew.preview
            await session.answer_approval(anew.question, "approve")
            await answer
            ends = [part for m in await session.history() for part in m.parts]
            assert any("sent to b" in str(part) for part in ends)
            answer = asyncio.create_task(session.generate("go"))
            one = await asked(session)
            await session.answer_approval(one.id, "session", max_uses=3, expires_in_s=60)
            await answer
            (grant,) = await session.allowances()
            assert ("session", 3, True) == (grant.scope, grant.uses_max, grant.active)
            await session.generate("go")
            assert [2] == [each.uses_left for each in await session.allowances()]
            await session.revoke_allowance(grant.id, "Enough.")
            with pytest.raises(GrantNotFound):
                await session.revoke_allowance("0" * 32)
            assert [] == [each for each in await session.allowances() if each.active]
            given = await session.grant_allowance("send(a)", literal=True, max_uses=1)
            assert given.id in [each.id for each in await session.allowances()]
            with pytest.raises(MalformedRule):
                await session.grant_allowance("send(")

    run(main())


def test_policies_are_read_and_replaced() -> None:
    """As policies, presets or mappings; what the gate would say is told."""

    async def main() -> None:
        async with asking() as (_, session):
            assert [RuleEffect.ASK] == [
                one.effect for one in (await session.permission_policy()).rules
            ]
            assert "ask" == await session.check_permission("send", {"to": "a"})
            await session.add_deny_rule("send")
            found = await session.explain("send", {"to": "a"})
            assert ("deny", "send") == (found.decision, found.rule)
            await session.set_permission_policy({"allow": ["send"]})
            assert "allow" == await session.check_permission("send", {"to": "a"})
            await session.add_allow_rule("read")
            assert 2 == len((await session.permission_policy()).rules)
            wanted = policy_of({"allow": ["read"], "deny": ["send(b)"]})
            assert wanted is not None
            await session.set_permission_policy(wanted)
            assert wanted == await session.permission_policy()
            await session.set_permission_policy("strict")
            assert PolicyMode.STRICT is (await session.permission_policy()).mode
            await session.set_permission_policy(Policy())
            assert () == (await session.permission_policy()).rules
            with pytest.raises(InvalidInput):
                await session.set_permission_policy("no such preset")

    run(main())


def test_how_people_are_asked_is_read_and_replaced() -> None:
    """Every field comes back as it was set."""

    async def main() -> None:
        async with asking() as (_, session):
            assert ConfirmationPolicy() == await session.get_confirmation_policy()
            wanted = ConfirmationPolicy(attended_s=30, quorum=3, critical=("send",))
            assert wanted == await session.set_confirmation_policy(wanted)
            assert wanted == await session.get_confirmation_policy()
            found = await session.set_confirmation_policy({"timeout_action": "unsafe_auto_approve"})
            assert TimeoutAction.UNSAFE_AUTO_APPROVE is found.timeout_action
            with pytest.raises(InvalidInput):
                await session.set_confirmation_policy({"sometimes": 1})

    run(main())


def test_budgets_are_read_and_changed() -> None:
    """A limit is set, and ends; what cannot be is refused."""

    async def main() -> None:
        async with asking() as (_, session):
            await session.set_budget({"calls": 9, "usd": "3.00"})
            limits = {(one.unit, one.period): one.limit for one in await session.budget()}
            assert (9, 3_000_000) == (limits["calls", "total"], limits["micros", "total"])
            await session.set_budget({}, drop=["calls"])
            assert "calls" not in {one.unit for one in await session.budget()}
            with pytest.raises(InvalidInput):
                await session.set_budget({"usd": "many"})

    run(main())
