"""The program as a whole: options, errors, light start, ends."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from clihelp import Place

import holdfast
from holdfast.cli import sessions
from holdfast.cli.main import hoist

HEAVY = ("apsw", "cryptography", "jsonschema", "pydantic", "pydantic_ai", "asyncio")


def test_help_loads_nothing_heavy() -> None:
    """`holdfast --help` does without the store, the keys, the wire form and the loop."""
    script = (
        "import sys\nfrom holdfast.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        f"print(*sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ("\n", True) == (ran.stderr, "sessions" in ran.stdout)


def test_version(place: Place) -> None:
    """--version says it and ends well."""
    ran = place.cli("--version")
    assert (0, f"holdfast {holdfast.__version__}\n") == (ran.code, ran.out)


def test_global_options_may_stand_anywhere() -> None:
    """They are moved to the front, except behind `--`."""
    args = ["sessions", "list", "--json", "--store", "a", "--store=b", "--", "--json"]
    expected = ["--json", "--store", "a", "--store=b", "sessions", "list", "--", "--json"]
    assert expected == hoist(args)


@pytest.mark.parametrize(
    "args",
    [("bogus",), ("run", "--bogus"), ("run",), ("sessions", "show"), ("run", "x", "--resume")],
)
def test_a_wrong_command_line_is_one_line_and_code_2(place: Place, args: tuple[str, ...]) -> None:
    """Usage errors never show a traceback."""
    ran = place.cli(*args)
    assert (2, 1, True) == (ran.code, ran.err.count("\n"), ran.err.startswith("holdfast: "))


def test_problems_are_json_when_asked_for(place: Place) -> None:
    """With --json stderr has one problem object."""
    ran = place.cli("sessions", "list", "--json")
    problem = json.loads(ran.err)
    assert (3, "not_found", 404, "") == (ran.code, problem["type"], problem["status"], ran.out)
    assert "usage" == json.loads(place.cli("bogus", "--json").err)["type"]


def test_looking_makes_nothing(place: Place) -> None:
    """Commands that only read do not make a store or a key."""
    codes = [
        place.cli(*args).code
        for args in (("sessions", "list"), ("sessions", "show", "x"), ("audit", "verify"),
                     ("keys", "rotate"), ("doctor",))
    ]  # fmt: skip
    assert ([3, 3, 3, 3, 0], ["workspace"]) == (codes, [p.name for p in place.root.iterdir()])


def test_a_bug_is_one_line_and_code_1(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected exception is no traceback."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(sessions, "options_of", broken)
    ran = place.cli("sessions", "list")
    assert (1, True) == (ran.code, "unexpected ZeroDivisionError: oops; run with" in ran.err)


def test_a_closed_pipe_is_quiet(place: Place) -> None:
    """Nobody reading any more is no error to talk about."""
    line = [sys.executable, "-m", "holdfast", "--help"]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert (141, "") == (process.wait(30), err)
