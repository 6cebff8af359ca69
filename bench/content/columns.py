"""The columns of the table: what the guard is set to, what is planned, who answers."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field

from agentdojo.functions_runtime import FunctionCall
from manifests import FLOWS, consequential

from holdfast.runtime.approvals import Approval, Said
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.handle import Session

FLOW_MODES = ("none", "observe", "provenance", "strict")
PLANS = ("none", "oracle")


class NotThere(Exception):
    """The library has no such guard; the message says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One policy.

    Args:
        flow: the flow guard's mode; "none" switches it off.
        plan: "oracle" fixes the user's own consequential calls, by tool, beforehand.
        attended: a person answers; else every question is answered with no.
    """

    flow: str = "none"
    plan: str = "none"
    attended: bool = False

    @property
    def name(self) -> str:
        """For the table and the RESULT lines."""
        if self.flow == "none":
            return "no flow guard"
        plan = "oracle plan" if self.plan == "oracle" else "no plan"
        return f"{self.flow}, {plan}, {'a person' if self.attended else 'nobody'} answers"

    def config(self, tools: Sequence[str]) -> SessionConfig:
        """The session's configuration: every tool is allowed, so only the flow is judged."""
        rules = {"allow": list(tools)}
        if self.flow == "none" and not _guarded():
            return SessionConfig(permission_policy=rules)
        return SessionConfig(permission_policy=rules, security_config=_security(self.flow))

    async def fix(self, session: Session, planned: Sequence[FunctionCall]) -> None:
        """Fix the plan, before anything is read."""
        if self.plan == "none":
            return
        fix_plan = getattr(session, "fix_plan", None)
        if fix_plan is None:
            raise NotThere("Session.fix_plan")
        await fix_plan([call.function for call in planned if consequential(call.function)])


def _guarded() -> bool:
    """Whether this library has the flow guard."""
    return "flow" in inspect.signature(_security_config()).parameters


def _security_config() -> type:
    import holdfast

    return getattr(holdfast, "SecurityConfig", object)


def _security(flow: str) -> object:
    if not _guarded():
        raise NotThere("SecurityConfig(flow=...)")
    return _security_config()(flow="observe" if flow == "none" else flow)


@dataclass(slots=True)
class Person:
    """Answers questions, seeing nothing but what an approval shows.

    The perfect one says yes to a call of the user's own task and no to all else;
    the absent one says no.

    Args:
        own: the user's calls.
        attended: whether anybody is there.
    """

    own: Sequence[FunctionCall]
    attended: bool
    asked: list[Approval] = field(default_factory=list)
    granted: int = 0
    cut: int = 0

    async def answer(self, approval: Approval) -> Said:
        """Say yes or no."""
        self.asked.append(approval)
        self.cut += approval.preview.endswith("…")
        if not self.attended or not any(self._is(call, approval) for call in self.own):
            return "deny"
        self.granted += 1
        return "once"

    @staticmethod
    def _is(call: FunctionCall, approval: Approval) -> bool:
        shown = approval.preview
        if call.function != approval.tool or not shown:
            return False
        wanted = written(call.args)
        if shown.endswith("…"):  # the rest is not shown to anybody
            return wanted.startswith(shown.removesuffix("…"))
        return wanted == shown


def written(arguments: object) -> str:
    """A call's arguments as an approval shows them."""
    import json

    text = json.dumps(
        arguments, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str
    )
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


__all__ = ["FLOWS", "FLOW_MODES", "PLANS", "Column", "NotThere", "Person", "written"]
