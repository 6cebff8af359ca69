"""Presidio as a slow classifier, with a working twin of its analyzer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

import pytest

from holdfast.adapters.detectors.presidio import PresidioClassifier
from holdfast.core.errors import InvalidInput, MissingExtra
from holdfast.core.labels import Sensitivity
from holdfast.ports.detector import SlowClassifier


@dataclass(frozen=True)
class Result:
    """What presidio's results have."""

    entity_type: str
    start: int
    end: int
    score: float


class Analyzer:
    """Finds what it was told to."""

    def __init__(self, *results: Result) -> None:
        self.results = results
        self.thread = 0

    def analyze(self, *, text: str, language: str) -> Sequence[Result]:
        """Give the results and remember the thread."""
        assert ("some text", "de") == (text, language)
        self.thread = threading.get_ident()
        return self.results


def test_results_become_findings() -> None:
    """By our kinds and levels, in order, without those that are not sure."""
    analyzer = Analyzer(
        Result("US_SSN", 5, 9, 0.85), Result("PERSON", 0, 4, 0.6), Result("NEW_ONE", 0, 9, 0.5),
        Result("PHONE_NUMBER", 0, 4, 0.1),
    )  # fmt: skip
    classifier = PresidioClassifier(analyzer, language="de")
    found = asyncio.run(classifier.classify_slowly("some text"))
    assert Sensitivity.HIGHLY_SENSITIVE == found.level
    assert [
        ("new_one", "presidio.NEW_ONE", Sensitivity.HIGHLY_SENSITIVE),
        ("person", "presidio.PERSON", Sensitivity.SENSITIVE),
        ("ssn", "presidio.US_SSN", Sensitivity.HIGHLY_SENSITIVE),
    ] == [(one.kind, one.rule, one.level) for one in found.findings]
    assert threading.get_ident() != analyzer.thread
    assert isinstance(classifier, SlowClassifier)


def test_nothing_found_is_ordinary() -> None:
    """And no finding."""
    found = asyncio.run(PresidioClassifier(Analyzer(), language="de").classify_slowly("some text"))
    assert (Sensitivity.NORMAL, ()) == (found.level, found.findings)


@pytest.mark.skipif(find_spec("presidio_analyzer") is not None, reason="presidio is installed")
def test_presidio_may_be_missing() -> None:
    """Then it says what to install."""
    with pytest.raises(MissingExtra, match="presidio"):
        PresidioClassifier()


@pytest.mark.skipif(find_spec("presidio_analyzer") is None, reason="presidio is not installed")
def test_presidio_itself() -> None:
    """Its recognisers of patterns, with a language engine that only splits words."""
    presidio = import_module("presidio_analyzer")
    nlp = import_module("presidio_analyzer.nlp_engine")
    spacy = import_module("spacy")

    class Blank(nlp.SpacyNlpEngine):  # type: ignore[name-defined,misc]  # it may not be there
        def load(self) -> None:
            """Nothing is loaded."""

    engine = Blank(models=[{"lang_code": "en", "model_name": "blank"}])
    engine.nlp = {"en": spacy.blank("en")}
    registry = presidio.RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    classifier = PresidioClassifier(
        presidio.AnalyzerEngine(nlp_engine=engine, registry=registry, supported_languages=["en"])
    )
    assert {"email", "credit_card", "iban"} <= (classifier.kinds or frozenset())
    found = asyncio.run(classifier.classify_slowly("Write to ada@example.org."))
    assert ("email", 9, 24) in [(one.kind, one.start, one.end) for one in found.findings]
    with pytest.raises(InvalidInput, match="en_core_web_lg"):
        PresidioClassifier()
