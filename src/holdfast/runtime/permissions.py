"""Permission rules of a session, through its handle and by its id (seeds B7, D7)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from holdfast.core.commands import Configure
from holdfast.core.errors import InvalidInput
from holdfast.core.events import Imported
from holdfast.core.facts import Facts
from holdfast.core.guards import lifecycle, permission
from holdfast.core.guards.permission import effective_mode, matched, weigh
from holdfast.core.judge import GUARDS, judge
from holdfast.core.messages import ToolUse
from holdfast.core.policyform import policy_of, rule_of
from holdfast.core.provenance import to_be_examined
from holdfast.core.rules import Policy, Rule, RuleEffect, parse_rule
from holdfast.core.verdicts import Allow, Ask, Deny, Verdict
from holdfast.core.view import SessionView
from holdfast.runtime.authority import AuthorityReader
from holdfast.runtime.controls import Controls
from holdfast.runtime.examining import Examiner, Seen
from holdfast.runtime.explaining import SegmentFinding, by_segment, word_of
from holdfast.runtime.host import expect
from holdfast.runtime.normalise import Prepared, prepare
from holdfast.runtime.reaching import network_of
from holdfast.runtime.tainting import Taints


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What the gate would say of a call now, and why.

    Args:
        decision: allow, deny or ask.
        rule: the rule that decided, or None if a mode, a grant or another guard did.
        scope: whose rule that is: "session", or the name of a scope above it.
        matched: every (scope, rule) that holds for a part of the call.
        codes: `guard.reason` of the denial or of each question; empty if allowed.
        details: the same for people, a line each.
        grants: ids of the grants it would rest on.
        segments: of a command line with several commands, each by itself.
        role, task_type: of whoever acts; rules may be bound to them.
    """

    decision: str
    rule: Rule | None = None
    scope: str = ""
    matched: tuple[tuple[str, Rule], ...] = ()
    codes: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    grants: tuple[str, ...] = ()
    segments: tuple[SegmentFinding, ...] = ()
    role: str = ""
    task_type: str = ""


class Permissions(Controls):
    """What a handle says of permission; see `Session`."""

    async def add_allow_rule(
        self, text: str, *, always: bool = False, literal: bool = False
    ) -> None:
        """Let calls that match run unasked from the next judgement on (seed D7).

        Args:
            text: `Tool` or `Tool(pattern)`, for example `bash(git status:*)`.
            always: not for an allow: only an ask can be marked so.
            literal: `*` in the pattern means itself.

        Raises:
            MalformedRule, NeverMatches: it is not a rule, or could never match.
            TooLarge: the session has too many rules.
        """
        await self._add(RuleEffect.ALLOW, text, always, literal)

    async def add_deny_rule(
        self, text: str, *, always: bool = False, literal: bool = False
    ) -> None:
        """Deny calls that match, whatever else allows them; see `add_allow_rule`.

        Args:
            always: changes nothing: a denial always holds.
        """
        expect("always", always, bool)
        await self._add(RuleEffect.DENY, text, False, literal)

    async def add_ask_rule(self, text: str, *, always: bool = False, literal: bool = False) -> None:
        """Ask about calls that match; see `add_allow_rule`.

        Args:
            always: even if a rule or an allowance allows them.
        """
        await self._add(RuleEffect.ASK, text, always, literal)

    async def _add(self, effect: RuleEffect, text: str, always: bool, literal: bool) -> None:
        expect("a rule", text, str)
        expect("always", always, bool)
        expect("literal", literal, bool)
        name = text.partition("(")[0].strip()
        tool = self._core.registry.get(name) if name else None
        rule = parse_rule(
            effect, text, always_ask=always, literal=literal, spec=tool.spec if tool else None
        )
        await self.submit(Configure(rules=(rule,)))

    async def permission_policy(self) -> Policy:
        """The policy that holds in the session: its own, or only the mode without one (seed D7)."""
        view, facts = await self._facts()
        own = view.settings.permission or Policy()
        mode = effective_mode(view.settings, facts.authority)
        return own if own.mode is mode else Policy(mode=mode, rules=own.rules)

    async def set_permission_policy(self, policy: Policy | str | Mapping[str, object]) -> None:
        """Replace the session's own policy (seed D7); it holds from the next judgement on.

        Args:
            policy: a policy, a preset's name or a mapping, see `policyform`.

        Raises:
            MalformedRule, NeverMatches: a rule.
            InvalidInput: it is no policy.
            TooLarge: it has too many rules.
        """
        chosen = policy_of(policy)
        if chosen is None:
            raise InvalidInput("a policy is needed; the preset `default` has no rules")
        await self.submit(Configure(permission=chosen))

    async def check_permission(self, tool: str, arguments: Mapping[str, object]) -> str:
        """What the gate would say of a call: allow, deny or ask (seed D7). Nothing happens."""
        return (await self.explain(tool, arguments)).decision

    async def explain(self, tool: str, arguments: Mapping[str, object]) -> Explanation:
        """Say what the gate would decide about a call now, and why. Nothing happens.

        The call is normalised and judged as a model's would be, whatever state the
        session is in; accounts, grants and rules are read as they are.

        Raises:
            InvalidInput: the arguments are not JSON.
        """
        expect("tool", tool, str)
        try:
            text = json.dumps(dict(arguments), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"arguments must be JSON: {error}") from None
        view, facts = await self._facts()
        prepared = await self._prepare(ToolUse("explain", tool, text), view)
        action = prepared.action
        facts = await self._examined(prepared, facts)
        engine = self._core.live(self._where.stream)
        guards = engine.host.guards if engine else GUARDS
        guards = tuple(one for one in guards if one[0] != lifecycle.NAME)
        verdict = judge(view, facts, action, guards)
        finding = weigh(view, facts, action)
        said = _said(verdict)
        ours = isinstance(verdict, Allow) or permission.NAME in {
            code.split(".")[0] for code in said
        }
        return Explanation(
            decision=word_of(verdict),
            rule=finding.rule if ours else None,
            scope=finding.scope if ours else "",
            matched=matched(view, facts, action),
            codes=tuple(said),
            details=tuple(said.values()),
            grants=() if isinstance(verdict, Deny) else verdict.grants,
            segments=by_segment(view, facts, action),
            role=facts.authority.role,
            task_type=facts.authority.task_type,
        )

    async def _examined(self, prepared: Prepared, facts: Facts) -> Facts:
        """Look up where the arguments come from, as before a call of the model's."""
        view, bodies = await self.state_of()
        security = facts.binding(view.settings.security)
        if not to_be_examined(security, view.label, prepared.action):
            return facts
        engine = self._core.live(self._where.stream)
        if engine is not None:
            examiner: Examiner = engine.workers.content.examining
        else:
            journal = self._where.backend.journal(self._where.row)
            taints = Taints(journal, self._core.detectors.taints)
            seen = Seen(view=view, bodies=bodies, journal=journal)
            examiner = Examiner(seen, self._core.registry, taints)
        found = await examiner.examine(prepared, view.label.sensitivity)
        return replace(facts, examined={found.digest: found})

    async def imported_rules(self) -> tuple[Rule, ...]:
        """Allow rules that came with a file: they allow nothing until they are accepted."""
        view = await self.view()
        if not view.inert_at:
            return ()
        event = (await self._where.backend.journal(self._where.row).event_at(view.inert_at)).event
        held = json.loads(event.inert).get("allow_rules") if isinstance(event, Imported) else None
        rules = [rule_of(RuleEffect.ALLOW, item) for item in held or ()]
        own = view.settings.permission.rules if view.settings.permission else ()
        return tuple(rule for rule in rules if rule not in own)

    async def accept_imported_rules(self) -> tuple[Rule, ...]:
        """Let the allow rules that came with a file hold; returns them.

        Show a person `imported_rules` first: who accepts them vouches for the file.
        """
        rules = await self.imported_rules()
        if rules:
            await self.submit(Configure(rules=rules))
        return rules

    async def _facts(self) -> tuple[SessionView, Facts]:
        """The session and what holds above it now; nobody has to lead it."""
        engine = self._core.live(self._where.stream)
        if engine is not None:
            view, reader = engine.view, engine.workers.authority
        else:
            loaded = await self._where.backend.load(self._where.row)
            view, reader = loaded.view, AuthorityReader(loaded.journal, self._core.trust)
        await reader.refresh(view)
        now_ms = max(self._core.clock.now_ms(), view.updated_ms)
        return view, Facts(
            now_ms=now_ms,
            authority=reader.current(view),
            private=self._core.private,
            security=self._core.trust.joined(view.settings.security),
        )

    async def _prepare(self, use: ToolUse, view: SessionView) -> Prepared:
        engine = self._core.live(self._where.stream)
        if engine is not None:
            return engine.workers.make.prepare(use)
        loaded = await self._where.backend.load(self._where.row)
        assert loaded.journal.crypto is not None, "a session that can be loaded has its key"
        workspace, crypto = view.settings.workspace, loaded.journal.crypto
        trust = self._core.trust
        online = network_of(trust.network, trust.binding(view.settings.security)) is not None
        registry, shell = self._core.registry, self._core.shell
        return prepare(use, registry, workspace, crypto, shell, online=online)


def _said(verdict: Verdict) -> dict[str, str]:
    match verdict:
        case Deny():
            return {f"{verdict.guard}.{verdict.reason}": verdict.detail}
        case Ask():
            return {f"{one.guard}.{one.reason}": one.question for one in verdict.parts}
        case Allow():
            return {}


class _Finds(Protocol):
    async def get_session(self, session_id: str) -> Permissions: ...


class PermissionService:
    """The seeds' words for it, by session id (seeds B7, D7); each is a method of `Session`."""

    async def check_permission(
        self: _Finds, session_id: str, tool: str, arguments: Mapping[str, object]
    ) -> str:
        """What the gate would say of a call: allow, deny or ask."""
        return await (await self.get_session(session_id)).check_permission(tool, arguments)

    async def explain(
        self: _Finds, session_id: str, tool: str, arguments: Mapping[str, object]
    ) -> Explanation:
        """What the gate would say of a call, and why; see `Session.explain`."""
        return await (await self.get_session(session_id)).explain(tool, arguments)

    async def add_permission_rule(
        self: _Finds,
        session_id: str,
        effect: str,
        text: str,
        *,
        always: bool = False,
        literal: bool = False,
    ) -> None:
        """Add an allow, deny or ask rule to a session's own policy."""
        session = await self.get_session(session_id)
        try:
            says = RuleEffect(effect)
        except ValueError:
            raise InvalidInput(f"{effect!r} is not allow, deny or ask") from None
        match says:
            case RuleEffect.ALLOW:
                await session.add_allow_rule(text, always=always, literal=literal)
            case RuleEffect.DENY:
                await session.add_deny_rule(text, always=always, literal=literal)
            case RuleEffect.ASK:
                await session.add_ask_rule(text, always=always, literal=literal)

    async def add_allow_rule(self: _Finds, session_id: str, text: str) -> None:
        """Let calls that match run unasked; see `Session.add_allow_rule`."""
        await (await self.get_session(session_id)).add_allow_rule(text)

    async def add_deny_rule(self: _Finds, session_id: str, text: str) -> None:
        """Deny calls that match; see `Session.add_deny_rule`."""
        await (await self.get_session(session_id)).add_deny_rule(text)

    async def add_ask_rule(
        self: _Finds, session_id: str, text: str, *, always: bool = False
    ) -> None:
        """Ask about calls that match; see `Session.add_ask_rule`."""
        await (await self.get_session(session_id)).add_ask_rule(text, always=always)

    async def set_permission_policy(
        self: _Finds, session_id: str, policy: Policy | str | Mapping[str, object]
    ) -> None:
        """Replace a session's own policy; see `Session.set_permission_policy`."""
        await (await self.get_session(session_id)).set_permission_policy(policy)

    async def get_permission_policy(self: _Finds, session_id: str) -> Policy:
        """The policy that holds in a session; see `Session.permission_policy`."""
        return await (await self.get_session(session_id)).permission_policy()
