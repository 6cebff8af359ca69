"""Errors as problems: their type is stable, and nothing of the inside is told."""

from __future__ import annotations

import json

from holdfast.core.errors import CorruptStore, HoldfastError, SessionNotFound, StoreBusy
from holdfast.server.problems import Problem, problem_of
from serverkit import served
from sessionhelp import run


def _shown(error: HoldfastError) -> tuple[Problem, dict[str, str]]:
    found = problem_of(error)
    return Problem.model_validate(json.loads(bytes(found.body))), dict(found.headers)


def test_domain_errors() -> None:
    """Reason, status and message are the error's; inside ones say only what they are."""
    found, headers = _shown(SessionNotFound("there is no session 'a'"))
    assert ("urn:holdfast:problem:session_not_found", 404) == (found.type, found.status)
    assert "there is no session 'a'" == found.detail
    assert "application/problem+json" == headers["content-type"]
    inside, _ = _shown(CorruptStore("/var/lib/secret.db is damaged"))
    assert (500, False) == (inside.status, "secret" in inside.model_dump_json())
    assert "1" == _shown(StoreBusy("busy"))[1]["retry-after"]


def test_methods_that_a_path_has() -> None:
    """All of them, whichever route was asked first."""

    async def work() -> None:
        async with served() as made:
            found = await made.call("TRACE", "/api/v1/sessions/a")
            assert (405, "DELETE, GET, PATCH") == (found.status_code, found.headers["allow"])

    run(work())
