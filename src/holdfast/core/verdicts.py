"""Verdicts: Allow, Ask or Deny, each with its reasons. The strictest wins."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce


@dataclass(frozen=True, slots=True)
class Allow:
    """It may happen, under obligations such as "route:enclave"."""

    obligations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """A person must say yes first."""

    guard: str
    reason: str
    question: str


@dataclass(frozen=True, slots=True)
class Deny:
    """It may not happen."""

    guard: str
    reason: str
    detail: str


Verdict = Allow | Ask | Deny


def join(one: Verdict, other: Verdict) -> Verdict:
    """Return the stricter verdict; of equals, the one that sorts first.

    Commutative, associative and idempotent, so that the order and repetition of
    guards never matters.
    """
    if isinstance(one, Deny) or isinstance(other, Deny):
        denials = [v for v in (one, other) if isinstance(v, Deny)]
        return min(denials, key=lambda v: (v.guard, v.reason, v.detail))
    if isinstance(one, Ask) or isinstance(other, Ask):
        questions = [v for v in (one, other) if isinstance(v, Ask)]
        return min(questions, key=lambda v: (v.guard, v.reason, v.question))
    return Allow(obligations=tuple(sorted({*one.obligations, *other.obligations})))


def join_all(verdicts: Iterable[Verdict]) -> Verdict:
    """Join any number of verdicts; none at all is Allow, so callers never pass none."""
    start: Verdict = Allow()
    return reduce(join, verdicts, start)
