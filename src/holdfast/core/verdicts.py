"""Verdicts: Allow, Ask or Deny, each with its reasons. The strictest wins."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce

Takes = tuple[tuple[str, int], ...]
"""(counter, amount) that the append of the intent reserves."""


@dataclass(frozen=True, slots=True)
class Allow:
    """It may happen, under obligations such as "route:enclave".

    Args:
        takes: what is reserved with the intent, sorted and each once.
        grants: ids of the grants it rests on.
    """

    obligations: tuple[str, ...] = ()
    takes: Takes = ()
    grants: tuple[str, ...] = ()


ALLOW = Allow()
"""What a guard says that has nothing to say: made once, and told apart at a glance."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A person must say yes first.

    Args:
        about: what kind of question: "approval", "escape" or "budget".
        quorum: how many people must say yes.
        obligations, takes, grants: as of `Allow`, once the answer is yes.
        more: further questions about the same action, sorted.
    """

    guard: str
    reason: str
    question: str
    about: str = "approval"
    quorum: int = 1
    obligations: tuple[str, ...] = ()
    takes: Takes = ()
    grants: tuple[str, ...] = ()
    more: tuple[Ask, ...] = ()

    @property
    def parts(self) -> tuple[Ask, ...]:
        """Each single question, this one first."""
        return (replace(self, obligations=(), takes=(), grants=(), more=()), *self.more)

    @property
    def codes(self) -> tuple[str, ...]:
        """`guard.reason` of each question; an answer is bound to them."""
        return tuple(f"{part.guard}.{part.reason}" for part in self.parts)

    def granted(self) -> Allow:
        """The verdict once all of it is answered yes."""
        return Allow(self.obligations, self.takes, self.grants)


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
    guards never matters. Obligations, takes and questions are united.
    """
    if isinstance(one, Deny) or isinstance(other, Deny):
        denials = [v for v in (one, other) if isinstance(v, Deny)]
        return min(denials, key=lambda v: (v.guard, v.reason, v.detail))
    if one == other:
        return one
    obligations = _union(one.obligations, other.obligations)
    takes = tuple(sorted({*one.takes, *other.takes}))
    grants = _union(one.grants, other.grants)
    asks = {part for v in (one, other) if isinstance(v, Ask) for part in v.parts}
    if not asks:
        return Allow(obligations, takes, grants)
    first, *rest = sorted(asks, key=_order)
    return replace(first, obligations=obligations, takes=takes, grants=grants, more=tuple(rest))


def _union(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    if not other or one == other:
        return one
    return tuple(sorted({*one, *other})) if one else other


def _order(ask: Ask) -> tuple[str, str, str, str, int]:
    return (ask.guard, ask.reason, ask.question, ask.about, ask.quorum)


def join_all(verdicts: Iterable[Verdict]) -> Verdict:
    """Join any number of verdicts; none at all is Allow, so callers never pass none."""
    start: Verdict = ALLOW
    return reduce(join, (one for one in verdicts if one is not ALLOW), start)
