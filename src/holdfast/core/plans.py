"""Events of the flow of information: plans that are fixed, and labels that are lowered.

Import them from `events`, which has all kinds and their codes.
"""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.core.labels import Label

STEPS_MAX = 64
ARGUMENTS_CHARS_MAX = 16_384
TIMES_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStep:
    """One kind of call that a plan foresees.

    Args:
        tool: its name.
        arguments: JSON text of the arguments that are fixed; the others are free.
        times: how often it may be taken.
    """

    tool: str
    arguments: str = "{}"
    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFixed:
    """Which consequential calls are to be made; replaces an earlier plan.

    Args:
        source: "user", or "model" if the model declared it before it had read
            anything untrusted.
        by: the principal who granted it.
    """

    steps: tuple[PlanStep, ...]
    source: str = "user"
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relabelled:
    """A person lowered what the session is labelled with: audited, and never implicit.

    Args:
        label: what holds for everything up to here, or None for no change.
        risk: the cumulative risk begins anew.
        why, by: the reason, and the principal.
    """

    label: Label | None = None
    risk: bool = False
    why: str = ""
    by: str = ""
