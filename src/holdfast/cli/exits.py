"""Exit codes, and errors as one line or as one JSON object."""

from __future__ import annotations

import json
import os
import sys
import traceback

from holdfast.cli.plain import one_line
from holdfast.core import errors
from holdfast.core.errors import HoldfastError

UNEXPECTED = 1
USAGE = 2
NOT_NOW = 4
WAITING = 10
CANCELLED = 130
PIPE_CLOSED = 141
DEBUG = "HOLDFAST_DEBUG"
LINE_CHARS_MAX = 500


class Quit(Exception):
    """Leave with an exit code; everything has been said already."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


# An end that a shell script wants to tell from other refusals of the moment.
_OWN_CODES = {
    errors.Cancelled.reason: CANCELLED,
}


def exit_code_of(error: HoldfastError) -> int:
    """The exit code of an error: its class's, but for being cancelled."""
    return _OWN_CODES.get(error.reason, error.exit_code)


def code_of_reason(reason: str, default: int = UNEXPECTED) -> int:
    """The exit code of the error class with that reason."""
    if reason in _OWN_CODES:
        return _OWN_CODES[reason]
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, HoldfastError) and kind.reason == reason:
            return kind.exit_code
    return default


def code_of_run(outcome: str, reason: str) -> int:
    """The exit code of a run that ended with an outcome of `agent_end`."""
    if outcome == "completed":
        return 0
    if outcome == "failed":
        return code_of_reason(reason, errors.ProviderFailed.exit_code)
    return CANCELLED if reason in ("user", "interrupt") else NOT_NOW


def report(error: HoldfastError, *, as_json: bool) -> int:
    """Say on stderr what went wrong; returns the exit code."""
    say_problem(error.message, error.reason, error.status, as_json=as_json)
    return exit_code_of(error)


def report_unexpected(error: BaseException, *, as_json: bool) -> int:
    """Say that this is a bug, without a traceback unless it is asked for."""
    if os.environ.get(DEBUG):
        traceback.print_exception(error)
    hint = "" if os.environ.get(DEBUG) else f"; run with {DEBUG}=1 for details"
    message = f"unexpected {type(error).__name__}: {error}{hint}"
    say_problem(message, "unexpected", 500, as_json=as_json)
    return UNEXPECTED


def say_problem(message: str, reason: str, status: int, *, as_json: bool) -> None:
    """Write one line for a person, or one problem object for a program, to stderr."""
    if as_json:
        found = {"type": reason, "title": message, "status": status}
        print(json.dumps(found), file=sys.stderr, flush=True)
        return
    line = one_line(message, LINE_CHARS_MAX)
    print(f"holdfast: {line} ({reason})", file=sys.stderr, flush=True)
