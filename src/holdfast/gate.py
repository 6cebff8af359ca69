"""Names of the gate for programs that embed Holdfast: rules, policies, answers.

`holdfast` itself keeps to forty names; what belongs to permission, approval,
budget and hooks is here. Everything is loaded when it is first used.
"""

from __future__ import annotations

import importlib as _importlib
import typing as _typing

if _typing.TYPE_CHECKING:
    from holdfast.bootstrap import CommandHook
    from holdfast.core.errors import PolicyFileRefused
    from holdfast.core.grants import Grant, GrantScope
    from holdfast.core.hooks import (
        HookAction,
        HookAnswer,
        HookCall,
        HookEvent,
        block,
        modify,
        proceed,
        retry,
        skip,
    )
    from holdfast.core.rules import Policy as PermissionPolicy
    from holdfast.core.rules import PolicyMode, Rule, RuleEffect, parse_rule
    from holdfast.core.settings import ConfirmationPolicy, TimeoutAction
    from holdfast.core.tools import Operation
    from holdfast.runtime.allowances import Allowance, AllowanceImport
    from holdfast.runtime.approvals import Approval, WiderPattern
    from holdfast.runtime.escapestate import EscapeEntry
    from holdfast.runtime.explaining import SegmentFinding
    from holdfast.runtime.hooks import Hook, HookEngine
    from holdfast.runtime.permissions import Explanation
    from holdfast.runtime.policyfile import PolicyFile

_HOME = {
    "Allowance": "runtime.allowances:Allowance",
    "AllowanceImport": "runtime.allowances:AllowanceImport",
    "Approval": "runtime.approvals:Approval",
    "CommandHook": "bootstrap:CommandHook",
    "ConfirmationPolicy": "core.settings:ConfirmationPolicy",
    "EscapeEntry": "runtime.escapestate:EscapeEntry",
    "Explanation": "runtime.permissions:Explanation",
    "Grant": "core.grants:Grant",
    "GrantScope": "core.grants:GrantScope",
    "Hook": "runtime.hooks:Hook",
    "HookAction": "core.hooks:HookAction",
    "HookAnswer": "core.hooks:HookAnswer",
    "HookCall": "core.hooks:HookCall",
    "HookEngine": "runtime.hooks:HookEngine",
    "HookEvent": "core.hooks:HookEvent",
    "Operation": "core.tools:Operation",
    "PermissionPolicy": "core.rules:Policy",
    "PolicyFile": "runtime.policyfile:PolicyFile",
    "PolicyFileRefused": "core.errors:PolicyFileRefused",
    "PolicyMode": "core.rules:PolicyMode",
    "Rule": "core.rules:Rule",
    "RuleEffect": "core.rules:RuleEffect",
    "SegmentFinding": "runtime.explaining:SegmentFinding",
    "TimeoutAction": "core.settings:TimeoutAction",
    "WiderPattern": "runtime.approvals:WiderPattern",
    "block": "core.hooks:block",
    "modify": "core.hooks:modify",
    "parse_rule": "core.rules:parse_rule",
    "proceed": "core.hooks:proceed",
    "retry": "core.hooks:retry",
    "skip": "core.hooks:skip",
}
"""Where each name lives, as `module:name` below `holdfast`."""

__all__ = [
    "Allowance",
    "AllowanceImport",
    "Approval",
    "CommandHook",
    "ConfirmationPolicy",
    "EscapeEntry",
    "Explanation",
    "Grant",
    "GrantScope",
    "Hook",
    "HookAction",
    "HookAnswer",
    "HookCall",
    "HookEngine",
    "HookEvent",
    "Operation",
    "PermissionPolicy",
    "PolicyFile",
    "PolicyFileRefused",
    "PolicyMode",
    "Rule",
    "RuleEffect",
    "SegmentFinding",
    "TimeoutAction",
    "WiderPattern",
    "block",
    "modify",
    "parse_rule",
    "proceed",
    "retry",
    "skip",
]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'holdfast.gate' has no attribute {name!r}")
    module, _, attribute = home.partition(":")
    value: object = getattr(_importlib.import_module(f"holdfast.{module}"), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
