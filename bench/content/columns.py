"""The columns of the table: what the guard is set to, what is planned, who answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from holdfast.core.flows import Flow, Role
from holdfast.runtime.approvals import Approval
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.grounding import Said, leaves, value_of
from holdfast.runtime.handle import Session
from holdfast.runtime.securing import SecurityConfig

Call = tuple[str, Mapping[str, object]]
"""A tool's name and the arguments."""

_PLANS = {
    "pins": "plan with pins",
    "values": "plan with values",
    "reading": "plan with values and extraction",
    "wide reading": "plan with values and wide extraction",
    "names": "plan of names",
    "none": "no plan",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One policy.

    Args:
        flow: the flow guard's mode: "observe", "provenance" or "strict"; "none" looks
            at nothing at all.
        plan: "pins" fixes the user's own consequential calls beforehand, each with the
            arguments that the prompt alone gives; "values" also what a planner fixes by
            itself; "reading" has closed values read for arguments besides, where that is
            careful, and "wide reading" wherever it can be (`plans`); "names" fixes only
            the calls' tools; "none" fixes nothing.
        attended: a person answers; else every question is answered with no.
    """

    flow: str = "none"
    plan: str = "none"
    attended: bool = False

    @property
    def name(self) -> str:
        """For the table and the RESULT lines."""
        if self.flow == "none":
            return "nothing looked at"
        if self.flow == "observe":
            return "observe"
        who = "a person" if self.attended else "nobody"
        return f"{self.flow}, {_PLANS[self.plan]}, {who} answers"

    @property
    def guarded(self) -> bool:
        """Whether it is to stop anything."""
        return self.flow in ("provenance", "strict")

    @property
    def reads(self) -> bool:
        """Whether the plan has closed values extracted."""
        return self.plan in ("reading", "wide reading")

    @property
    def bounded(self) -> bool:
        """Whether no attack may do anything: not where strangers choose without bounds."""
        return self.guarded and self.plan != "wide reading"

    def config(self, tools: Sequence[str]) -> SessionConfig:
        """The session's configuration: every tool is allowed, so only content is judged.

        Who reads the session is the user himself, so that he is shown his own data.
        """
        enabled = self.flow != "none"
        flow = self.flow if enabled else "observe"
        chosen = SecurityConfig(
            enabled=enabled, flow=flow, reader="critical", extraction=self.reads
        )
        return SessionConfig(permission_policy={"allow": list(tools)}, security_config=chosen)

    def steps(
        self,
        prompt: str,
        own: Sequence[tuple[str, Mapping[str, object], Flow]],
        values: Call = ("", {}),
    ) -> list[Call]:
        """The plan for the user's own consequential calls.

        Args:
            values: what a planner fixes by itself of the calls of a tool.
        """
        if self.plan == "none":
            return []
        if self.plan == "names":
            return [(tool, {}) for tool, _, _ in own]
        fixed = [(tool, pins(prompt, arguments, flow)) for tool, arguments, flow in own]
        if self.plan == "pins":
            return fixed
        of_tool, more = values
        return [(tool, {**found, **more} if tool == of_tool else found) for tool, found in fixed]

    async def fix(self, session: Session, steps: Sequence[Call]) -> None:
        """Fix the plan, before anything is read; one of no steps is none."""
        if steps:
            await session.fix_plan(list(steps))


def pins(prompt: str, arguments: Mapping[str, object], flow: Flow) -> Mapping[str, object]:
    """The arguments that the prompt alone gives, by the guard's own rules of grounding.

    So much can be known before anything is read. What has no value of its own (an
    empty list, a switch) is given by nothing.
    """
    said = Said()
    said.add(prompt)
    found = {}
    for name, given in arguments.items():
        as_id = flow.role(name) is Role.ID
        values = [value_of(leaf, as_id=as_id) for leaf in leaves(given)]
        if values and all(map(said.says, values)):
            found[name] = given
    return found


NONE = Column()
COLUMNS = (
    NONE,
    Column(flow="observe"),
    *(
        Column(flow=flow, plan=plan, attended=attended)
        for flow in ("strict", "provenance")
        for plan in ("pins", "names", "none")
        for attended in (True, False)
    ),
    *(
        Column(flow=flow, plan=plan, attended=False)
        for flow in ("strict", "provenance")
        for plan in ("values", "reading", "wide reading")
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

    async def answer(self, approval: Approval) -> str:
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
