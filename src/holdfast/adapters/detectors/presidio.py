"""Presidio as a slow classifier, for operators who have it and a language model for it.

Presidio is no dependency. It works in a thread, so that the event loop stays free;
a thread cannot be stopped, so one that is late works on while its answer is dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol

from holdfast.adapters.detectors.kinds import level_of
from holdfast.core.errors import InvalidInput, MissingExtra
from holdfast.core.findings import Classification, Finding
from holdfast.core.labels import Sensitivity

SCORE_MIN = 0.4
LANGUAGE_MODELS = ("en_core_web_lg",)
"""What presidio's own default analyzer reads English with."""
KINDS: Mapping[str, str] = {
    "CREDIT_CARD": "credit_card",
    "CRYPTO": "crypto_address",
    "DATE_TIME": "date",
    "EMAIL_ADDRESS": "email",
    "IBAN_CODE": "iban",
    "IP_ADDRESS": "ip_address",
    "LOCATION": "place",
    "MAC_ADDRESS": "mac_address",
    "MEDICAL_LICENSE": "provider_id",
    "NRP": "special_category",
    "ORGANIZATION": "organisation",
    "PERSON": "person",
    "PHONE_NUMBER": "phone",
    "URL": "url",
    "US_BANK_NUMBER": "bank_account",
    "US_DRIVER_LICENSE": "driver_licence",
    "US_ITIN": "national_id",
    "US_PASSPORT": "passport",
    "US_SSN": "ssn",
}
_LEVELS: Mapping[str, Sensitivity] = {
    "date": Sensitivity.NORMAL,
    "organisation": Sensitivity.NORMAL,
    "person": Sensitivity.SENSITIVE,
    "place": Sensitivity.NORMAL,
}


class _Result(Protocol):
    @property
    def entity_type(self) -> str: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def score(self) -> float: ...


class Analyzer(Protocol):
    """What is used of presidio's AnalyzerEngine."""

    def analyze(self, *, text: str, language: str) -> Sequence[_Result]:
        """Say what stands in a text."""
        ...


class PresidioClassifier:
    """Asks presidio.

    Args:
        analyzer: an AnalyzerEngine as the operator has set it up; None: presidio's
            own default, which needs a spaCy model that is installed.
        language: of the texts.
        score_min: what is less sure is left out.

    Raises:
        MissingExtra: presidio is not installed.
        InvalidInput: it is, without an analyzer and without its language model.
    """

    name = "presidio"

    def __init__(
        self,
        analyzer: Analyzer | None = None,
        *,
        language: str = "en",
        score_min: float = SCORE_MIN,
    ) -> None:
        self._analyzer = _default_analyzer() if analyzer is None else analyzer
        self._language = language
        self._score_min = score_min

    @property
    def kinds(self) -> frozenset[str] | None:
        """The kinds it may find, as its recognisers say; None if they do not."""
        entities = getattr(self._analyzer, "get_supported_entities", None)
        if entities is None:
            return None
        names = map(str, entities(self._language))
        return frozenset(KINDS.get(name, name.lower()) for name in names)

    async def classify_slowly(self, text: str) -> Classification:
        """Say what presidio sees in a text."""
        results = await asyncio.to_thread(
            self._analyzer.analyze, text=text, language=self._language
        )
        findings = tuple(
            sorted(
                (_finding(one) for one in results if one.score >= self._score_min),
                key=lambda finding: (finding.start, -finding.end),
            )
        )
        level = max((finding.level for finding in findings), default=Sensitivity.NORMAL)
        return Classification(level=max(Sensitivity.NORMAL, level), findings=findings)


def _finding(result: _Result) -> Finding:
    kind = KINDS.get(result.entity_type, result.entity_type.lower())
    return Finding(
        kind=kind,
        start=result.start,
        end=result.end,
        level=_LEVELS.get(kind, level_of(kind)),
        confidence=float(result.score),
        rule=f"presidio.{result.entity_type}",
    )


def _default_analyzer() -> Analyzer:
    try:
        module = import_module("presidio_analyzer")
    except ModuleNotFoundError:
        raise MissingExtra("presidio", "presidio") from None
    # Without its language model presidio fetches one from the network, or ends the process.
    if not any(find_spec(name) is not None for name in LANGUAGE_MODELS):
        raise InvalidInput(
            f"presidio needs a language model of spaCy ({' or '.join(LANGUAGE_MODELS)}) that is "
            "installed, or an analyzer of your own"
        )
    engine: Analyzer = module.AnalyzerEngine()
    return engine
