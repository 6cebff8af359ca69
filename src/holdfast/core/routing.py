"""Where content may be processed: the policy engine (seeds A6, A7, A8).

Ordered comparison throughout: what holds for a level holds for all above it. Of
several decisions the most restrictive one wins. There is no silent downgrade: an
enclave that is wanted and missing is a question or a refusal.

Without an enclave configured, the zone that the model's endpoint declares decides:

| zone | in clear up to | pseudonymised up to | asked up to | above |
|---|---|---|---|---|
| public | Normal | Sensitive | HighlySensitive | rejected |
| private | Sensitive | HighlySensitive | Critical | |
| local, tee | Critical | | | |
"""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.core.labels import Sensitivity
from holdfast.core.security import DataPolicy, Fallback, RoutingDecision, Zone

_ORDER = list(RoutingDecision)


@dataclass(frozen=True, slots=True)
class ZoneLimits:
    """What an endpoint of a zone may see: in clear, as pseudonyms, and once asked."""

    clear: Sensitivity
    swapped: Sensitivity
    asked: Sensitivity


ZONES: dict[Zone, ZoneLimits] = {
    Zone.PUBLIC: ZoneLimits(
        Sensitivity.NORMAL, Sensitivity.SENSITIVE, Sensitivity.HIGHLY_SENSITIVE
    ),
    Zone.PRIVATE: ZoneLimits(
        Sensitivity.SENSITIVE, Sensitivity.HIGHLY_SENSITIVE, Sensitivity.CRITICAL
    ),
    Zone.LOCAL: ZoneLimits(Sensitivity.CRITICAL, Sensitivity.CRITICAL, Sensitivity.CRITICAL),
    Zone.TEE: ZoneLimits(Sensitivity.CRITICAL, Sensitivity.CRITICAL, Sensitivity.CRITICAL),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """The model a session's next call goes to, and the enclave beside it.

    Args:
        sees: the highest level it may see in clear, or None for what its zone says.
        enclave: an enclave is configured; enclave_ready: it is there and self-tested.
    """

    zone: Zone = Zone.PUBLIC
    sees: Sensitivity | None = None
    enclave: bool = False
    enclave_ready: bool = False

    @property
    def limits(self) -> ZoneLimits:
        """What it may see; a declared level can only lower what its zone says."""
        limits = ZONES[self.zone]
        if self.sees is None or self.sees >= limits.clear:
            return limits
        return ZoneLimits(self.sees, limits.swapped, limits.asked)


def most_restrictive(*decisions: RoutingDecision) -> RoutingDecision:
    """The most restrictive of some decisions; none at all is `PROCESS_LOCAL`."""
    return max(decisions, key=_ORDER.index, default=RoutingDecision.PROCESS_LOCAL)


def evaluate(
    policy: DataPolicy,
    level: Sensitivity,
    kinds: tuple[str, ...],
    to: Destination,
    *,
    swaps: bool = True,
) -> RoutingDecision:
    """Decide where content of a level, with these kinds found in it, may be processed.

    Args:
        swaps: values are followed, so that a model can be sent pseudonyms.
    """
    found = [decision for kind, decision in policy.type_rules if kind in kinds]
    if level >= Sensitivity.HIGHLY_SENSITIVE and not policy.allow_highly_sensitive:
        found.append(RoutingDecision.REJECT)
    if to.enclave and level >= policy.tee_threshold:
        found.append(RoutingDecision.PROCESS_IN_TEE)
    if RoutingDecision.PROCESS_IN_TEE in found and not (to.enclave and to.enclave_ready):
        found = [one for one in found if one is not RoutingDecision.PROCESS_IN_TEE]
        found.append(_without_enclave(policy.fallback, level))
    if not to.enclave:
        found.append(_by_zone(level, to, swaps))
    return found[0] if len(found) == 1 else most_restrictive(*found)


def _without_enclave(fallback: Fallback, level: Sensitivity) -> RoutingDecision:
    if fallback is Fallback.ALLOW or level <= Sensitivity.NORMAL:
        return RoutingDecision.PROCESS_LOCAL
    if fallback is Fallback.WARN:
        asks = level >= Sensitivity.HIGHLY_SENSITIVE
        return RoutingDecision.REQUIRE_CONFIRMATION if asks else RoutingDecision.PROCESS_LOCAL
    if level >= Sensitivity.HIGHLY_SENSITIVE:
        return RoutingDecision.REJECT
    return RoutingDecision.REQUIRE_CONFIRMATION


def _by_zone(level: Sensitivity, to: Destination, swaps: bool) -> RoutingDecision:
    limits = to.limits
    if level <= (max(limits.clear, limits.swapped) if swaps else limits.clear):
        return RoutingDecision.PROCESS_LOCAL
    if level <= limits.asked:
        return RoutingDecision.REQUIRE_CONFIRMATION
    return RoutingDecision.REJECT
