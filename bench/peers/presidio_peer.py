"""Presidio's pattern recognisers over texts, with a blank spaCy model; run by content_classify."""

from __future__ import annotations

import json
import logging
import statistics
import sys
import time
from importlib.metadata import version
from pathlib import Path

import spacy
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer.nlp_engine import SpacyNlpEngine


class BlankEngine(SpacyNlpEngine):
    """A language engine that splits words and knows nothing else."""

    def __init__(self) -> None:
        super().__init__(models=[{"lang_code": "en", "model_name": "blank"}])
        self.nlp = {"en": spacy.blank("en")}

    def load(self) -> None:
        """Nothing is loaded."""


def main() -> None:
    """Print what was found in each text and how long 2 KB take."""
    logging.disable(logging.CRITICAL)
    task = json.loads(Path(sys.argv[1]).read_text())
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    engine = AnalyzerEngine(nlp_engine=BlankEngine(), registry=registry, supported_languages=["en"])
    spans = [
        [[one.entity_type, one.start, one.end] for one in engine.analyze(text=text, language="en")]
        for text in task["texts"]
    ]
    joined, size = "\n".join(task["texts"]), task["chunk"]
    times = []
    for at in range(0, min(len(joined) - size, 30 * size), size):
        started = time.perf_counter()
        engine.analyze(text=joined[at : at + size], language="en")
        times.append((time.perf_counter() - started) * 1e3)
    answer = {
        "spans": spans,
        "chunk_ms": statistics.median(times),
        "version": version("presidio-analyzer"),
    }
    print("PEER " + json.dumps(answer))


if __name__ == "__main__":
    main()
