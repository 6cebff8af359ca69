"""Authority: what holds above one session, as the shell read it (contract 1.7).

A frozen value within `Facts`. The revisions it was read at are recorded with
each intent, and the append asserts them: a rule or grant that changed meanwhile
makes the decision stale, and it is taken again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from holdfast.core.accounts import Account
from holdfast.core.grants import NO_GRANTS, Grant, GrantIndex, GrantScope
from holdfast.core.ids import EffectRef
from holdfast.core.rules import Policy
from holdfast.core.view import SessionView


@dataclass(frozen=True, slots=True)
class ScopedPolicy:
    """A policy above the session's own: of the installation, a parent, a workspace.

    Args:
        critical: rules of actions that need the yes of `quorum` people, as in
            `ConfirmationPolicy`.
    """

    scope: str
    policy: Policy
    critical: tuple[str, ...] = ()
    quorum: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class HookFinding:
    """What the hooks before a call said.

    Args:
        digest: of the action they saw.
        blocked: why a hook refuses it, or "".
        name: the hook that decided.
    """

    digest: str
    blocked: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """What holds above the session.

    Args:
        policies: of the installation, the user, the workspace and all parents, the
            outermost first; each must allow, and any may deny.
        version: stands for the policies and the session's own rules; an answer
            is bound to it.
        grants: what is granted to the session, its workspace and its user.
        accounts: every account with a limit that a call may draw on.
        hooked: kinds of call that hooks look at first.
        hook_engines: names of the hook engines that are registered here.
        found: what they said.
        attended: somebody who may answer is connected.
        role, task_type: of whoever acts in the session.
        depth: how many parents the session has.
        holders: under which scope of the store a grant of each scope is kept;
            one without a holder cannot be granted here.
        uses_left: of each grant with a limited number of uses, how many are left.
        read_at: the session's version when this was read.
        revoked: ids of tokens that were revoked, of those that act in the session.
    """

    policies: tuple[ScopedPolicy, ...] = ()
    version: str = ""
    grants: GrantIndex = NO_GRANTS
    accounts: tuple[Account, ...] = ()
    hooked: frozenset[str] = frozenset()
    hook_engines: frozenset[str] = frozenset()
    found: Mapping[EffectRef, HookFinding] = field(default_factory=dict)
    attended: bool = False
    role: str = ""
    task_type: str = "default"
    depth: int = 0
    holders: Mapping[GrantScope, str] = field(default_factory=dict)
    uses_left: Mapping[str, int] = field(default_factory=dict)
    read_at: int = 0
    revoked: frozenset[str] = frozenset()

    def usable(self, grant: Grant, view: SessionView, now_ms: int) -> bool:
        """Whether a grant has not ended and has a use left.

        What this session has claimed since the reading counts as used; what others
        claim meanwhile, the append finds out.
        """
        if not grant.live(now_ms):
            return False
        if grant.uses_max is None:
            return True
        claimed = sum(
            amount
            for effect in (*view.open, *view.host_open)
            if effect.version > self.read_at
            for counter, amount in effect.takes
            if counter == grant.counter
        )
        return self.uses_left.get(grant.id, 0) > claimed


NO_AUTHORITY = Authority()
