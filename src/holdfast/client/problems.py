"""A server's problem details as the library's own errors (RFC 9457).

- The class is the one whose `reason` the problem has. An error the client does not know
  keeps its reason and gets the class of its kind, told by the status.
- Of an answer that is no problem of ours, a proxy's page for example, nothing is repeated
  but its status.
"""

from __future__ import annotations

import inspect
import json
import re

from holdfast.core import errors
from holdfast.core.decide.money import EXCEEDED
from holdfast.core.errors import HoldfastError
from holdfast.core.faults import PASSING
from holdfast.core.guards import sensitivity

MEDIA_TYPE = "application/problem+json"
DETAIL_CHARS_MAX = 1000
_REASON = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")

_KINDS: dict[str, type[HoldfastError]] = {
    kind.reason: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, HoldfastError)
}
_BY_STATUS: dict[int, type[HoldfastError]] = {
    400: errors.InvalidInput,
    401: errors.TokenInvalid,
    403: errors.Denied,
    404: errors.NotFound,
    405: errors.InvalidInput,
    409: errors.NotNow,
    410: errors.NotFound,
    412: errors.NotNow,
    413: errors.TooLarge,
    415: errors.InvalidInput,
    421: errors.InvalidInput,
    422: errors.InvalidInput,
    429: errors.Unavailable,
    502: errors.ProviderFailed,
    503: errors.Unavailable,
    504: errors.ProviderTimeout,
    507: errors.StoreFull,
}


def passes(error: HoldfastError) -> bool:
    """Whether what is unavailable may be there in a moment without anybody's doing."""
    if not isinstance(error, errors.Unavailable):
        return False
    return error.reason in PASSING or error.reason not in _KINDS  # a newer server knows why


def error_of(status: int, media_type: str, body: bytes) -> HoldfastError:
    """The error that an answer stands for.

    Args:
        status: of the answer, not 2xx.
        media_type: as its header says, parameters included.
        body: as far as it was read.
    """
    found = _problem(media_type, body)
    reason, detail = found.get("reason"), found.get("detail")
    text = " ".join(detail.split())[:DETAIL_CHARS_MAX] if isinstance(detail, str) else ""
    if not isinstance(reason, str) or not _REASON.match(reason):
        kind = _BY_STATUS.get(status, errors.Unavailable)
        return _made(kind, f"the server answered with status {status}", status=status)
    kind = _KINDS.get(reason) or _BY_STATUS.get(status, errors.Unavailable)
    return _made(kind, text, reason=reason, status=status)


def error_of_run(outcome: str, reason: str, detail: str) -> HoldfastError:
    """The error that a run which was not completed ended with, as `generate` raises it.

    Args:
        outcome, reason: of its `agent_end`.
        detail: of its `error`, or "".
    """
    if outcome == "cancelled" and reason in ("user", "interrupt"):
        return errors.Cancelled("the turn was cancelled")
    if outcome == "cancelled":
        return errors.Interrupted(f"the turn ended without an answer: {reason}")
    if reason in (EXCEEDED, "denied_by_person") or reason.startswith(f"{sensitivity.NAME}."):
        return errors.Denied(detail)
    return errors.ProviderFailed(detail or reason)


def _problem(media_type: str, body: bytes) -> dict[str, object]:
    if media_type.partition(";")[0].strip().lower() != MEDIA_TYPE:
        return {}
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _made(
    kind: type[HoldfastError], text: str, *, reason: str = "", status: int = 0
) -> HoldfastError:
    """An error with a message that came from elsewhere.

    A class that makes its message from facts, which did not come along, gives way to the
    one above it.
    """
    takes = list(inspect.signature(kind).parameters)
    while takes and takes[0] != "message":
        above = kind.__mro__[1]
        assert issubclass(above, HoldfastError), "the base takes a message"
        kind = above
        takes = list(inspect.signature(kind).parameters)
    error = kind(text) if takes else kind()
    if reason and error.reason != reason:
        error.reason = reason
    if status and error.status != status:
        error.status = status
    return error
