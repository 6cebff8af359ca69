"""The injection detector: weighted evidence over a text and its views.

Rules
- It is a signal. What it does not see is not thereby harmless: a plain request
  without any words of override looks like data, and is left to the gate.
- Evidence combines as independent doubts do: 1 - (1 - w1)(1 - w2)…, each rule
  counted once with its heaviest match.
- What is quoted or reported in a text about attacks is a mention and weighs little;
  several mentions weigh no more than the heaviest.
- Decoding goes a few steps deep; what is wrapped deeper is evidence for itself.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ahocorasick_rs import BytesAhoCorasick, Implementation

from holdfast.adapters.detectors.canonical import Canonical, canonical
from holdfast.adapters.detectors.hidden import hidden_text
from holdfast.adapters.detectors.injection_languages import LANGUAGES
from holdfast.adapters.detectors.injection_rules import ENCODING, ENGLISH, Rule, source_of
from holdfast.adapters.detectors.spans import Encoded, Linear
from holdfast.adapters.detectors.views import (
    ROT13,
    View,
    decoded_views,
    reversed_view,
    rewritten_views,
    rot13_view,
)
from holdfast.core.findings import CLEAN, Evidence, Signal, Threat

SUSPICIOUS = 0.4
BLOCKED = 0.8
DEPTH_MAX = 4
CHARS_EXTRA = 65_536
MATCHES_MAX = 8
MENTION_WEIGHT = 0.3
SURE = 0.995
RULES: tuple[Rule, ...] = ENGLISH + LANGUAGES

_TO_BLANKS = bytes(code if code > 0x7E or chr(code).isalnum() else 0x20 for code in range(0x100))
TRIGGER_CHARS_MIN = 5

_NEGATED = re.compile(
    r"(?:n't|\bnot|\bnever|\bcannot|\bwithout|\bdont)[\s\W]{1,3}(?:ever |just |simply )?$"
)
_ABOUT = re.compile(
    r"inject|jailbreak|attack|adversar|malicious|red[ -]team|vulnerab|owasp|phrase|such as"
    r"|for example|e\.g\.|exploit|detector|detects|classif|filters? look|tokenizer|\btokens?\b"
    r"|guardrail|payload|mitigat|the words|regex|pattern"
)
_QUOTED_BEFORE = re.compile(r"[\"'`(>][^\"'`\n]{0,40}$")
_QUOTED_AFTER = re.compile(r"[^\"'`\n]{0,60}[\"'`)<]")
_REPORTED = re.compile(
    r"\b(?:to|that|may|might|would|who|which|attackers?|users?|models?|it)"
    r"[\s\W]{1,3}(?:simply |just |then )?$"
)
_ADDRESSED = re.compile(
    r"\b(?:you|i want|please|must|need|have|should|ordered|required|asked)\b[^.!?\n]{0,16}$"
)
CONTEXT_CHARS = 200


@dataclass(frozen=True, slots=True)
class _Node:
    """A text on its way: how it was reached, and how to get back."""

    text: str
    path: tuple[str, ...]
    steps: tuple[tuple[View, Canonical], ...]

    def is_new(self, view: View, base: Canonical) -> bool:
        """Say whether a view decodes anything that the node before does not show too."""
        # Codes for single characters were all decoded on the step before: these are new.
        if not self.steps or view.pieces is None or view.name == "codes":
            return True
        before = self.steps[-1][0]
        return any(
            before.origin(*base.origin(start, end))[2]
            for _, start, end, code in view.pieces()
            if code
        )


@dataclass(frozen=True, slots=True)
class _Engine:
    """The rules compiled for one manner of writing, with the words that call for them."""

    keys: BytesAhoCorasick
    wanted: tuple[tuple[int, ...], ...]
    marked: tuple[tuple[str, tuple[int, ...]], ...]
    patterns: tuple[Linear, ...]
    turned: tuple[str, ...]


class RuleInjectionDetector:
    """Finds instructions in data by rules; see the module for what it promises.

    Args:
        rules: what to look for; the built-in ones if left out.
        suspicious, blocked: the scores from which a text is called so.
    """

    name = "rules"

    def __init__(
        self,
        rules: Sequence[Rule] = RULES,
        *,
        suspicious: float = SUSPICIOUS,
        blocked: float = BLOCKED,
    ) -> None:
        assert 0 < suspicious <= blocked <= 1
        self._rules = tuple(rules)
        self._suspicious = suspicious
        self._blocked = blocked
        self._plain = _engine(self._rules, squeezed=False)
        self._squeezed = _engine(self._rules, squeezed=True)

    def scan(self, text: str, canaries: Sequence[str] = ()) -> Signal:
        """Weigh the evidence in a text, plain and decoded.

        Args:
            canaries: marks that must not turn up; empty ones are passed over.
        """
        marks = _canary_forms(canaries)
        found = list(hidden_text(text))
        waiting = [_Node(text, (), ())]
        budget = len(text) * 6 + CHARS_EXTRA
        while waiting:
            node = waiting.pop()
            budget -= len(node.text)
            if budget < 0:
                found.append(_too_much("codes.too_much", len(text)))
                break
            waiting += self._look(node, marks, found)
        return self._signal(found)

    def _look(
        self, node: _Node, marks: Sequence[tuple[str, str]], found: list[Evidence]
    ) -> list[_Node]:
        """Search one text; return the texts that are read out of it."""
        kept = canonical(node.text, fold_case=False)
        low = kept.lower()
        words = Encoded(low.text)
        squeezed = bool(node.steps) and node.steps[-1][0].squeezed
        engine = self._squeezed if squeezed else self._plain
        places = _Places(node, low)
        hits, turned = _hits(engine, words)
        for index in hits:
            evidence = self._judge(engine, index, words, places)
            if evidence is not None:
                found.append(evidence)
                if _combined(found) > SURE:
                    break
        found += places.canaries(marks, kept)
        views = _turned_views(kept, turned)
        if not node.path or node.path[-1] not in _REWRITTEN:
            decoded = [
                view for view in decoded_views(Encoded(kept.text)) if node.is_new(view, kept)
            ]
            if decoded and len(node.path) >= DEPTH_MAX:
                found.append(places.whole(ENCODING, "codes.too_deep", 0.5))
                return []
            views += [(view, kept) for view in decoded]
            views += [(view, low) for view in rewritten_views(words)]
        return [
            _Node(view.text, (*node.path, view.name), (*node.steps, (view, base)))
            for view, base in views
            if view.name not in _REWRITTEN or view.name not in node.path
        ]

    def _judge(
        self, engine: _Engine, index: int, words: Encoded, places: _Places
    ) -> Evidence | None:
        """Return the heaviest match of a rule, or None."""
        rule = self._rules[index]
        best: Evidence | None = None
        for start, end in engine.patterns[index].spans(words, MATCHES_MAX):
            before = words.text[max(0, start - CONTEXT_CHARS) : start]
            if rule.negatable and _NEGATED.search(before[-24:]):
                continue
            mention = rule.mentionable and _mentioned(before, words.text, start, end)
            weight = min(rule.weight, MENTION_WEIGHT) if mention else rule.weight
            if best is not None and best.weight >= weight:
                continue
            name = f"{rule.id}:mentioned" if mention else rule.id
            best = places.evidence(rule.category, name, weight, (start, end)) or best
            if best is not None and best.weight >= rule.weight:
                break
        return best

    def _signal(self, found: list[Evidence]) -> Signal:
        if not found:
            return CLEAN
        best: dict[str, Evidence] = {}
        for one in found:
            if one.rule not in best or best[one.rule].weight < one.weight:
                best[one.rule] = one
        plain = _combined(one for one in best.values() if not one.view)
        score = _combined(best.values())
        evidence = sorted(best.values(), key=lambda one: (one.start, -one.weight, one.rule))
        if score >= self._blocked > plain:
            evidence = [_as_trick(one) for one in evidence]
        threat = Threat.CLEAN
        if score >= self._suspicious:
            threat = Threat.BLOCKED if score >= self._blocked else Threat.SUSPICIOUS
        return Signal(threat=threat, score=round(score, 4), evidence=tuple(evidence))


class _Places:
    """Turns places of a text on its way into evidence at places of the original."""

    __slots__ = ("_low", "_node")

    def __init__(self, node: _Node, low: Canonical) -> None:
        self._node = node
        self._low = low

    def evidence(
        self, category: str, rule: str, weight: float, span: tuple[int, int]
    ) -> Evidence | None:
        """Return evidence, or None if the stretch was only copied into the view."""
        start, end = self._low.origin(*span)
        codes: list[str] = []
        for view, base in reversed(self._node.steps):
            start, end, code = view.origin(start, end)
            if code:
                codes.append(code)
            elif not codes:
                return None
            start, end = base.origin(start, end)
        view_name = ">".join(reversed(codes))
        return Evidence(
            category=category, rule=rule, weight=weight, start=start, end=end, view=view_name
        )

    def whole(self, category: str, rule: str, weight: float) -> Evidence:
        """Return evidence for all of the text, whatever part of it is only copied."""
        span = (0, len(self._low.text))
        found = self.evidence(category, rule, weight, span)
        assert found is not None, "a view decodes something"
        return found

    def canaries(self, marks: Sequence[tuple[str, str]], kept: Canonical) -> list[Evidence]:
        """Find the canaries: `(form, view)` as of `_canary_forms`."""
        found = []
        for form, code in marks:
            exact = code == "base64"
            text = kept.text if exact else self._low.text
            base = kept if exact else self._low
            squashed = None
            at = text.find(form)
            if at < 0 and code == "spaced":
                squashed, at = _squash_find(text, form)
            if at < 0:
                continue
            span = squashed or (at, at + len(form))
            one = _Places(self._node, base).evidence("canary", "canary", 1.0, span)
            if one is not None:
                path = ">".join(
                    filter(None, (one.view, "" if squashed is None and code == "spaced" else code))
                )
                found.append(replace(one, view=path))
        return found


def _squash_find(text: str, form: str) -> tuple[tuple[int, int] | None, int]:
    """Find letters and digits with anything between that is neither."""
    places = [place for place, one in enumerate(text) if one.isalnum()]
    at = "".join(text[place] for place in places).find(form)
    if at < 0:
        return None, -1
    return (places[at], places[at + len(form) - 1] + 1), at


CANARY_SQUASHED_MIN = 8


def _canary_forms(canaries: Sequence[str]) -> list[tuple[str, str]]:
    """Return the forms in which a canary is looked for, each with its view's name."""
    forms: list[tuple[str, str]] = []
    for canary in canaries:
        plain = canonical(canary).text.strip()
        if not plain:
            continue
        forms += [(plain, ""), (plain.translate(ROT13), "rot13"), (plain[::-1], "reversed")]
        squashed = "".join(one for one in plain if one.isalnum())
        if len(squashed) >= CANARY_SQUASHED_MIN:
            forms.append((squashed, "spaced"))
        data = canary.encode(errors="replace")
        forms.append((data.hex(), "hex"))
        for shift in range(3):
            # What neighbours have no say in: whole groups of the canary's own bits.
            code = base64.b64encode(bytes(shift) + data).decode()
            core = code[math.ceil(shift * 8 / 6) : (shift + len(data)) * 8 // 6]
            if len(core) >= 6:
                forms += [(core, "base64"), (core.replace("+", "-").replace("/", "_"), "base64")]
    return list(dict.fromkeys(forms))


def _mentioned(before: str, text: str, start: int, end: int) -> bool:
    """Say whether a match is spoken about rather than spoken."""
    after = text[end : end + CONTEXT_CHARS]
    if not _ABOUT.search(before) and not _ABOUT.search(after):
        return False
    if _QUOTED_BEFORE.search(before) and _QUOTED_AFTER.match(after):
        return True
    return bool(_REPORTED.search(before)) and not _ADDRESSED.search(before)


def _as_trick(one: Evidence) -> Evidence:
    """Put evidence of a view among the tricks; a canary stays one, however it was written."""
    return replace(one, category=ENCODING) if one.view and one.category != "canary" else one


def _combined(evidence: Iterable[Evidence]) -> float:
    doubt = 1.0
    mentioned = 0.0
    for one in evidence:
        if one.rule.endswith(":mentioned"):
            mentioned = max(mentioned, one.weight)
        else:
            doubt *= 1 - one.weight
    return 1 - doubt * (1 - mentioned)


def _too_much(rule: str, length: int) -> Evidence:
    return Evidence(category=ENCODING, rule=rule, weight=0.5, start=0, end=length, view="codes")


# Letters that stand for letters: what is read so is not decoded further.
_REWRITTEN = ("rot13", "reversed", "leet", "spaced")


def _turned_views(kept: Canonical, turned: set[str]) -> list[tuple[View, Canonical]]:
    views: list[tuple[View, Canonical]] = []
    if "rot13" in turned:
        views.append((rot13_view(kept.text), kept))
    if "reversed" in turned:
        views.append((reversed_view(kept.text), kept))
    return views


# --- which rules to try ------------------------------------------------------------------


def _folded_key(key: str, squeezed: bool) -> str:
    plain = canonical(key).text
    return plain.replace(" ", "") if squeezed else plain


def _engine(rules: Sequence[Rule], *, squeezed: bool) -> _Engine:
    wanted: dict[str, list[int]] = {}
    marked: dict[str, list[int]] = {}
    for index, rule in enumerate(rules):
        assert rule.keys, f"{rule.id} has no keys"
        for key in rule.keys:
            folded = _folded_key(key, squeezed)
            has_marks = any(not (one.isalnum() or one == " ") for one in folded)
            (marked if has_marks else wanted).setdefault(folded, []).append(index)
    keys = list(wanted)
    turned = {} if squeezed else _turned_keys(keys)
    patterns = keys + list(turned)
    return _Engine(
        keys=BytesAhoCorasick(
            [key.encode() for key in patterns], implementation=Implementation.DFA
        ),
        wanted=tuple(tuple(wanted[key]) for key in keys),
        marked=tuple((key, tuple(indexes)) for key, indexes in marked.items()),
        patterns=tuple(Linear(source_of(rule.pattern, squeezed)) for rule in rules),
        turned=tuple(turned.values()),
    )


def _turned_keys(keys: Iterable[str]) -> dict[str, str]:
    """Return the keys as they stand in rot13 and backwards, with the view's name."""
    found: dict[str, str] = {}
    for key in keys:
        longest = max(key.split(), key=len)
        if len(longest) >= TRIGGER_CHARS_MIN or not longest.isascii():
            found[longest[::-1]] = "reversed"
            if longest.isascii():
                found[longest.translate(ROT13)] = "rot13"
                found[longest[::-1].translate(ROT13)] = "rot13"
    return {key: name for key, name in found.items() if key not in set(keys)}


def _hits(engine: _Engine, text: Encoded) -> tuple[list[int], set[str]]:
    """Return the rules whose keys occur, in their order, and the views that are called for."""
    words = b" ".join(text.data.translate(_TO_BLANKS).split())
    count = len(engine.wanted)
    seen = {found[0] for found in engine.keys.find_matches_as_indexes(words, overlapping=True)}
    rules = {index for key in seen if key < count for index in engine.wanted[key]}
    for key, indexes in engine.marked:
        if key in text.text:
            rules.update(indexes)
    return sorted(rules), {engine.turned[key - count] for key in seen if key >= count}
