"""Names of content security for programs that embed Holdfast: settings, manifests, detectors.

`holdfast` itself keeps to forty names; what belongs to labels, flow, classification
and detectors of one's own is here. Everything is loaded when it is first used.
`Role` here is the role of a tool's argument; `holdfast.Role` is who speaks.
"""

from __future__ import annotations

import importlib as _importlib
import typing as _typing

if _typing.TYPE_CHECKING:
    from holdfast.adapters.detectors.presidio import PresidioClassifier
    from holdfast.adapters.tools.extract import ExtractTool
    from holdfast.adapters.tools.plan import PlanTool
    from holdfast.bootstrap import default_detectors
    from holdfast.core.auditing import Alert, AlertRules, AuditEvent
    from holdfast.core.findings import Classification, Evidence, Finding, Signal, TaintMatch, Threat
    from holdfast.core.flows import Flow, Reads, Role, Sink
    from holdfast.core.labels import Integrity, Label, Sensitivity
    from holdfast.core.network import NetworkPolicy, NetworkRule, Scheme
    from holdfast.core.plans import PlanStep
    from holdfast.core.security import (
        CustomRule,
        DataPolicy,
        Fallback,
        FlowMode,
        InjectionDefense,
        RoutingDecision,
        Security,
        Zone,
    )
    from holdfast.ports.detector import (
        Classifier,
        InjectionDetector,
        NoClassifier,
        NoInjectionDetector,
        SlowClassifier,
    )
    from holdfast.ports.taints import Taint, TaintMatcher
    from holdfast.runtime.auditbus import AuditBus, AuditFilter
    from holdfast.runtime.checkpoint_service import Checkpoints
    from holdfast.runtime.detectors import Detectors, NoTaints
    from holdfast.runtime.guarding import RiskReport, Trifecta
    from holdfast.runtime.securing import Features, SecurityConfig
    from holdfast.runtime.tee import TeeAttestation, TeeConfig

_HOME = {
    "Alert": "core.auditing",
    "AlertRules": "core.auditing",
    "AuditBus": "runtime.auditbus",
    "AuditEvent": "core.auditing",
    "AuditFilter": "runtime.auditbus",
    "Checkpoints": "runtime.checkpoint_service",
    "Classification": "core.findings",
    "Classifier": "ports.detector",
    "CustomRule": "core.security",
    "DataPolicy": "core.security",
    "Detectors": "runtime.detectors",
    "Evidence": "core.findings",
    "ExtractTool": "adapters.tools.extract",
    "Fallback": "core.security",
    "Features": "runtime.securing",
    "Finding": "core.findings",
    "Flow": "core.flows",
    "FlowMode": "core.security",
    "InjectionDefense": "core.security",
    "InjectionDetector": "ports.detector",
    "Integrity": "core.labels",
    "Label": "core.labels",
    "NetworkPolicy": "core.network",
    "NetworkRule": "core.network",
    "NoClassifier": "ports.detector",
    "NoInjectionDetector": "ports.detector",
    "NoTaints": "runtime.detectors",
    "PlanStep": "core.plans",
    "PlanTool": "adapters.tools.plan",
    "PresidioClassifier": "adapters.detectors.presidio",
    "Reads": "core.flows",
    "RiskReport": "runtime.guarding",
    "Role": "core.flows",
    "RoutingDecision": "core.security",
    "Scheme": "core.network",
    "Security": "core.security",
    "SecurityConfig": "runtime.securing",
    "Sensitivity": "core.labels",
    "Signal": "core.findings",
    "Sink": "core.flows",
    "SlowClassifier": "ports.detector",
    "Taint": "ports.taints",
    "TaintMatch": "core.findings",
    "TaintMatcher": "ports.taints",
    "TeeAttestation": "runtime.tee",
    "TeeConfig": "runtime.tee",
    "Threat": "core.findings",
    "Trifecta": "runtime.guarding",
    "Zone": "core.security",
    "default_detectors": "bootstrap",
}
"""Where each name lives, as a module below `holdfast`."""

__all__ = [
    "Alert",
    "AlertRules",
    "AuditBus",
    "AuditEvent",
    "AuditFilter",
    "Checkpoints",
    "Classification",
    "Classifier",
    "CustomRule",
    "DataPolicy",
    "Detectors",
    "Evidence",
    "ExtractTool",
    "Fallback",
    "Features",
    "Finding",
    "Flow",
    "FlowMode",
    "InjectionDefense",
    "InjectionDetector",
    "Integrity",
    "Label",
    "NetworkPolicy",
    "NetworkRule",
    "NoClassifier",
    "NoInjectionDetector",
    "NoTaints",
    "PlanStep",
    "PlanTool",
    "PresidioClassifier",
    "Reads",
    "RiskReport",
    "Role",
    "RoutingDecision",
    "Scheme",
    "Security",
    "SecurityConfig",
    "Sensitivity",
    "Signal",
    "Sink",
    "SlowClassifier",
    "Taint",
    "TaintMatch",
    "TaintMatcher",
    "TeeAttestation",
    "TeeConfig",
    "Threat",
    "Trifecta",
    "Zone",
    "default_detectors",
]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'holdfast.security' has no attribute {name!r}")
    value: object = getattr(_importlib.import_module(f"holdfast.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
