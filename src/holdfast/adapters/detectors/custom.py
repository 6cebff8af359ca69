"""Rules of the operator: validated when they are loaded, run like all others.

A rule's pattern is RE2's syntax and is matched against the folded text, so that it
may hold any characters. What cannot work is refused at once, with one line that
says why and does not repeat the pattern.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from holdfast.adapters.detectors.linear import BadPattern, Pattern, compile_text
from holdfast.adapters.detectors.plainview import View
from holdfast.adapters.detectors.rulesets import CANDIDATES_MAX, UNCHECKED, Seen
from holdfast.core.errors import InvalidInput
from holdfast.core.findings import Finding
from holdfast.core.labels import Sensitivity

PATTERN_CHARS_MAX = 1000
RULES_MAX = 500
_PROGRAM_SIZE_MAX = 20_000
_NAME = re.compile(r"[a-z][a-z0-9_.\-]{0,63}")
_LEVELS = {
    level.name.replace("_", "").lower(): level
    for level in Sensitivity
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomRule:
    """A rule of the operator.

    Args:
        name: the kind its findings have, as "project_code": small letters, digits,
            "_", "-" and ".".
        pattern: RE2; its first group, if it has one, is the value.
        level: a `Sensitivity` or its name, in any of its spellings.
        case_sensitive: whether capitals matter.
        confidence: from 0.0 to 1.0.

    Raises:
        InvalidInput: by `CustomRules`, if anything of it cannot be used.
    """

    name: str
    pattern: str
    level: Sensitivity | str = Sensitivity.SENSITIVE
    case_sensitive: bool = True
    confidence: float = 0.9


@dataclass(frozen=True, slots=True)
class _Loaded:
    rule: CustomRule
    level: Sensitivity
    program: Pattern[str]
    group: int


def read_level(level: Sensitivity | str, where: str) -> Sensitivity:
    """Read a level by any of its spellings: "HighlySensitive", "highly_sensitive".

    Raises:
        InvalidInput: there is no such level.
    """
    if isinstance(level, Sensitivity):
        return level
    found = _LEVELS.get(str(level).replace("_", "").replace("-", "").lower())
    if found is None:
        known = ", ".join(one.name.lower() for one in Sensitivity)
        raise InvalidInput(f"{where}: the level is none of {known}")
    return found


def load_custom(rule: CustomRule) -> tuple[Sensitivity, Pattern[str]]:
    """Validate a rule; its level and its program.

    Raises:
        InvalidInput: the name, the level, the confidence or the pattern cannot be used.
    """
    if not isinstance(rule.name, str) or not _NAME.fullmatch(rule.name):
        raise InvalidInput("custom rule: a name is 1 to 64 of a-z, 0-9, '_', '-' and '.'")
    where = f"custom rule {rule.name}"
    level = read_level(rule.level, where)
    if not 0.0 <= rule.confidence <= 1.0:
        raise InvalidInput(f"{where}: the confidence is not from 0.0 to 1.0")
    return level, compile_pattern(rule.pattern, where, case_sensitive=rule.case_sensitive)


def compile_pattern(pattern: str, where: str, *, case_sensitive: bool = True) -> Pattern[str]:
    """Compile a pattern that somebody else wrote.

    Raises:
        InvalidInput: it is empty, too long, no RE2, too large, or matches the empty text.
    """
    if not isinstance(pattern, str) or not pattern:
        raise InvalidInput(f"{where}: the pattern is empty")
    if len(pattern) > PATTERN_CHARS_MAX:
        raise InvalidInput(f"{where}: the pattern is over {PATTERN_CHARS_MAX} characters")
    try:
        program = compile_text(pattern, case_sensitive=case_sensitive)
    except BadPattern as error:
        raise InvalidInput(f"{where}: the pattern is no RE2: {error}") from None
    if program.programsize > _PROGRAM_SIZE_MAX:
        raise InvalidInput(f"{where}: the pattern is too large when it is compiled")
    if program.match("") is not None or any(
        match.start() == match.end() for match in program.finditer("aA 0-_\n.ä")
    ):
        raise InvalidInput(f"{where}: the pattern matches the empty text")
    return program


class CustomRules:
    """The rules of the operator, loaded.

    Args:
        rules: at most `RULES_MAX`, with names that differ.

    Raises:
        InvalidInput: one of them cannot be used, two have one name, or they are too many.
    """

    def __init__(self, rules: Iterable[CustomRule]) -> None:
        self._loaded: list[_Loaded] = []
        names: set[str] = set()
        for rule in rules:
            level, program = load_custom(rule)
            if rule.name in names:
                raise InvalidInput(f"custom rule {rule.name}: the name is there twice")
            names.add(rule.name)
            self._loaded.append(_Loaded(rule, level, program, 1 if program.groups else 0))
        if len(self._loaded) > RULES_MAX:
            raise InvalidInput(f"custom rules: over {RULES_MAX}")

    def find(self, view: View, seen: Seen) -> None:
        """Add what stands in a view to what has been seen."""
        for one in self._loaded:
            self._run(one, view, seen)

    @staticmethod
    def _run(one: _Loaded, view: View, seen: Seen) -> None:
        for count, match in enumerate(one.program.finditer(view.text)):
            start, end = match.span(one.group)
            if start < 0 or start == end:
                continue
            full = count >= CANDIDATES_MAX
            first, last = view.span(start, len(view.text) if full else end)
            seen.findings.append(
                Finding(
                    kind=one.rule.name,
                    start=first,
                    end=last,
                    level=one.level,
                    confidence=one.rule.confidence,
                    rule=f"custom.{one.rule.name}",
                    validator=UNCHECKED if full else "",
                )
            )
            if full:
                seen.weak.append(
                    f"custom.{one.rule.name}: only {CANDIDATES_MAX} matches told apart"
                )
                return
