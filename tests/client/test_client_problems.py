"""Problem details as the library's own errors."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.cli.exits import exit_code_of
from holdfast.client.problems import error_of, error_of_run, passes
from holdfast.core import errors
from holdfast.core.errors import HoldfastError
from holdfast.server.problems import problem_of

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, HoldfastError)
]
MEDIA = "application/problem+json"
FACTS = {
    "Stale": ("scope",),
    "CounterRefused": ("counter",),
    "DuplicateCommand": (3,),
    "MissingExtra": ("It", "llm"),
    "TokenInvalid": (),
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_comes_back_as_itself(kind: type[HoldfastError]) -> None:
    """What the server makes of an error, the client makes an error of: same reason, same class.

    A class that needs facts besides its message comes back as the one above it.
    """
    sent = kind(*FACTS.get(kind.__name__, ("What is so.",)))
    answer = problem_of(sent)
    found = error_of(answer.status_code, answer.headers["content-type"], bytes(answer.body))
    assert (sent.reason, sent.status) == (found.reason, found.status)
    assert exit_code_of(sent) == exit_code_of(found)
    wanted = kind.__mro__[1] if FACTS.get(kind.__name__) else kind
    assert wanted is type(found)
    if sent.status != 500:
        assert sent.message == found.message


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.InvalidInput),
        (401, errors.TokenInvalid),
        (403, errors.Denied),
        (404, errors.NotFound),
        (409, errors.NotNow),
        (418, errors.Unavailable),
        (429, errors.Unavailable),
        (301, errors.Unavailable),
        (500, errors.Unavailable),
        (502, errors.ProviderFailed),
    ],
)
def test_another_page_says_only_its_status(status: int, kind: type[HoldfastError]) -> None:
    """A proxy's page, or a problem of something else, is never repeated."""
    for media, body in [
        ("text/html", b"<h1>secret inside</h1>"),
        (MEDIA, b"not json secret"),
        (MEDIA, b'["secret"]'),
        (MEDIA, json.dumps({"reason": "Secret Words", "detail": "secret"}).encode()),
        ("application/json", json.dumps({"reason": "busy", "detail": "secret"}).encode()),
    ]:
        found = error_of(status, media, body)
        assert kind is type(found)
        assert "secret" not in str(found).lower()
        assert status == found.status


def test_an_error_that_is_not_known_keeps_its_reason() -> None:
    """A newer server's reason survives in the class of its kind."""
    body = json.dumps({"reason": "rate_limited", "detail": "Wait\nand\x1b see."}).encode()
    found = error_of(429, MEDIA, body)
    assert (errors.Unavailable, "rate_limited", 429, 8) == (
        type(found),
        found.reason,
        found.status,
        found.exit_code,
    )
    assert "unavailable" == errors.Unavailable.reason
    assert "\n" not in found.message


@given(status=st.integers(300, 599), media=st.sampled_from([MEDIA, "text/html"]), body=st.binary())
def test_anything_is_some_error(status: int, media: str, body: bytes) -> None:
    """No answer is so strange that it is not an error of ours."""
    assert isinstance(error_of(status, media, body), HoldfastError)


def test_what_no_waiting_ends_is_not_waited_for() -> None:
    """A model that is not there will not be there in a second."""
    assert passes(errors.StoreBusy("busy"))
    assert passes(error_of(503, MEDIA, json.dumps({"reason": "draining", "detail": ""}).encode()))
    assert not passes(errors.NoModel("none"))
    extra = json.dumps({"reason": "missing_extra", "detail": "x"}).encode()
    assert not passes(error_of(503, MEDIA, extra))
    assert not passes(errors.Busy("busy"))


@pytest.mark.parametrize(
    ("outcome", "reason", "kind"),
    [
        ("cancelled", "user", errors.Cancelled),
        ("cancelled", "interrupt", errors.Cancelled),
        ("cancelled", "rounds", errors.Interrupted),
        ("failed", "budget.exceeded", errors.Denied),
        ("failed", "denied_by_person", errors.Denied),
        ("failed", "sensitivity.no_zone", errors.Denied),
        ("failed", "provider_failed", errors.ProviderFailed),
    ],
)
def test_a_run_without_an_answer_is_an_error(
    outcome: str, reason: str, kind: type[HoldfastError]
) -> None:
    """The same as the library's `generate` raises."""
    assert kind is type(error_of_run(outcome, reason, "Said why."))
