"""`audit verify`, `keys rotate` and `doctor --guards`."""

from __future__ import annotations

import subprocess
import sys

from clihelp import Place

from holdfast.core.judge import GUARDS

FLIP = """
import apsw, sys
db = apsw.Connection(sys.argv[1])
stream, version, body = db.execute(
    "SELECT stream, version, body FROM event WHERE version = 3 LIMIT 1").fetchone()
changed = bytes([body[0] ^ 1]) + body[1:]
db.execute("UPDATE event SET body = ? WHERE stream = ? AND version = ?", (changed, stream, version))
db.close()
"""


def test_a_good_store_verifies(place: Place) -> None:
    """The output says how much was checked and what it cannot show."""
    place.say("one")
    ran = place.cli("audit", "verify")
    assert (0, True, True) == (
        ran.code, "1 sessions" in ran.out and "all as it was written" in ran.out,
        "cannot show" in ran.err,
    )  # fmt: skip
    assert 0 == place.cli("audit", "verify", "one").code
    assert 3 == place.cli("audit", "verify", "none").code


def test_a_flipped_bit_is_found_and_named(place: Place) -> None:
    """Session and event are named; the exit code is that of damage."""
    place.say("one")
    subprocess.run([sys.executable, "-c", FLIP, str(place.store)], check=True)
    ran = place.cli("audit", "verify")
    assert (7, True) == (ran.code, "FINDING one event 3: altered" in ran.out)
    report = place.cli("audit", "verify", "--json").json()
    assert isinstance(report, dict)
    assert (False, "altered", 3) == (
        report["ok"], report["findings"][0]["kind"], report["findings"][0]["version"]
    )  # fmt: skip


def test_rotating_keys_keeps_the_sessions(place: Place) -> None:
    """A new epoch; everything can still be read."""
    place.say("one")
    assert {"epoch": 2} == place.cli("keys", "rotate", "--json").json()
    assert "epoch 3" in place.cli("keys", "rotate").err
    assert 0 == place.cli("audit", "verify").code


def test_the_doctor_tries_every_guard(place: Place) -> None:
    """Each is hit, with what it said; nothing is made in the store."""
    ran = place.cli("doctor", "--guards")
    assert (0, "") == (ran.code, ran.err)
    assert all(name in ran.out for name, _ in GUARDS) and "NOT HIT" not in ran.out
    report = place.cli("doctor", "--guards", "--json").json()
    assert isinstance(report, dict)
    assert report["ok"] is True and len(GUARDS) == len(report["guards"])
    assert not place.store.exists()
