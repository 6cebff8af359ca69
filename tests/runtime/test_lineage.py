"""What a child has from above."""

from __future__ import annotations

import pytest

from holdfast.core.rules import Policy, RuleEffect, parse_rule
from holdfast.core.settings import ConfirmationPolicy
from holdfast.ports.store import Grant as Row
from holdfast.runtime.codec import dump
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.lineage import Binding, Rules, rules_scope
from sessionhelp import echo, memory, run, tool


def act() -> str:
    """Act."""
    return "acted"


@pytest.mark.parametrize("own", ["unsafe_permissive", {"allow": ["act"]}])
def test_a_childs_own_policy_does_not_widen_its_parents(own: object) -> None:
    """What its parent would be asked about, the child is asked about too (astrid#AW-16)."""

    async def work() -> None:
        async with memory(echo(), tool(act)) as sessions:
            await sessions.create_session("top", SessionConfig(permission_policy="default"))
            middle = SessionConfig(permission_policy={"allow": ["act"]})
            await sessions.create_child_session("top", "middle", middle)
            low = SessionConfig(permission_policy=own)
            child = await sessions.create_child_session("middle", "low", low)
            assert "ask" == await child.check_permission("act", {})

    run(work())


def test_what_a_parent_calls_critical_later_is_so_for_its_living_children() -> None:
    """Also two below; an answer that was bound to the rules before is not used (contract 1.7)."""

    async def work() -> None:
        async with memory(echo(), tool(act)) as sessions:
            top = await sessions.create_session("top", SessionConfig(unsafe_auto_approve=True))
            free = SessionConfig(unsafe_auto_approve=True)
            await sessions.create_child_session("top", "middle", free)
            child = await sessions.create_child_session("middle", "low", free)
            assert "allow" == await child.check_permission("act", {})
            await top.set_confirmation_policy(ConfirmationPolicy(critical=("act",), quorum=3))
            told = await child.explain("act", {})
            assert ("ask", ("critical.quorum",)) == (told.decision, told.codes)
            await top.set_confirmation_policy(ConfirmationPolicy())
            assert "allow" == await child.check_permission("act", {})

    run(work())


def test_rows_of_an_earlier_version_are_read() -> None:
    """They held the policy alone; what is written now holds the critical rules as well."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            session = await sessions.create_session("top")
            journal = session.where.backend.journal(session.where.row)
            rules = Rules(journal, "default", journal.clock.random_bytes)
            policy = Policy(rules=(parse_rule(RuleEffect.DENY, "act"),))
            scope = rules_scope(journal.stream)
            old = rules._box.seal("rules", ("default", scope), dump(policy), bytes(12))
            assert Binding(policy) == rules.open(Row(scope=scope, id=bytes(16), body=old))
            new = Binding(policy, ("pay",), 3)
            row = Row(scope=scope, id=bytes(16), body=rules.seal(scope, new))
            assert new == rules.open(row)

    run(work())
