"""Children: a session below another can never do more than the one above it.

Grants and accounts of the sessions above are shared by reading them, never by
copying (seed E2); what is fixed at birth is narrowed here (astrid#AW-16, a3s#A15).
"""

from __future__ import annotations

import posixpath
from dataclasses import replace

from holdfast.core import security
from holdfast.core.errors import Denied, InvalidInput
from holdfast.core.settings import (
    ConfirmationPolicy,
    Limits,
    Settings,
    TimeoutAction,
)

DEPTH_MAX = 4
"""How many sessions a child may stand below."""

LIVING_MAX = 32
"""Children of one session that have not ended."""


def narrow(parent: Settings, child: Settings) -> Settings:
    """Return a child's settings, narrowed to what its parent may do.

    Rules, grants and accounts of the parent are not copied: the child is judged
    under them as they are at each moment.

    Raises:
        Denied: its workspace leads out of its parent's.
        InvalidInput: it names a tool or hook engine that the parent has not.
    """
    if parent.hook_engine and child.hook_engine not in ("", parent.hook_engine):
        raise InvalidInput(f"a child has the hook engine of its parent, {parent.hook_engine!r}")
    return replace(
        child,
        workspace=_workspace(parent.workspace, child.workspace),
        tools=_tools(parent.tools, child.tools),
        model=child.model or parent.model,
        storage_type=parent.storage_type,
        hook_engine=child.hook_engine or parent.hook_engine,
        unsafe_auto_approve=child.unsafe_auto_approve and parent.unsafe_auto_approve,
        limits=_limits(parent.limits, child.limits),
        confirmation=stricter(parent.confirmation, child.confirmation),
        security=security.stricter(parent.security, child.security),
        # The accounts are the root's (`runtime.ledger`), and so are their limits.
        budget=replace(
            parent.budget,
            action_micros=min(parent.budget.action_micros, child.budget.action_micros),
        ),
    )


def _workspace(parent: str, child: str) -> str:
    if child in ("", parent):
        return parent
    root = posixpath.normpath(parent).rstrip("/") if parent else None
    if root is None or not posixpath.normpath(child).startswith(root + "/"):
        raise Denied("a child's workspace lies within its parent's")
    return child


def _tools(parent: tuple[str, ...] | None, child: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if parent is None or child is None:
        return parent if child is None else child
    offered = {name.casefold() for name in parent}
    missing = [name for name in child if name.casefold() not in offered]
    if missing:
        raise InvalidInput(f"{missing[0]!r} is not one of the parent's tools")
    return child


def _limits(parent: Limits, child: Limits) -> Limits:
    return Limits(
        max_rounds=min(parent.max_rounds, child.max_rounds),
        turn_s=min(parent.turn_s, child.turn_s),
        tool_s=min(parent.tool_s, child.tool_s),
        parallel_tools=min(parent.parallel_tools, child.parallel_tools),
    )


def stricter(parent: ConfirmationPolicy, child: ConfirmationPolicy) -> ConfirmationPolicy:
    """The stricter of both in every part; a child that says nothing has its parent's."""
    if child == ConfirmationPolicy():
        return parent
    both = {parent.timeout_action, child.timeout_action}
    lanes = tuple(one for one in child.unsafe_auto_approve if one in parent.unsafe_auto_approve)
    waits = [s for s in (parent.unattended_s, child.unattended_s) if s is not None]
    return ConfirmationPolicy(
        enabled=parent.enabled and child.enabled,
        attended_s=min(parent.attended_s, child.attended_s),
        unattended_s=min(waits, default=None),
        timeout_action=child.timeout_action if len(both) == 1 else TimeoutAction.REJECT,
        unsafe_auto_approve=lanes,
        quorum=max(parent.quorum, child.quorum),
        critical=tuple(dict.fromkeys((*parent.critical, *child.critical))),
    )
