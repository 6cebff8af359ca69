"""Old logs mean what they always meant.

If a digest differs, `evolve` (or the written form of the view) has changed its
meaning: raise `FOLD_ID` in core/view.py so that older snapshots are ignored, then
run `python tests/replay/golden_make.py --expect`.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from golden_make import EXPECTED, PLACE, digest_of, expected, main, read_log, write_log

from holdfast.core.errors import NewerProgram
from holdfast.core.events import (
    KIND_OF,
    MUST_UNDERSTAND,
    Admitted,
    EffectEnded,
    Outcome,
    StateSet,
    Unknown,
)
from holdfast.core.messages import user
from holdfast.core.session import fold
from holdfast.core.view import FOLD_ID, SessionView
from holdfast.runtime.codec import decode_event, decode_view, encode_view

FILES = sorted(PLACE.glob("*.jsonl"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden_log_folds_as_ever(path: Path) -> None:
    """Today's fold of an old log is the one on record for today's fold id."""
    known = expected().get(str(FOLD_ID), {})
    assert path.stem in known, f"no expectation for fold {FOLD_ID}: see the module"
    assert known[path.stem] == digest_of(path.read_text()), (
        "evolve means something else than before: raise FOLD_ID (see the module)"
    )


def test_no_golden_log_was_removed() -> None:
    """What an installation may have on its disk stays in the repository."""
    ever = {name for digests in expected().values() for name in digests}
    assert ever == {path.stem for path in FILES}
    assert {"v1_every_field", "v1_life"} <= ever


def test_golden_logs_cover_every_kind_and_field() -> None:
    """Each kind, and each of its fields with a value that is not its default."""
    kinds: set[int] = set()
    varied: dict[type, set[str]] = {kind: set() for kind in KIND_OF}
    for path in FILES:
        for code, recorded in read_log(path.read_text()):
            kinds.add(code)
            event = recorded.event
            for field in dataclasses.fields(event):
                default = field.default
                if field.default_factory is not dataclasses.MISSING:
                    default = field.default_factory()
                if getattr(event, field.name) != default:
                    varied[type(event)].add(field.name)
    assert set(KIND_OF.values()) == kinds
    for kind, names in varied.items():
        missing = {field.name for field in dataclasses.fields(kind)} - names
        # The keyed commitment and the installation are filled in by the shell.
        assert set() == missing - {"commitment", "installation"}, kind.__name__


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_old_events_would_be_written_the_same_today(path: Path) -> None:
    """The stored form has not changed unnoticed: new fields have defaults and come last."""
    lines = path.read_text().splitlines()
    for line, (code, recorded) in zip(lines, read_log("\n".join(lines)), strict=True):
        row = json.loads(line)
        again = write_log([(recorded.time_ms, recorded.event)]).rstrip()
        assert (code, line) == (row["kind"], again)


def test_other_folds_have_other_expectations() -> None:
    """A fold id is raised only for a reason."""
    digests = [json.dumps(known, sort_keys=True) for known in expected().values()]
    assert len(digests) == len(set(digests))


def test_golden_log_is_never_replaced() -> None:
    """The maker adds logs only, and keeps expectations that stand."""
    before = EXPECTED.read_text()
    with pytest.raises(FileExistsError):
        main("v1_life")
    assert before == EXPECTED.read_text()


# --- programs of other ages --------------------------------------------------------------

ADMITTED = KIND_OF[Admitted]
HELLO = b'{"message":{"role":"user","parts":[{"text":"hi"}]},"tokens":5'


def test_unknown_fields_are_ignored() -> None:
    """A later program's new field, at any depth."""
    later = b'{"new":[1],"message":{"role":"user","parts":[{"text":"hi","new":{}}],"new":0},'
    assert Admitted(message=user("hi"), tokens=5) == decode_event(ADMITTED, later + b'"tokens":5}')


def test_missing_new_fields_take_their_defaults() -> None:
    """An older program's event."""
    assert Admitted(message=user("hi"), tokens=5, turn=True, command="") == decode_event(
        ADMITTED, HELLO + b"}"
    )
    short = b'{"cause":1,"ordinal":0,"effect":"model","outcome":"done"}'
    expected_event = EffectEnded(cause=1, ordinal=0, effect="model", outcome=Outcome.DONE)
    assert expected_event == decode_event(KIND_OF[EffectEnded], short)
    assert StateSet(state="Active") == decode_event(KIND_OF[StateSet], b'{"state":"Active"}')


def test_unknown_kind_that_may_be_ignored_is_skipped() -> None:
    """It takes its version and nothing else."""
    text = (PLACE / "v1_life.jsonl").read_text().splitlines()
    row = json.dumps({"kind": 0x0FFF, "time_ms": 1, "payload": {"x": 1}})
    events = [recorded for _, recorded in read_log("\n".join([*text[:2], row]))]
    assert Unknown(0x0FFF) == events[2].event
    before, after = fold(events[:2]), fold(events)
    assert dataclasses.replace(before, version=3, updated_ms=1) == after


def test_unknown_kind_that_must_be_understood_stops_the_fold() -> None:
    """What it says may be a revocation."""
    row = json.dumps({"kind": MUST_UNDERSTAND | 0x0FFF, "time_ms": 1, "payload": {}})
    with pytest.raises(NewerProgram):
        list(read_log(row))


def test_older_snapshot_without_new_fields_is_read() -> None:
    """Fields left out are defaults."""
    assert SessionView(version=3) == decode_view(b'{"version":3}')
    assert b"{}" == encode_view(SessionView())
