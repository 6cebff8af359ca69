"""Exit codes and error lines."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from holdfast.cli import exits
from holdfast.core import errors
from holdfast.core.errors import (
    Cancelled,
    HoldfastError,
    NoModel,
    NotNow,
    SessionNotFound,
)

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"


def test_an_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A person sees message and reason; the code is the error's."""
    assert 3 == exits.report(SessionNotFound("no\x1b[2J such"), as_json=False)
    assert "holdfast: no␛[2J such (session_not_found)\n" == capsys.readouterr().err


def test_an_error_is_a_problem_object(capsys: pytest.CaptureFixture[str]) -> None:
    """A program gets one JSON object."""
    exits.report(NoModel("none"), as_json=True)
    expected = {"type": "no_model", "title": "none", "status": 503}
    assert expected == json.loads(capsys.readouterr().err)


def test_a_bug_is_one_line_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No traceback unless it is asked for."""
    monkeypatch.delenv(exits.DEBUG, raising=False)
    assert 1 == exits.report_unexpected(ValueError("boo"), as_json=False)
    err = capsys.readouterr().err
    assert (1, True) == (err.count("\n"), "HOLDFAST_DEBUG=1" in err)
    monkeypatch.setenv(exits.DEBUG, "1")
    exits.report_unexpected(ValueError("boo"), as_json=False)
    assert "ValueError: boo\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("outcome", "reason", "code"),
    [
        ("completed", "", 0),
        ("failed", "provider_failed", 9),
        ("failed", "no_model", 8),
        ("failed", "something new", 9),
        ("cancelled", "user", 130),
        ("cancelled", "max_rounds", 4),
    ],
)
def test_codes_of_runs(outcome: str, reason: str, code: int) -> None:
    """A run's end has the code of its reason."""
    assert code == exits.code_of_run(outcome, reason)


def test_special_codes() -> None:
    """Cancelled is told apart from other refusals."""
    assert 130 == exits.exit_code_of(Cancelled())
    assert 4 == exits.exit_code_of(NotNow())


def test_every_code_is_documented() -> None:
    """The table names each exit code an error can have."""
    kinds = [k for k in vars(errors).values() if isinstance(k, type)]
    codes = {k.exit_code for k in kinds if issubclass(k, HoldfastError)}
    codes |= {0, exits.UNEXPECTED, exits.USAGE, exits.WAITING, exits.CANCELLED, exits.PIPE_CLOSED}
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE.read_text("utf-8"), re.M)}
    assert codes == listed
