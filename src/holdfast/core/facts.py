"""Facts: what a decision needs and the fold does not hold, read by the shell.

A frozen value, so that deciding stays pure (contract 1.7). The events record
which revisions were used; the append that carries an intent asserts them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from holdfast.core.actions import Action
from holdfast.core.authority import NO_AUTHORITY, Authority
from holdfast.core.ids import EffectRef
from holdfast.core.inspection import Inspected
from holdfast.core.messages import Message
from holdfast.core.principals import DEFAULT_TASK_TYPE, Bearer
from holdfast.core.provenance import Examined
from holdfast.core.risk import NO_RISK, Risk
from holdfast.core.security import Security


@dataclass(frozen=True, slots=True)
class Found:
    """What a tool said of a call whose outcome was lost.

    Args:
        done: True it happened, False it did not, None the tool cannot tell.
        message: its result, when it happened.
        found: what detectors made of it; exposes: as of `ToolEnded`.
    """

    done: bool | None
    message: Message | None = None
    tokens: int = 0
    found: Inspected | None = None
    exposes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the shell read for one decision.

    Args:
        now_ms: max(clock, last event's time), milliseconds since 1970.
        engine: id of the engine object that decides, 16 hex characters.
        model: normalised action of the session's next model call.
        actions: normalised action of every call without a result.
        found: answers of reconcilable tools, for calls in doubt.
        grace_over: a former holder can no longer be acting (contract 1.6).
        revisions: (scope, revision) of every grant scope that was read.
        led_ms: since when this engine leads; time before it does not count.
        stopping: the engine stops; outcomes are recorded and nothing is started.
        kept: tokens and number of messages visible after a rewind.
        queued: the command waited in the inbox; behind: others wait before it.
        authority: what holds above the session.
        edited: the normalised action of a call whose arguments are being changed.
        private: real paths of the installation's own files; see `core.places`.
        inspected: what detectors made of the message a command brings, or None.
        examined: what was looked up about calls, by the digest of their action.
        risk: what the session's user has told in other sessions.
        agreed: the kinds of personal data that the user said may be told together.
        security: the session's settings with the installation's joined in, or None
            where it has none.
        finalised: number of the checkpoint over the log before a wipe, 0 where none
            is made; None while it is being made, and then no wipe begins.
    """

    now_ms: int
    engine: str = ""
    model: Action | None = None
    actions: Mapping[EffectRef, Action] = field(default_factory=dict)
    found: Mapping[EffectRef, Found] = field(default_factory=dict)
    grace_over: bool = True
    revisions: tuple[tuple[str, int], ...] = ()
    kept: tuple[int, int] = (0, 0)
    led_ms: int = 0
    stopping: bool = False
    queued: bool = False
    behind: bool = False
    authority: Authority = NO_AUTHORITY
    edited: Action | None = None
    private: tuple[str, ...] = ()
    inspected: Inspected | None = None
    examined: Mapping[str, Examined] = field(default_factory=dict)
    risk: Risk = NO_RISK
    security: Security | None = None
    agreed: frozenset[str] = frozenset()
    finalised: int | None = 0

    def binding(self, own: Security) -> Security:
        """The settings that hold: the session's own where nothing was joined in."""
        return self.security or own

    def acting(self, bearer: Bearer | None) -> Facts:
        """The same facts with the role and task type of whoever acts.

        The installation's own program has neither.
        """
        authority = self.authority
        found = ("", DEFAULT_TASK_TYPE) if bearer is None else (bearer.role, bearer.task_type)
        if found == (authority.role, authority.task_type):
            return self
        role, task_type = found
        return replace(self, authority=replace(authority, role=role, task_type=task_type))

    def revoked(self, bearer: Bearer | None) -> bool:
        """Whether the token by which something is asked was revoked."""
        return bearer is not None and bearer.token in self.authority.revoked

    def about(self, ref: EffectRef) -> Facts:
        """The same facts with what hooks said of this one call only.

        They may let one call happen and refuse the next one like it.
        """
        found = self.authority.found
        if not found or tuple(found) == (ref,):
            return self
        mine = {ref: found[ref]} if ref in found else {}
        return replace(self, authority=replace(self.authority, found=mine))
