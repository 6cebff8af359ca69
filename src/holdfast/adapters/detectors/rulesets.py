"""Rule sets: many patterns over one view, in time linear in its length.

How a text is read
1. One Aho-Corasick pass finds which keywords stand in it.
2. One RE2 Set pass finds which of the patterns without keywords match at all.
3. Each rule that may match goes over the text by itself; a check can veto a
   candidate or cut it back.

Rules
- All patterns are RE2's: no backtracking. They are bounded, so that a vetoed
  candidate can be tried again from its second character.
- The Set holds a pattern that always matches. An answer without it means that the
  Set gave up: every rule is then run.
- At most `CANDIDATES_MAX` candidates of a rule are looked at, or as many as the rule
  says. What comes after them counts as found (validator "unchecked") and the caller
  is told.
- An empty value is never a finding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import ahocorasick_rs

from holdfast.adapters.detectors.kinds import level_of
from holdfast.adapters.detectors.linear import AnyOf, Pattern, compile_bytes
from holdfast.adapters.detectors.plainview import View
from holdfast.core.findings import Finding
from holdfast.core.labels import Sensitivity

CANDIDATES_MAX = 500
# For checks of a few microseconds on forms that logs and tables are full of.
CANDIDATES_CHEAP_MAX = 2500
# For checks of tens of microseconds.
CANDIDATES_DEAR_MAX = 300
UNCHECKED = "unchecked"
_UNCHECKED_CONFIDENCE = 0.3


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a pattern matched, before any check.

    Args:
        view: where it stands.
        start, end: the place of its value in the view.
    """

    view: View
    start: int
    end: int

    @property
    def value(self) -> str:
        """The value; characters above Latin-1 are placeholders."""
        return self.view.raw[self.start : self.end].decode("latin-1")

    def before(self, count: int) -> bytes:
        """Up to that many characters that stand before it, in lower case."""
        return self.view.lower[max(0, self.start - count) : self.start]

    def after(self, count: int) -> bytes:
        """Up to that many characters that follow it, in lower case."""
        return self.view.lower[self.end : self.end + count]


Check = Callable[[Candidate], int]
"""How many characters of a candidate's value stand; 0 is a veto."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A pattern for one kind of value.

    Args:
        id: stable name, as "pii.email".
        kind: what it finds.
        pattern: RE2; its first group, if it has one, is the value.
        level: how secret the value is; None: as its kind says.
        keywords: lower case; one of them must stand in the text. Empty: the
            pattern itself is tried on every text.
        check: vetoes candidates or cuts them back.
        validator: what the check is called in a finding.
        near: one of these must stand in the 80 characters before the value or in
            the 24 after it, in lower case.
        candidates_max: how many candidates are looked at.
    """

    id: str
    kind: str
    pattern: str
    level: Sensitivity | None = None
    keywords: tuple[str, ...] = ()
    confidence: float = 0.9
    check: Check | None = None
    validator: str = ""
    near: tuple[str, ...] = ()
    candidates_max: int = CANDIDATES_MAX


@dataclass(slots=True)
class Seen:
    """What rules have seen in one text so far."""

    findings: list[Finding]
    weak: list[str]


class _Compiled:
    """A rule and its program, which is made when it is first needed."""

    __slots__ = ("_program", "group", "level", "near", "rule")

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.level = level_of(rule.kind) if rule.level is None else rule.level
        self.near = tuple(word.encode("latin-1") for word in rule.near)
        self.group = 0
        self._program: Pattern[bytes] | None = None

    @property
    def program(self) -> Pattern[bytes]:
        if self._program is None:
            self._program = compile_bytes(self.rule.pattern)
            self.group = 1 if self._program.groups else 0
        return self._program

    def stands(self, candidate: Candidate) -> int:
        """How many characters of a candidate stand."""
        if self.near and not self._in_context(candidate):
            return 0
        if self.rule.check is None:
            return candidate.end - candidate.start
        return self.rule.check(candidate)

    def _in_context(self, candidate: Candidate) -> bool:
        around = candidate.before(80) + b"\n" + candidate.after(24)
        return any(word in around for word in self.near)


class Prefilter(Protocol):
    """Says which patterns match a text at all; None if it gave up."""

    def matching(self, text: bytes) -> list[int] | None:
        """The numbers of the patterns."""
        ...


class RuleSet:
    """Rules that are run together.

    Args:
        rules: in any order; their ids need not differ.
        prefilter: makes what says which of the patterns match at all.
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        prefilter: Callable[[Sequence[str]], Prefilter] = AnyOf,
    ) -> None:
        self._rules = [_Compiled(rule) for rule in rules]
        self._by_keyword: list[tuple[int, ...]] = []
        self._words = self._keywords()
        self._always = [at for at, one in enumerate(self._rules) if not one.rule.keywords]
        patterns = [self._rules[at].rule.pattern for at in self._always]
        self._set = prefilter(patterns) if patterns else None

    @property
    def rules(self) -> Sequence[Rule]:
        """The rules, as they were given."""
        return [one.rule for one in self._rules]

    def check_patterns(self) -> None:
        """Compile every pattern now, to see that it is one."""
        for one in self._rules:
            assert one.program is not None

    def find(self, view: View, seen: Seen) -> None:
        """Add what stands in a view to what has been seen."""
        for at in sorted(self._wanted(view, seen)):
            self._run(self._rules[at], view, seen)

    def _keywords(self) -> ahocorasick_rs.BytesAhoCorasick | None:
        owners: dict[str, list[int]] = {}
        for at, one in enumerate(self._rules):
            for word in one.rule.keywords:
                owners.setdefault(word, []).append(at)
        self._by_keyword = [tuple(ats) for ats in owners.values()]
        words = [word.encode("latin-1") for word in owners]
        return ahocorasick_rs.BytesAhoCorasick(words) if words else None

    def _wanted(self, view: View, seen: Seen) -> set[int]:
        wanted: set[int] = set()
        if self._words is not None:
            hits = self._words.find_matches_as_indexes(view.lower, overlapping=True)
            for word in {hit[0] for hit in hits}:
                wanted.update(self._by_keyword[word])
        if self._set is not None:
            matched = self._set.matching(view.raw)
            if matched is None:
                seen.weak.append("rules: the prefilter gave up")
                return wanted.union(self._always)
            wanted.update(self._always[one] for one in matched)
        return wanted

    def _run(self, one: _Compiled, view: View, seen: Seen) -> None:
        for looked, candidate in enumerate(_candidates(one, view, seen)):
            if looked >= one.rule.candidates_max:
                seen.findings.append(_finding(one, view, candidate.start, len(view.raw), UNCHECKED))
                seen.weak.append(f"{one.rule.id}: only {looked} candidates looked at")
                return


def _candidates(one: _Compiled, view: View, seen: Seen) -> Iterator[Candidate]:
    """Give each candidate before it is checked; add those that stand."""
    raw, search, group = view.raw, one.program.search, one.group
    at = 0
    while (match := search(raw, at)) is not None:
        start, end = match.span(group)
        at = match.start() + 1
        if start < 0 or start == end:
            continue
        candidate = Candidate(view, start, end)
        yield candidate
        kept = one.stands(candidate)
        if kept:
            seen.findings.append(_finding(one, view, start, start + kept, one.rule.validator))
            # The rest may hold another value; the value itself is behind us.
            at = max(start + kept, at)


def _finding(one: _Compiled, view: View, start: int, end: int, validator: str) -> Finding:
    first, last = view.span(start, end)
    return Finding(
        kind=one.rule.kind,
        start=first,
        end=last,
        level=one.level,
        confidence=_UNCHECKED_CONFIDENCE if validator == UNCHECKED else one.rule.confidence,
        rule=one.rule.id,
        validator=validator,
    )
