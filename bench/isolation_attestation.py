"""What verifying real evidence costs, and whether everything that was altered is refused.

The evidence is that of the tests. Each byte of every document, certificate and
collateral has one bit changed; a quick run takes every 41st.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from common import median, pick, report
from evidencekit import DAY_MS, Vector, flipped, refusal, vectors, verify

from holdfast.adapters.attestation.hardware import HardwareVerifier
from holdfast.ports.attestation import Evidence

BAR_MS = 10


def p50_ms(verifier: HardwareVerifier, vector: Vector, times: int) -> float:
    """The median of verifying a vector, in milliseconds."""
    spent = []
    for _ in range(times):
        started = time.perf_counter()
        verify(verifier, vector)
        spent.append((time.perf_counter() - started) * 1e3)
    return median(spent)


def altered(evidence: Evidence, step: int) -> Iterator[Evidence]:
    """The evidence with one bit changed, for each of its bytes or every so many."""
    for _, data in flipped(evidence.document, step):
        yield replace(evidence, document=data)
    for _, data in flipped(evidence.collateral, step):
        yield replace(evidence, collateral=data)
    for place, item in enumerate(evidence.chain):
        for _, data in flipped(item, step):
            chain = (*evidence.chain[:place], data, *evidence.chain[place + 1 :])
            yield replace(evidence, chain=chain)


def others(vector: Vector) -> Iterator[dict[str, object]]:
    """What else has to be refused: another binding, time, measurement, debug, cut short."""
    yield {"binding": b"another channel"}
    yield {"now_ms": vector.now_ms + 40 * 365 * DAY_MS}
    yield {"now_ms": DAY_MS}
    yield {"policy": vector.policy(measurements=frozenset({"00"}))}
    yield {"policy": vector.policy(minimum_tcb=(("nothing", 1),))}
    if vector.debug:
        yield {"policy": vector.policy(allow_debug=False)}
    # A quote may have zeros behind its end; without some of them it is still whole.
    for length in range(0, len(vector.evidence.document.rstrip(b"\0")), 97):
        yield {"evidence": replace(vector.evidence, document=vector.evidence.document[:length])}


def main() -> None:
    """Report the time of each kind, and the share of negatives that is refused."""
    verifier = HardwareVerifier()
    for name, vector in vectors().items():
        if not vector.debug:
            value = p50_ms(verifier, vector, pick(400, 60))
            report(f"attestation {name}: verify p50", value, "ms", at_most=BAR_MS)
    step = pick(1, 41)
    tried = refused = 0
    for vector in vectors().values():
        for evidence in altered(vector.evidence, step):
            tried += 1
            refused += bool(refusal(verifier, vector, evidence=evidence))
        for other in others(vector):
            tried += 1
            refused += bool(refusal(verifier, vector, **other))
    note = f"{tried} negatives"
    share = 100 * refused / tried
    report("attestation: negatives refused", share, "%", at_least=100, against=note)


if __name__ == "__main__":
    main()
