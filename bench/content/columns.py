"""The columns of the table: what the guard is set to, what is planned, who answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import holdfast
from holdfast.runtime.approvals import Approval, Said
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.handle import Session

Call = tuple[str, Mapping[str, object]]
"""A tool's name and the arguments."""


class NotThere(Exception):
    """The library has no such guard; the message says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One policy.

    Args:
        flow: the flow guard's mode: "observe", "provenance" or "strict"; "none" stands
            for a library without one, and is "observe" where there is one.
        plan: "oracle" fixes the user's own consequential calls, by tool, beforehand;
            "none" fixes nothing.
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

    @property
    def guarded(self) -> bool:
        """Whether it is to stop anything."""
        return self.flow in ("provenance", "strict")

    def config(self, tools: Sequence[str]) -> SessionConfig:
        """The session's configuration: every tool is allowed, so only the flow is judged."""
        rules = {"allow": list(tools)}
        security = getattr(holdfast, "SecurityConfig", None)
        if security is None and self.flow == "none":
            return SessionConfig(permission_policy=rules)
        if security is None:
            raise NotThere("the library has no SecurityConfig(flow=...)")
        chosen = security(flow="observe" if self.flow == "none" else self.flow)
        return SessionConfig(permission_policy=rules, security_config=chosen)

    async def fix(self, session: Session, tools: Sequence[str]) -> None:
        """Fix the plan, before anything is read."""
        if self.plan == "none":
            return
        fix_plan = getattr(session, "fix_plan", None)
        if fix_plan is None:
            raise NotThere("the library has no Session.fix_plan")
        await fix_plan(list(tools))


NONE = Column()
COLUMNS = (
    NONE,
    Column(flow="observe"),
    *(
        Column(flow=flow, plan=plan, attended=attended)
        for flow in ("strict", "provenance")
        for plan in ("oracle", "none")
        for attended in (True, False)
    ),
)


@dataclass(slots=True)
class Person:
    """Answers questions, seeing nothing but what an approval shows.

    The perfect one says yes to a call of the user's own task and no to all else;
    the absent one says no.

    Args:
        own: the user's calls.
        attended: whether anybody is there.
        blind: questions of which not all was shown, so that he had to trust the rest.
    """

    own: Sequence[Call]
    attended: bool
    asked: int = 0
    granted: int = 0
    blind: int = 0

    async def answer(self, approval: Approval) -> Said:
        """Say yes or no."""
        self.asked += 1
        self.blind += approval.preview.endswith("…")
        if not self.attended or not any(_shown_as(call, approval) for call in self.own):
            return "deny"
        self.granted += 1
        return next((one for one in approval.choices if one not in ("deny", "edit")), "once")


def _shown_as(call: Call, approval: Approval) -> bool:
    """Whether an approval shows this very call, as far as it shows one."""
    shown, wanted = approval.preview, written(call[1])
    if call[0] != approval.tool or not shown:
        return False
    return wanted.startswith(shown[:-1]) if shown.endswith("…") else wanted == shown


def written(arguments: object) -> str:
    """A call's arguments as an approval shows them."""
    text = json.dumps(
        arguments, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str
    )
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)
