"""What the log has of one run, for who sent its message and reads no log (seed A10).

How the message was classified, whether a model in the enclave was asked, and which of the
run's events are worth an auditor's look; codes and numbers, no content.
"""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.core.auditing import marks_of
from holdfast.core.events import Admitted, EffectStarted
from holdfast.core.findings import Threat
from holdfast.core.labels import Sensitivity
from holdfast.core.view import ENCLAVE
from holdfast.runtime.envelope import GENESIS
from holdfast.runtime.located import Located
from holdfast.runtime.outcomes import outcome_of

EVENTS_MAX = 5_000
AUDIT_IDS_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run, as far as it has come.

    Args:
        level, kinds, threat: what detectors made of the message.
        models, enclave: how many model calls were begun, and how many of them in the
            enclave.
        audit_ids: the events that `audit_bus` tells of, at most `AUDIT_IDS_MAX`, by the
            names that exports of the log use.
    """

    level: Sensitivity = Sensitivity.NORMAL
    kinds: tuple[str, ...] = ()
    threat: Threat = Threat.CLEAN
    models: int = 0
    enclave: int = 0
    audit_ids: tuple[str, ...] = ()


async def record_of(where: Located, command: bytes, until: int | None = None) -> RunRecord:
    """Read what the log has of the run that a message began or joined.

    Args:
        command: the id the message was sent with, 16 bytes.
        until: the last version that is looked at; default: the log's end. Of a longer
            run the first `EVENTS_MAX` events are looked at.

    Raises:
        HoldfastError: the session cannot be read, or it refused the message.
    """
    store, stream = where.backend.store, where.stream
    known = await store.command(stream, command)
    if known is None:
        return RunRecord()
    journal = where.backend.journal(where.row)
    try:
        after = (await outcome_of(journal, command, known[0])).first - 1
        stood = await store.read(stream, after - 1, 1) if after else ()
        last = after + EVENTS_MAX if until is None else min(until, after + EVENTS_MAX)
        found = RunRecord()
        level, kinds, threat = found.level, found.kinds, found.threat
        models = enclave = 0
        ids: list[str] = []
        async for told in journal.replay(after, stood[0].hash if stood else GENESIS, until=last):
            event = told.event
            if isinstance(event, Admitted) and event.command == command.hex() and event.found:
                level, kinds = event.found.level, event.found.names
                threat = event.found.threat
            if isinstance(event, EffectStarted) and event.effect == "model":
                models += 1
                enclave += ENCLAVE in event.obligations
            if marks_of(event):
                ids.append(f"{stream:016x}/{told.version}")
    finally:
        if journal.crypto is not None:
            journal.crypto.wipe()
    return RunRecord(
        level=level,
        kinds=kinds,
        threat=threat,
        models=models,
        enclave=enclave,
        audit_ids=tuple(ids[:AUDIT_IDS_MAX]),
    )
