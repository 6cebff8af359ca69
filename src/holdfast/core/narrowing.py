"""Two network policies at once: what both let through, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import product

from holdfast.core.network import RULES_MAX, NetworkPolicy, NetworkRule, Scheme, covers


def narrower(one: NetworkPolicy | None, other: NetworkPolicy | None) -> NetworkPolicy | None:
    """The policy that lets through what both do; None says nothing, unlike one without rules.

    What one lets through is what any of its rules does, so what both let through is
    what any pair of their rules does. The lower budget holds, and an address that is
    not public has to be excepted by both. Pairs beyond the most rules a policy may have
    are left out, which lets through less.
    """
    if one is None or other is None or one == other:
        return one or other
    pairs = product(one.rules, other.rules)
    rules = dict.fromkeys(rule for mine, theirs in pairs for rule in _both(mine, theirs))
    limits = [each.bytes_max for each in (one, other) if each.bytes_max is not None]
    return NetworkPolicy(
        rules=tuple(rules)[:RULES_MAX],
        bytes_max=min(limits, default=None),
        unsafe_addresses=tuple(
            text for text in one.unsafe_addresses if text in other.unsafe_addresses
        ),
    )


def _both(one: NetworkRule, other: NetworkRule) -> Iterable[NetworkRule]:
    """What two rules let through: one rule, or one for each set of ports."""
    host = one.host if covers(other.host, one.host) else other.host
    if not covers(one.host, host):
        return
    methods = tuple(name for name in one.methods if name in other.methods or not other.methods)
    methods = methods or (() if one.methods else other.methods)
    if not methods and (one.methods or other.methods):
        return
    by_ports: dict[tuple[int, ...], list[Scheme]] = {}
    for scheme in Scheme:
        theirs = other.ports_of(scheme)
        if ports := tuple(port for port in one.ports_of(scheme) if port in theirs):
            by_ports.setdefault(ports, []).append(scheme)
    for ports, schemes in by_ports.items():
        yield replace(one, host=host, ports=ports, methods=methods, schemes=tuple(schemes))
