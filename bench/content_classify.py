"""The default classifier: what it finds, what it takes wrongly for a finding, how long it takes.

- Personal data: precision, recall and F1 by entity, on the development half of a
  synthetic set; a prediction counts if the kind agrees and the spans overlap. The
  rules were written with this half at hand: an upper bound, not a held-out figure.
- The same by Presidio's pattern recognisers in an environment of its own
  (PRESIDIO_VENV), with a blank language model; see `peers/presidio_peer.py`.
- Secrets: recall by provider on samples of `secret_samples`, which shares nothing
  with the rules; half of the providers are held out from tuning. One hand wrote both,
  from general knowledge: the figure says that forms are met, not that all are known.
- False positives: findings of secrets in benign prose and in code. The rules were
  changed with those marked "dev" at hand; the packages of the stdlib were not looked at.
- Time: 2 KB of clean prose, of prose and of personal data.

Environment: CONTENT_DATA: where the data is; default `../shared/data`.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from common import pick, report
from secret_samples import samples

from holdfast.adapters.detectors.fast import FastClassifier
from holdfast.core.labels import Sensitivity

HERE = Path(__file__).parent
DATA = Path(os.environ.get("CONTENT_DATA", HERE.parent.parent / "shared" / "data"))
SECRET_KINDS = frozenset(
    {"api_key", "jwt", "secret", "password", "connection_string", "private_key"}
)
ENTITIES = {
    "CREDIT_CARD": ("credit_card", 0.95),
    "IBAN_CODE": ("iban", 0.95),
    "US_SSN": ("ssn", 0.95),
    "EMAIL_ADDRESS": ("email", 0.95),
    "IP_ADDRESS": ("ip_address", 0.95),
    "DOMAIN_NAME": ("url", 0.95),
    "PHONE_NUMBER": ("phone", 0.75),
}
CHUNK = 2048
CLEAN = (
    "The quick brown fox jumps over the lazy dog. We met in the afternoon and talked about "
    "the weather, the garden and the long walk home. "
)

Span = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Score:
    """Precision, recall and F1 over `count` true spans."""

    precision: float
    recall: float
    f1: float
    count: int


def rows(path: Path) -> list[dict[str, object]]:
    """The rows of a JSON lines file."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def score(truth: Sequence[Sequence[Span]], found: Sequence[Sequence[Span]], kind: str) -> Score:
    """Compare spans of one kind; they agree if they overlap."""
    told = hit = known = recalled = 0
    for true, seen in zip(truth, found, strict=True):
        ours = [one for one in seen if one[0] == kind]
        theirs = [one for one in true if one[0] == kind]
        told += len(ours)
        known += len(theirs)
        hit += sum(any(_overlap(one, other) for other in theirs) for one in ours)
        recalled += sum(any(_overlap(one, other) for other in ours) for one in theirs)
    precision = hit / told if told else 1.0
    recall = recalled / known if known else 1.0
    both = precision + recall
    return Score(precision, recall, 2 * precision * recall / both if both else 0.0, known)


def _overlap(one: Span, other: Span) -> bool:
    return one[1] < other[2] and other[1] < one[2]


def merged(spans: Iterable[Span]) -> list[Span]:
    """Join spans of one kind that overlap: two rules that see one value see one value."""
    joined: list[Span] = []
    for kind, start, end in sorted(spans):
        if joined and joined[-1][0] == kind and start < joined[-1][2]:
            joined[-1] = (kind, joined[-1][1], max(end, joined[-1][2]))
        else:
            joined.append((kind, start, end))
    return joined


def spans_of(classifier: FastClassifier, text: str) -> list[Span]:
    """What the classifier finds in a text, overlaps of one kind joined."""
    found = classifier.classify(text).findings
    return merged((one.kind, one.start, one.end) for one in found)


# --- personal data ----------------------------------------------------------------


def truth_of(data: Sequence[dict[str, object]]) -> list[list[Span]]:
    """The true spans of the entities that patterns can decide, by our names."""
    found = []
    for row in data:
        spans = row["spans"]
        assert isinstance(spans, list), "a row has a list of spans"
        found.append(
            [
                (ENTITIES[one["type"]][0], one["start"], one["end"])
                for one in spans
                if one["type"] in ENTITIES
            ]
        )
    return found


def personal(classifier: FastClassifier) -> None:
    """Measure personal data, by us and by Presidio."""
    path = DATA / "pii" / "synth_dev.jsonl"
    if not path.exists():
        report("pii: development set", None, "F1", note=f"{path.name} is not there")
        return
    data = rows(path)
    truth = truth_of(data)
    texts = [str(row["text"]) for row in data]
    ours = [spans_of(classifier, text) for text in texts]
    peer, why = presidio(texts)
    for kind, least in ENTITIES.values():
        got = score(truth, ours, kind)
        if not got.count:
            report(f"pii {kind} F1", None, "F1", note="none in this half of the set")
            continue
        report(
            f"pii {kind} F1", got.f1, "F1", at_least=least,
            against=f"n={got.count}, precision {got.precision:.3f}, recall {got.recall:.3f}; dev",
        )  # fmt: skip
        if peer is None:
            report(f"pii {kind} F1 over Presidio's", None, "F1", note=why)
            continue
        theirs = score(truth, [merged(spans) for spans in peer.spans], kind)
        report(
            f"pii {kind} F1 over Presidio's", got.f1 - theirs.f1, "F1", at_least=0.0,
            against=f"Presidio {theirs.f1:.3f} (precision {theirs.precision:.3f},"
            f" recall {theirs.recall:.3f})",
        )  # fmt: skip
    _against_speed(classifier, texts, peer, why)


@dataclass(frozen=True, slots=True)
class Peer:
    """What Presidio found in each text, and its time for 2 KB."""

    spans: list[list[Span]]
    chunk_ms: float
    version: str


def presidio(texts: Sequence[str]) -> tuple[Peer | None, str]:
    """Run Presidio over the texts in its own environment."""
    python = Path(os.environ.get("PRESIDIO_VENV", ".presidio-venv")) / "bin" / "python"
    if not python.exists():
        return None, "no environment with presidio-analyzer (PRESIDIO_VENV)"
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory) / "texts.json"
        source.write_text(json.dumps({"texts": list(texts), "chunk": CHUNK}))
        command = [str(python), "-W", "ignore", str(HERE / "peers" / "presidio_peer.py"), source]
        done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    for line in done.stdout.splitlines():
        if line.startswith("PEER "):
            answer = json.loads(line.removeprefix("PEER "))
            names = {name: ours for name, (ours, _) in ENTITIES.items()} | {"URL": "url"}
            spans = [
                [(names[kind], start, end) for kind, start, end in one if kind in names]
                for one in answer["spans"]
            ]
            return Peer(spans, answer["chunk_ms"], answer["version"]), ""
    return None, f"exit {done.returncode}: {done.stderr.strip().splitlines()[-1:]}"


def _against_speed(
    classifier: FastClassifier, texts: Sequence[str], peer: Peer | None, why: str
) -> None:
    if peer is None:
        report("pii speed over Presidio's", None, "x", note=why)
        return
    ours = quantile(times_ms(classifier, chunks(texts)), 0.5)
    report(
        "pii speed over Presidio's", peer.chunk_ms / ours, "x", at_least=20,
        against=f"presidio-analyzer {peer.version}, all its pattern recognisers,"
        f" blank spaCy: {peer.chunk_ms:.1f} ms for 2 KB",
    )  # fmt: skip


# --- secrets ----------------------------------------------------------------------


def secrets(classifier: FastClassifier) -> None:
    """Measure the recall of providers' keys."""
    found = {False: [0, 0], True: [0, 0]}
    providers: dict[bool, set[str]] = {False: set(), True: set()}
    whole: dict[bool, set[str]] = {False: set(), True: set()}
    for one in samples(pick(4, 2)):
        seen = classifier.classify(one.text).findings
        caught = any(
            kind.kind in SECRET_KINDS and kind.start <= one.start and kind.end >= one.end
            for kind in seen
        )
        found[one.held_out][0] += caught
        found[one.held_out][1] += 1
        providers[one.held_out].add(one.provider)
        if caught:
            whole[one.held_out].add(one.provider)
    for held_out, (hits, count) in found.items():
        what = "held out" if held_out else "tuned on"
        report(
            f"secrets recall, {what}", hits / count, "", at_least=0.90,
            against=f"{count} samples of {len(providers[held_out])} providers;"
            f" {len(whole[held_out])} found at least once",
        )  # fmt: skip


def wrong(classifier: FastClassifier) -> None:
    """Measure secrets that are none, in prose and in code."""
    path = DATA / "injection" / "wildguard_benign971.jsonl"
    prose = [str(row["text"]) for row in rows(path)] if path.exists() else []
    sets = (
        ("benign prose (dev)", prose),
        ("modules of the stdlib, by 20 lines (dev)", code("*.py")),
        ("packages of the stdlib, by 20 lines", code("[a-z]*/*.py")),
    )
    for name, texts in sets:
        if not texts:
            report(f"secrets false positives, {name}", None, "", note="the texts are not there")
            continue
        flagged = sum(
            any(one.kind in SECRET_KINDS for one in classifier.classify(text).findings)
            for text in texts
        )
        report(
            f"secrets false positives, {name}", flagged / len(texts), "", at_most=0.01,
            against=f"{flagged} of {len(texts)} texts",
        )  # fmt: skip
    if prose:
        high = sum(
            classifier.classify(text).level >= Sensitivity.HIGHLY_SENSITIVE for text in prose
        )
        report(
            "level over Sensitive in benign prose", high / len(prose), "",
            against=f"{high} of {len(prose)} texts",
        )  # fmt: skip


def code(pattern: str) -> list[str]:
    """Files of the standard library, cut into pieces of 20 lines."""
    found = []
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob(pattern))[:: pick(1, 8)]:
        lines = path.read_text("utf-8", "replace").splitlines()
        found += ["\n".join(lines[at : at + 20]) for at in range(0, len(lines), 20)]
    return found


# --- time -------------------------------------------------------------------------


def chunks(texts: Sequence[str]) -> list[str]:
    """Texts joined and cut into 2 KB."""
    joined = "\n".join(texts)
    return [joined[at : at + CHUNK] for at in range(0, len(joined) - CHUNK, CHUNK)]


def times_ms(classifier: FastClassifier, texts: Sequence[str]) -> list[float]:
    """How long each text takes, once everything is warm."""
    classify: Callable[[str], object] = classifier.classify
    for text in texts:
        classify(text)
    found = []
    for _ in range(pick(20, 3)):
        for text in texts:
            started = time.perf_counter()
            classify(text)
            found.append((time.perf_counter() - started) * 1e3)
    return found


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def speed(classifier: FastClassifier) -> None:
    """Measure the time for 2 KB."""
    clean = times_ms(classifier, [(CLEAN * 40)[:CHUNK]] * 50)
    report("2 KB clean p50", quantile(clean, 0.5), "ms", at_most=0.15)
    path = DATA / "injection" / "wildguard_benign971.jsonl"
    if path.exists():
        prose = chunks([str(row["text"]) for row in rows(path)])[: pick(200, 40)]
        report("2 KB benign prose p50", quantile(times_ms(classifier, prose), 0.5), "ms")
    path = DATA / "pii" / "synth_dev.jsonl"
    if path.exists():
        dense = times_ms(classifier, chunks([str(row["text"]) for row in rows(path)]))
        report("2 KB dense p50", quantile(dense, 0.5), "ms", at_most=1.0)
        report("2 KB dense p99", quantile(dense, 0.99), "ms")


def main() -> None:
    """Take all figures."""
    print(f"python {platform.python_version()}", flush=True)
    classifier = FastClassifier()
    personal(classifier)
    secrets(classifier)
    wrong(classifier)
    speed(classifier)


if __name__ == "__main__":
    main()
