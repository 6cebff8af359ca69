"""What a session keeps to about content: the durable half of `SecurityConfig` (seed D3).

A session's own settings may tighten what the installation says and never loosen
it: `stricter` joins the two, field by field.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeVar

from holdfast.core.inspection import kept
from holdfast.core.labels import Sensitivity

T = TypeVar("T", bound=StrEnum)


class FlowMode(StrEnum):
    """How the flow guard judges consequential actions, the laxest first.

    OBSERVE asks nothing. PROVENANCE asks where an argument is not the user's, or
    where a call is not planned. STRICT asks about any consequential action after
    untrusted content that was not granted or planned before it.
    """

    OBSERVE = "observe"
    PROVENANCE = "provenance"
    STRICT = "strict"


class InjectionDefense(StrEnum):
    """What a text that looks like an injection comes to, the laxest first.

    OBSERVE records it. MESSAGES refuses such messages. ALL withholds such results
    of tools from the model as well.
    """

    OBSERVE = "observe"
    MESSAGES = "messages"
    ALL = "all"


class Zone(StrEnum):
    """Where a model runs, as its configuration declares it."""

    PUBLIC = "public"
    PRIVATE = "private"
    LOCAL = "local"
    TEE = "tee"


class Fallback(StrEnum):
    """What happens to what belongs into an enclave when there is none, the laxest first."""

    ALLOW = "allow"
    WARN = "warn"
    REJECT = "reject"


class RoutingDecision(StrEnum):
    """Where a message is processed (seed A6), the least restrictive first."""

    PROCESS_LOCAL = "process_local"
    PROCESS_IN_TEE = "process_in_tee"
    REQUIRE_CONFIRMATION = "require_confirmation"
    REJECT = "reject"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPolicy:
    """Where content may be processed, by its level and by what was found in it.

    Args:
        tee_threshold: from this level on an enclave is wanted, if one is configured.
        allow_highly_sensitive: False rejects `HighlySensitive` and all above it.
        type_rules: (kind, decision); the most restrictive of all that match holds.
        fallback: what an enclave that is wanted and missing comes to.
    """

    name: str = "default"
    tee_threshold: Sensitivity = Sensitivity.SENSITIVE
    allow_highly_sensitive: bool = True
    type_rules: tuple[tuple[str, RoutingDecision], ...] = ()
    fallback: Fallback = Fallback.REJECT


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomRule:
    """A further rule of the classifier.

    Args:
        name: the kind that its findings have, at most 32 bytes.
        pattern: a regular expression as RE2 reads it.
    """

    name: str
    pattern: str
    level: Sensitivity = Sensitivity.SENSITIVE


STRATEGIES = ("hash", "mask", "remove")
"""How a value is taken out of a text that may not have it; the later, the less is left."""

PACKS_MAX = 8
RULES_MAX = 32
KINDS_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """How content is looked at and where it may go.

    Args:
        enabled: False looks at nothing and restricts nothing; what the installation
            wants is looked at all the same.
        flow: how the flow guard judges.
        injection: what a text that looks like an injection comes to.
        reader: the most sensitive content that the session's reader is shown in clear.
        taints: sensitive values are registered and followed.
        redaction: how values are taken out: "remove", "mask" or "hash".
        rules: further rules of the classifier; packs: names of compliance packs.
        hosts: hosts that may be reached; none means that this does not restrict.
        dangerous: rules of tool calls that are denied.
        data: where content may be processed.
        warn_kinds, reject_kinds: from how many different kinds of personal data on
            the author is asked, and a message is refused; 0 means never.
        half_life_days: after how many days a kind counts half.
        extraction: values may be extracted; None says nothing, and no extracts nothing.
    """

    enabled: bool = True
    flow: FlowMode = FlowMode.PROVENANCE
    injection: InjectionDefense = InjectionDefense.MESSAGES
    reader: Sensitivity = Sensitivity.SENSITIVE
    redaction: str = "remove"
    rules: tuple[CustomRule, ...] = ()
    packs: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    dangerous: tuple[str, ...] = ()
    data: DataPolicy = field(default_factory=DataPolicy)
    warn_kinds: int = 3
    reject_kinds: int = 5
    half_life_days: int = 30
    taints: bool = True
    extraction: bool | None = None

    @property
    def problem(self) -> str:
        """Which value is out of range, or "" if none is."""
        checks = {
            "redaction": self.redaction in STRATEGIES,
            "rules": len(self.rules) <= RULES_MAX and _short(one.name for one in self.rules),
            "data": _short(kind for kind, _ in self.data.type_rules),
            "packs": len(self.packs) <= PACKS_MAX,
            "warn_kinds": 0 <= self.warn_kinds <= KINDS_MAX,
            "reject_kinds": 0 <= self.reject_kinds <= KINDS_MAX,
            "half_life_days": 1 <= self.half_life_days <= 36_500,
        }
        return next((name for name, ok in checks.items() if not ok), "")


def _short(kinds: Iterable[str]) -> bool:
    """Whether a session can remember these kinds by their names."""
    return all(kind and kind == kept(kind) for kind in kinds)


def _later(one: T, other: T) -> T:
    members = list(type(one))
    return max(one, other, key=members.index)


def _thoroughness(strategy: str) -> int:
    """The place of a strategy; an unknown one comes last, so that `problem` names it."""
    return STRATEGIES.index(strategy) if strategy in STRATEGIES else len(STRATEGIES)


def _least(one: int, other: int) -> int:
    """The smaller limit, where 0 means that there is none."""
    return min(one, other) if one and other else one or other


def _switched(one: bool | None, other: bool | None) -> bool | None:
    """No if either says no, else what is said at all."""
    said = [word for word in (one, other) if word is not None]
    return all(said) if said else None


def _hosts(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    """What both allow; a list that names none does not restrict."""
    if not one or not other:
        return one or other
    return tuple(sorted(set(one) & set(other))) or ("none.invalid",)


def _rules(
    installation: tuple[CustomRule, ...], own: tuple[CustomRule, ...]
) -> tuple[CustomRule, ...]:
    """Both; of two of one name the installation's, as a name stands for one rule."""
    taken = {rule.name for rule in installation}
    return (*installation, *(rule for rule in own if rule.name not in taken))


def stricter(installation: Security, own: Security) -> Security:
    """Join what the installation says with what a session says; the stricter holds."""
    if not own.enabled:
        return installation
    if not installation.enabled:
        return own
    outer, inner = installation.data, own.data
    return replace(
        own,
        flow=_later(installation.flow, own.flow),
        injection=_later(installation.injection, own.injection),
        reader=min(installation.reader, own.reader),
        redaction=max(installation.redaction, own.redaction, key=_thoroughness),
        rules=_rules(installation.rules, own.rules),
        packs=tuple(dict.fromkeys((*installation.packs, *own.packs))),
        hosts=_hosts(installation.hosts, own.hosts),
        dangerous=tuple(dict.fromkeys((*installation.dangerous, *own.dangerous))),
        data=replace(
            inner,
            tee_threshold=min(outer.tee_threshold, inner.tee_threshold),
            allow_highly_sensitive=outer.allow_highly_sensitive and inner.allow_highly_sensitive,
            type_rules=tuple(dict.fromkeys((*outer.type_rules, *inner.type_rules))),
            fallback=_later(outer.fallback, inner.fallback),
        ),
        warn_kinds=_least(installation.warn_kinds, own.warn_kinds),
        reject_kinds=_least(installation.reject_kinds, own.reject_kinds),
        half_life_days=max(installation.half_life_days, own.half_life_days),
        taints=installation.taints or own.taints,
        extraction=_switched(installation.extraction, own.extraction),
    )
