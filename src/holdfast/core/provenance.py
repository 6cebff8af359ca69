"""Where the arguments of a call come from, as the shell looked it up for the flow guard.

A value is the user's if it stands in what the user or a trusted source said; it is
a stranger's if it stands only in untrusted content; else the model made it up,
after it had read a stranger's words.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from holdfast.core.actions import Action, ActionKind
from holdfast.core.flows import UNDECLARED, Role, Sink
from holdfast.core.labels import Integrity, Label, Sensitivity
from holdfast.core.security import FlowMode, Security

USES_MAX = 16


class Source(StrEnum):
    """Whose a value is that is not the user's."""

    UNTRUSTED = "untrusted"
    MODEL = "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A value of a call that no trusted source gave.

    Args:
        argument: which argument it is, or stands in.
        kind: "email", "url", "account", "number", "date", "id" or "text".
        preview: the value as a person is shown it, bounded.
        origin: where it was read, as "read_page (event 9)", or "".
        closed: it is what an extraction that the plan fixed has read for this argument.
    """

    argument: str
    role: Role
    kind: str
    preview: str
    source: Source
    origin: str = ""
    closed: bool = False

    @property
    def text(self) -> str:
        """What a person is told of it."""
        where = f"comes from {self.origin}" if self.source is Source.UNTRUSTED else _MADE
        what = {Role.PAYLOAD: f"{self.kind} in"}.get(self.role, str(self.role))
        return f"{what} {self.argument!r} ({self.preview}) {where}"


_MADE = "was made up by the model after it had read what strangers wrote"


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What was looked up about one call.

    Args:
        digest: of the action it was looked up for.
        uses: values that no trusted source gave, the first few; closed ones come last.
        grounded: how many values a trusted source did give.
        taints: (kind, level) of registered values in its arguments.
        label: the sensitivity of what the model had been sent when it wrote the call.
        step: the place in the plan that it fits, from 1 on, or 0.
    """

    digest: str
    uses: tuple[Use, ...] = ()
    grounded: int = 0
    taints: tuple[tuple[str, Sensitivity], ...] = ()
    label: Sensitivity = Sensitivity.NORMAL
    step: int = 0


def to_be_examined(security: Security, label: Label, action: Action) -> bool:
    """Whether a call must be examined before it is judged.

    As long as a session has seen neither strangers' words nor anything sensitive
    there is nothing to find. What no tool takes is refused without it.

    Args:
        label: of the session.
    """
    if action.kind is not ActionKind.TOOL or not action.known or action.problem:
        return False
    if action.by_host or (action.flow or UNDECLARED).sink is Sink.NONE:
        return False
    if not security.enabled or security.flow is FlowMode.OBSERVE:
        return False
    return label.integrity is Integrity.UNTRUSTED or label.sensitivity > Sensitivity.NORMAL
