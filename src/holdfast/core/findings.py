"""Findings: what detectors saw in a text. Evidence, never a decision.

Places are counted in characters of the text as it was given, so that a caller can
cut just there. Detectors run in the shell; the core sees what they found.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from holdfast.core.labels import Sensitivity


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A value in a text that is more than ordinary (seed A8).

    Args:
        kind: what it is, as "email" or "credit_card".
        start, end: its place in the original text; of a password in prose, the value alone.
        level: how secret such a value is.
        confidence: from 0.0 to 1.0.
        rule: the id of the rule that found it.
        validator: what confirmed it, as "luhn", or "".
        view: how it was hidden, as "base64", or "" if it stands there in plain.
    """

    kind: str
    start: int
    end: int
    level: Sensitivity
    confidence: float = 1.0
    rule: str = ""
    validator: str = ""
    view: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """All that was found in one text.

    Args:
        level: the highest of all raw matches, taken before any merging.
        findings: in order of their start; they may overlap.
        weak: why less was looked for than could be, as "pii: the extra is not
            installed" or "presidio: timed out".
    """

    level: Sensitivity = Sensitivity.NORMAL
    findings: tuple[Finding, ...] = ()
    weak: tuple[str, ...] = ()


class Threat(StrEnum):
    """What a text looks like: a signal that raises risk, never the barrier."""

    CLEAN = "clean"
    SUSPICIOUS = "suspicious"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One reason to take a text for an injected instruction.

    Args:
        category: "role_override", "data_extraction", "delimiter_injection",
            "encoding_trick", "safety_bypass", "canary" or "hidden_text".
        rule: the id of the rule.
        weight: from 0.0 to 1.0.
        start, end: its place in the original text; of something encoded, of the code.
        view: the views it was read through, as "base64" or "base64>rot13", or "".
    """

    category: str
    rule: str
    weight: float
    start: int
    end: int
    view: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """What an injection detector makes of one text.

    Args:
        score: the combined weight of the evidence, from 0.0 to 1.0.
    """

    threat: Threat = Threat.CLEAN
    score: float = 0.0
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaintMatch:
    """A registered value that stands in a text, plain or encoded.

    Args:
        id: keyed fingerprint of the value, hex; never the value.
        kind, level: as it was registered.
        start, end: the place of the whole occurrence in the original text.
        view: the encodings it was read through, as "base64", or "".
    """

    id: str
    kind: str
    level: Sensitivity
    start: int
    end: int
    view: str = ""


CLEAN = Signal()
NOTHING = Classification()
