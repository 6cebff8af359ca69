"""Errors as problems: their type is stable, and nothing of the inside is told."""

from __future__ import annotations

import json

from holdfast.client.problems import passes
from holdfast.core import errors
from holdfast.core.errors import CorruptStore, HoldfastError, MissingExtra, SessionNotFound
from holdfast.core.faults import PASSING
from holdfast.server.problems import Problem, problem, problem_of
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


def _kinds() -> dict[str, HoldfastError]:
    """One of each error that says 503, by its reason."""
    found = {}
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, HoldfastError) and kind.status == 503:
            made = kind("x", "y") if kind is MissingExtra else kind("x")
            found[made.reason] = made
    return found


def test_who_is_sent_back() -> None:
    """Only those whose trouble passes by itself: no waiting gives a session a model."""
    kinds = _kinds()
    sent_back = {one for one, error in kinds.items() if "retry-after" in _shown(error)[1]}
    assert PASSING - {"draining"} == sent_back
    assert {"store_busy", "unavailable"} <= sent_back
    lasting = set(kinds) - sent_back
    assert {"no_model", "missing_extra", "wrong_key", "newer_program", "key_missing"} <= lasting
    assert {one for one, error in kinds.items() if passes(error)} == sent_back
    assert "1" == problem(503, "draining", "Soon.").headers["retry-after"]
    assert "retry-after" not in problem(500, "unavailable", "No.").headers


def test_methods_that_a_path_has() -> None:
    """All of them, whichever route was asked first."""

    async def work() -> None:
        async with served() as made:
            found = await made.call("TRACE", "/api/v1/sessions/a")
            assert (405, "DELETE, GET, PATCH") == (found.status_code, found.headers["allow"])
            found = await made.call("TRACE", "/api/v1/sessions/import")
            assert (405, "POST") == (found.status_code, found.headers["allow"])

    run(work())
