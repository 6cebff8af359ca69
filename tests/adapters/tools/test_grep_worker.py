"""The process that searches: frames in, answers out, wild patterns bounded."""

from __future__ import annotations

import json
import re
import subprocess
import sys

from holdfast.adapters.tools import grep_worker


def _ask(settings: dict[str, object], *files: str) -> list[dict[str, object]]:
    sizes = json.dumps([len(text.encode()) for text in files]).encode() + b"\n"
    frames = sizes + "".join(files).encode() if files else b""
    ran = subprocess.run(
        [sys.executable, "-I", "-S", grep_worker.__file__],
        input=json.dumps(settings).encode() + b"\n" + frames,
        capture_output=True,
        check=True,
    )
    return [json.loads(line) for line in ran.stdout.splitlines()]


def _settings(pattern: str, *, ignore_case: bool = False, context: int = 0) -> dict[str, object]:
    return {"pattern": pattern, "ignore_case": ignore_case, "context": context, "limit": 10}


def test_each_file_of_a_frame_has_its_lines() -> None:
    """Numbers count from 1; a neighbour is marked as not matching."""
    answers = _ask(_settings("b", context=1), "a\nb\nc\n", "x\n")
    assert [{"files": [[[1, False, "a"], [2, True, "b"], [3, False, "c"]], []]}] == answers


def test_case_may_be_ignored() -> None:
    """Only when it is asked for."""
    assert [{"files": [[[1, True, "ABC"]]]}] == _ask(_settings("abc", ignore_case=True), "ABC")
    assert [{"files": [[]]}] == _ask(_settings("abc"), "ABC")


def test_a_pattern_that_is_none_is_explained() -> None:
    """One answer, with what is wrong, and no more."""
    (answer,) = _ask(_settings("(" * 3))
    assert "missing )" in str(answer["error"])


def test_long_lines_are_cut_and_matches_limited() -> None:
    """What is shown stays small whatever the file is."""
    rows = grep_worker.search(re.compile("x"), "x" * 10_000 + "\nx\nx\n", 0, 2)
    assert [1, 2] == [number for number, _, _ in rows]
    assert rows[0][2].endswith("[line cut]") and len(rows[0][2]) < 600
