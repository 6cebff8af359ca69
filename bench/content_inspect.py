"""What inspecting costs a session: a whole message, with registered values beside it.

A message of 2 KB passes the classifier, the injection detector and the taint matcher,
as it does before it is decided on. `clean` is ordinary prose, `dense` is full of
personal data. The cost is to be flat in the number of registered values.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from pathlib import Path

from common import pick, report

from holdfast.bootstrap import default_detectors
from holdfast.core.labels import Sensitivity
from holdfast.core.security import Security
from holdfast.ports.taints import Taint

PROSE = (
    "The meeting moved to the large room because the projector there works again. "
    "Please bring the notes from last week, and tell the others that lunch is included. "
)
PERSON = (
    "Write to ada.lovelace{n}@example.org or call +44 20 7946 0{n:03d}. Her card is "
    "4111 1111 1111 1111, her account GB29 NWBK 6016 1331 9268 19. "
)
SIZE = 2_048
DATA = Path(__file__).parents[2] / "shared" / "data" / "pii" / "synth_dev.jsonl"
WARM = 20


def clean() -> str:
    """Ordinary prose."""
    return (PROSE * (SIZE // len(PROSE) + 1))[:SIZE]


def dense() -> str:
    """Sentences full of personal data: those of the PII set, or our own without it."""
    if DATA.exists():
        rows = DATA.read_text("utf-8").splitlines()[:60]
        return "\n".join(json.loads(row)["text"] for row in rows)[:SIZE]
    return "".join(PERSON.format(n=number) for number in range(40))[:SIZE]


def taints(count: int) -> list[Taint]:
    """Registered values."""
    return [
        Taint(
            id=f"{number:032x}",
            kind="api_key",
            level=Sensitivity.CRITICAL,
            value=bytearray(f"key-{number:06d}-{number * 7919 % 1_000_003:07d}-zq".encode()),
        )
        for number in range(count)
    ]


async def cost_ms(text: str, count: int, runs: int) -> float:
    """The median of a whole inspection, in milliseconds."""
    detectors = default_detectors()
    classifier = detectors.classifier(Security())
    session = f"s{count}"
    try:
        await detectors.taints.load(session, taints(count))
        spent = []
        for number in range(runs + WARM):
            started = time.perf_counter()
            classifier.classify(text)
            detectors.injection.scan(text)
            await detectors.taints.scan(session, text)
            if number >= WARM:
                spent.append(time.perf_counter() - started)
    finally:
        await detectors.taints.aclose()
    return statistics.median(spent) * 1000


async def work() -> None:
    """Take all figures."""
    runs = pick(1_000, 200)
    for name, text, bar in (("clean", clean(), 2.0), ("dense", dense(), 4.0)):
        found = await cost_ms(text, 1_000, runs)
        report(
            f"inspection of a {name} 2 KB message, 1,000 taints, p50",
            round(found, 3),
            "ms",
            bar=f"<= {bar:g}",
            ok=found <= bar,
        )
    few, many = await cost_ms(clean(), 10, runs), await cost_ms(clean(), 10_000, runs)
    ratio = many / few
    report(
        "inspection with 10,000 taints over 10",
        round(ratio, 2),
        "ratio",
        bar="<= 1.5",
        ok=ratio <= 1.5,
        against=f"{few:.3f} ms",
    )


if __name__ == "__main__":
    asyncio.run(work())
