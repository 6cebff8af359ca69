"""What went wrong with a call, without the body, the key or the library's words.

Messages of the libraries hold response bodies and sometimes headers. A fault is
made from facts only: a status, the kind of failure, and codes from a fixed list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import httpx2
from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelConnectionError,
    ModelHTTPError,
    ModelTimeoutError,
    UnexpectedModelBehavior,
    UserError,
)

from holdfast.adapters.models.limits import RETRYABLE_STATUSES, retry_after_seconds
from holdfast.core.errors import NetworkBlocked, ProviderFailed, ProviderTimeout

# Only these words of a provider are repeated; any other text of a body is not.
KNOWN_CODES = frozenset(
    {
        "api_error",
        "authentication_error",
        "billing_error",
        "context_length_exceeded",
        "insufficient_quota",
        "invalid_api_key",
        "invalid_request_error",
        "model_not_found",
        "not_found_error",
        "overloaded_error",
        "permission_error",
        "rate_limit_error",
        "rate_limit_exceeded",
        "request_too_large",
        "server_error",
        "timeout_error",
    }
)
# Waiting does not help against these, whatever the status says.
FINAL_CODES = frozenset({"insufficient_quota", "billing_error"})

# What may come out of the library for a reason outside this program.
KNOWN_ERRORS = (
    TimeoutError,
    OSError,
    ModelAPIError,
    UnexpectedModelBehavior,
    UserError,
    httpx2.HTTPError,
    httpx2.StreamError,
    NetworkBlocked,
)


_NO_CONNECTION = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
_CAUSES_MAX = 16


class Truncated(Exception):
    """The stream ended before the provider said why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One failed attempt.

    Args:
        message: one line made of facts.
        retryable: whether another attempt may succeed.
        billable: the provider may have carried the request out, and charge for it.
        timeout: a time limit was reached.
        retry_after_s: what the provider asked to wait, in seconds.
    """

    message: str
    retryable: bool = False
    billable: bool = False
    timeout: bool = False
    retry_after_s: float | None = None

    def error(self) -> ProviderFailed:
        """Return the error a caller is told."""
        kind = ProviderTimeout if self.timeout else ProviderFailed
        return kind(self.message, retryable=self.retryable, billable=self.billable)


def fault_of(error: BaseException, provider: str, now_ms: int) -> Fault:
    """Judge what an attempt ended with.

    Args:
        error: one of `KNOWN_ERRORS` or `Truncated`.
        provider: the provider's name, for the message.
        now_ms: the wall clock in milliseconds since 1970.
    """
    blocked = _found(error, (NetworkBlocked,))
    if isinstance(blocked, NetworkBlocked):
        return Fault(message=f"{provider}: the network policy says {blocked.verdict}")
    sent = _found(error, _NO_CONNECTION) is None
    match error:
        case ModelHTTPError():
            return _of_status(error, provider, now_ms)
        case ModelTimeoutError() | httpx2.TimeoutException():
            silent = f"{provider} was silent too long"
            return Fault(message=silent, retryable=True, billable=sent, timeout=True)
        case TimeoutError():
            late = f"{provider} took longer than the call may"
            return Fault(message=late, retryable=True, billable=True, timeout=True)
        case ModelConnectionError() | httpx2.HTTPError() | httpx2.StreamError() | OSError():
            broken = f"the connection to {provider} failed"
            return Fault(message=broken, retryable=True, billable=sent)
        case Truncated() | UnexpectedModelBehavior():
            cut = f"the answer of {provider} was incomplete"
            return Fault(message=cut, retryable=True, billable=True)
        case ModelAPIError():
            return Fault(
                message=f"{provider} reported an error{_code(error)}", retryable=error.in_stream
            )
        case _:
            return Fault(message=f"{provider} cannot be sent this request")


def _found(error: BaseException, kinds: tuple[type[BaseException], ...]) -> BaseException | None:
    """What is of one of these kinds among an error and what led to it, or None.

    One of `_NO_CONNECTION` means that the request cannot have been carried out.
    """
    found: BaseException | None = error
    for _ in range(_CAUSES_MAX):
        if found is None or isinstance(found, kinds):
            return found
        found = found.__cause__ or found.__context__
    return None


def _of_status(error: ModelHTTPError, provider: str, now_ms: int) -> Fault:
    headers: Mapping[str, str] = error.headers or {}
    final = FINAL_CODES & {error.provider_error_code, error.provider_error_type}
    return Fault(
        message=f"{provider} answered with status {error.status_code}{_code(error)}",
        retryable=error.status_code in RETRYABLE_STATUSES and not final,
        timeout=error.status_code in (408, 504),
        retry_after_s=retry_after_seconds(headers, now_ms),
    )


def _code(error: ModelAPIError) -> str:
    for word in (error.provider_error_code, error.provider_error_type):
        if word in KNOWN_CODES:
            return f" ({word})"
    return ""
