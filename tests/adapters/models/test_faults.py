"""Faults are made of facts, and say truthfully whether to try again."""

from __future__ import annotations

import httpx2
import pytest
from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelConnectionError,
    ModelHTTPError,
    ModelTimeoutError,
    UnexpectedModelBehavior,
    UserError,
)

from holdfast.adapters.models.faults import KNOWN_ERRORS, Fault, Truncated, fault_of
from holdfast.adapters.models.limits import RETRYABLE_STATUSES
from holdfast.core.errors import ProviderFailed, ProviderTimeout

SECRET = "SECRET sk-live-1"


def status_error(status: int, code: str | None = None) -> ModelHTTPError:
    """Make the library's error of a status."""
    return ModelHTTPError(
        status,
        "m",
        body={"error": {"message": SECRET}},
        headers={"retry-after": "2", "x": SECRET},
        provider_error_code=code,
    )


def caused_by(cause: Exception) -> ModelConnectionError:
    """The library's error of another one."""
    error = ModelConnectionError(model_name="m", message=SECRET)
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "retryable", "billable", "timeout"),
    [
        (TimeoutError(SECRET), True, True, True),
        (ModelTimeoutError(model_name="m", message=SECRET), True, True, True),
        (httpx2.ReadTimeout(SECRET), True, True, True),
        (ModelConnectionError(model_name="m", message=SECRET), True, True, False),
        (httpx2.RemoteProtocolError(SECRET), True, True, False),
        (ConnectionResetError(SECRET), True, True, False),
        (httpx2.ConnectError(SECRET), True, False, False),
        (httpx2.ConnectTimeout(SECRET), True, False, True),
        (caused_by(httpx2.ConnectError(SECRET)), True, False, False),
        (Truncated(SECRET), True, True, False),
        (UnexpectedModelBehavior(SECRET, SECRET), True, True, False),
        (ModelAPIError(model_name="m", message=SECRET, in_stream=True), True, False, False),
        (ModelAPIError(model_name="m", message=SECRET), False, False, False),
        (UserError(SECRET), False, False, False),
    ],
)
def test_errors_are_judged(
    error: Exception, retryable: bool, billable: bool, timeout: bool
) -> None:
    """Each kind of error is retryable and a timeout as it should be, and keeps quiet."""
    assert isinstance(error, (*KNOWN_ERRORS, Truncated))
    fault = fault_of(error, "openai", 0)
    assert (retryable, timeout) == (fault.retryable, fault.timeout)
    assert (billable, billable) == (fault.billable, fault.error().billable)
    assert "SECRET" not in fault.message
    assert fault.message.count("openai") == 1


@pytest.mark.parametrize("status", range(400, 600))
def test_statuses(status: int) -> None:
    """Exactly the listed statuses are retryable; none repeats its body."""
    fault = fault_of(status_error(status), "openai", 0)
    assert (status in RETRYABLE_STATUSES) == fault.retryable
    assert f"openai answered with status {status}" == fault.message
    assert 2.0 == fault.retry_after_s


def test_codes_are_repeated_from_a_list_only() -> None:
    """A code that is known is named, any other is not; used-up money is final."""
    known = fault_of(status_error(429, "insufficient_quota"), "openai", 0)
    assert "openai answered with status 429 (insufficient_quota)" == known.message
    assert not known.retryable
    assert "sk-live" not in fault_of(status_error(429, SECRET), "openai", 0).message


def test_a_fault_becomes_the_port_s_error() -> None:
    """A timeout is a ProviderTimeout, anything else a ProviderFailed."""
    late = Fault(message="late", timeout=True, retryable=True).error()
    assert isinstance(late, ProviderTimeout)
    assert late.retryable
    other = Fault(message="no").error()
    assert ProviderFailed is type(other)
    assert not other.retryable
