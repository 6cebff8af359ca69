"""`SecurityConfig`: what callers say of content security (seed D3), and what it comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from holdfast.core.errors import InvalidInput
from holdfast.core.labels import Sensitivity
from holdfast.core.security import (
    CustomRule,
    DataPolicy,
    Fallback,
    FlowMode,
    InjectionDefense,
    RoutingDecision,
    Security,
)

M = TypeVar("M", bound=StrEnum)

LEVELS: dict[str, Sensitivity] = {
    name: level
    for level in Sensitivity
    for name in (level.name.casefold(), level.name.title().replace("_", ""))
}
"""Levels by their names: `highly_sensitive` and `HighlySensitive` mean the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What may be switched off one by one (seed D3).

    Args:
        output_sanitizer: values that the reader may not have are taken out.
        taint_tracking: sensitive values are registered and followed.
        tool_interceptor: the flow guard asks; off, it observes.
        injection_defense: messages that look like an injection are refused.
    """

    output_sanitizer: bool = True
    taint_tracking: bool = True
    tool_interceptor: bool = True
    injection_defense: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityConfig:
    """How content is looked at and where it may go (seeds A5 to A8, D3).

    Args:
        enabled: False looks at nothing but what the installation wants looked at.
        flow: "strict", "provenance" or "observe".
        injection: "observe", "messages" or "all".
        reader: the most sensitive content the session's reader is shown in clear.
        classification_rules: further rules of the classifier: `CustomRule`s, or
            mappings with `name`, `pattern` and `level`.
        compliance: names of compliance packs: "hipaa", "pci-dss", "gdpr".
        redaction_strategy: "remove", "mask" or "hash".
        network_whitelist: hosts that tools may be given; none does not restrict.
        dangerous_commands: rules of tool calls that are denied.
        features: what is switched off.
        data_policy: where content may be processed.
        warn_kinds, reject_kinds: from how many kinds of personal data on the author
            is asked, and a message is refused; 0 means never.
        half_life_days: after how many days a kind counts half.
        extraction: True lets the tool `extract` work; False forbids it; None leaves it
            to the installation, and no word from either is no.
    """

    enabled: bool = True
    flow: FlowMode | str = FlowMode.PROVENANCE
    injection: InjectionDefense | str = InjectionDefense.MESSAGES
    reader: Sensitivity | str = Sensitivity.SENSITIVE
    classification_rules: Sequence[CustomRule | Mapping[str, object]] = ()
    compliance: Sequence[str] = ()
    redaction_strategy: str = "remove"
    network_whitelist: Sequence[str] = ()
    dangerous_commands: Sequence[str] = ()
    features: Features = field(default_factory=Features)
    data_policy: DataPolicy | Mapping[str, object] = field(default_factory=DataPolicy)
    warn_kinds: int = 3
    reject_kinds: int = 5
    half_life_days: int = 30
    extraction: bool | None = None


def security_of(config: SecurityConfig | None) -> Security:
    """The durable settings.

    Raises:
        InvalidInput: naming the field.
    """
    if config is None:
        return Security()
    if not isinstance(config, SecurityConfig):
        raise InvalidInput("security_config is a SecurityConfig")
    features = config.features
    flow = _member("flow", FlowMode, config.flow)
    injection = _member("injection", InjectionDefense, config.injection)
    reader = level_of("reader", config.reader)
    found = Security(
        enabled=config.enabled,
        flow=flow if features.tool_interceptor else FlowMode.OBSERVE,
        injection=injection if features.injection_defense else InjectionDefense.OBSERVE,
        reader=reader if features.output_sanitizer else Sensitivity.CRITICAL,
        taints=features.taint_tracking,
        redaction=config.redaction_strategy.casefold(),
        rules=tuple(_rule(rule) for rule in config.classification_rules),
        packs=tuple(name.casefold() for name in config.compliance),
        hosts=tuple(sorted({host.casefold() for host in config.network_whitelist})),
        dangerous=tuple(config.dangerous_commands),
        data=data_policy_of(config.data_policy),
        warn_kinds=config.warn_kinds,
        reject_kinds=config.reject_kinds,
        half_life_days=config.half_life_days,
        extraction=_switch("extraction", config.extraction),
    )
    if found.problem:
        raise InvalidInput(f"security_config.{found.problem} is out of range")
    return found


def level_of(what: str, value: object) -> Sensitivity:
    """A level by its name, or itself.

    Raises:
        InvalidInput: there is no such level.
    """
    found = value if isinstance(value, Sensitivity) else LEVELS.get(str(value))
    if found is None:
        raise InvalidInput(f"{what}: {str(value)[:40]!r} is no level of sensitivity")
    return found


def _member(what: str, kind: type[M], value: str) -> M:
    try:
        return kind(value)
    except ValueError:
        names = ", ".join(kind)
        raise InvalidInput(f"{what} is one of: {names}") from None


def _switch(what: str, value: object) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    raise InvalidInput(f"{what} is True, False or None")


def _rule(rule: CustomRule | Mapping[str, object]) -> CustomRule:
    if isinstance(rule, CustomRule):
        return rule
    unknown = set(rule) - {"name", "pattern", "level"}
    if unknown or not {"name", "pattern"} <= set(rule):
        raise InvalidInput("a classification rule has a name, a pattern and a level")
    level = level_of("classification_rules", rule.get("level", Sensitivity.SENSITIVE))
    return CustomRule(name=str(rule["name"]), pattern=str(rule["pattern"]), level=level)


def data_policy_of(policy: DataPolicy | Mapping[str, object]) -> DataPolicy:
    """A data policy, also from the seeds' dictionary.

    Raises:
        InvalidInput: an unknown field, level, decision or fallback.
    """
    if isinstance(policy, DataPolicy):
        return policy
    known = set(DataPolicy.__dataclass_fields__)
    if set(policy) - known:
        raise InvalidInput(f"data_policy has the fields {', '.join(sorted(known))}")
    rules = policy.get("type_rules", {})
    if not isinstance(rules, Mapping):
        raise InvalidInput("type_rules maps kinds to decisions")
    try:
        return DataPolicy(
            name=str(policy.get("name", "default")),
            tee_threshold=level_of(
                "tee_threshold", policy.get("tee_threshold", Sensitivity.SENSITIVE)
            ),
            allow_highly_sensitive=policy.get("allow_highly_sensitive", True) is True,
            type_rules=tuple(
                sorted((str(kind), RoutingDecision(str(one))) for kind, one in rules.items())
            ),
            fallback=Fallback(str(policy.get("fallback", "reject"))),
        )
    except ValueError as error:
        raise InvalidInput(f"data_policy: {error}") from None
