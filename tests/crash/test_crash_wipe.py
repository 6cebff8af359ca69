"""kill -9 at every step of a termination: it ends as `Wiped`, or is not begun; never a half."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from crashhelp import Zygote

from contenthelp import EMAIL

KILLED = 137
END = ["WipeStarted", "Wiped", "Ended"]


def lived(zygote: Zygote, folder: Path, **order: Any) -> int:
    """Let a life run; returns its exit status."""
    return zygote.live({"do": "wipe", "folder": str(folder), **order})


def check(zygote: Zygote, folder: Path) -> dict[str, Any]:
    """Let the next process go on, and check what it found and left."""
    assert 0 == lived(zygote, folder, go_on=True)
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    for told in report["before"], report["after"]:
        assert told["ok"], told
    for stream in report["before"]["streams"]:
        # A key is never gone before that was to be, and an attestation never stands before.
        assert stream["readable"] or "WipeStarted" in stream["kinds"], stream
        assert not stream["readable"] or "Wiped" not in stream["kinds"], stream
        half = not stream["readable"] and "Wiped" not in stream["kinds"]
        assert not half or any("cut off" in note for note in report["before"]["notes"]), report
    for stream in report["after"]["streams"]:
        wiped = END == stream["kinds"][-3:]
        assert wiped is ("WipeStarted" in stream["kinds"]), stream
        assert wiped is (not stream["readable"]), stream
        assert wiped is (stream["state"] == "Terminated") and wiped is (stream["name"] is None)
    assert [] == report["after"]["notes"]
    files = [path.read_bytes() for path in (folder / "store").iterdir()]
    assert files and not any(EMAIL.encode() in data for data in files)
    return report


def test_a_wipe_has_its_steps_in_order(zygote: Zygote, tmp_path: Path) -> None:
    """Children first, then: refuse and settle, erase values, `WipeStarted`, key, `Wiped`, rows."""
    assert 0 == lived(zygote, tmp_path)
    steps = (tmp_path / "steps").read_text().splitlines()
    last = len(steps) - 1 - steps[::-1].index("append Terminated")
    first = steps.index("append Terminated")
    assert 2 == steps.count("destroy key") == steps.count("append Terminated") and first < last
    for part in (steps[: first + 1], steps[first + 1 : last + 1]):
        key = part.index("destroy key")
        assert part.index("erase values") < key
        assert "append Terminating" in part[part.index("erase values") : key]
    report = check(zygote, tmp_path)
    assert [True, True] == [END == one["kinds"][-3:] for one in report["after"]["streams"]]


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_at_every_step_leaves_no_half(zygote: Zygote, tmp_path: Path, when: str) -> None:
    """There is no step at which a kill does harm."""
    kills = 0
    for number in range(1, 60):
        folder = tmp_path / str(number)
        folder.mkdir()
        status = lived(zygote, folder, kill_at=number, kill_when=when)
        assert status in (0, KILLED)
        report = check(zygote, folder)
        if status == 0:
            assert all(END == one["kinds"][-3:] for one in report["after"]["streams"])
            break
        kills += 1
    assert 10 <= kills < 59
