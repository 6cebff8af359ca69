"""Errors as RFC 9457 problem details: a stable type, and no word about the inside."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json
from starlette._utils import get_route_path
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from holdfast.core.errors import HoldfastError
from holdfast.core.faults import PASSING
from holdfast.runtime.placing import place_of

_log = logging.getLogger("holdfast.server")

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:holdfast:problem:"
FIELDS_MAX = 20
AGAIN_S = 1
"""When to ask again for what passes by itself, in seconds."""

REASONS = {
    400: "bad_request",
    401: "token_invalid",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    421: "wrong_host",
    429: "rate_limited",
}


class Wrong(BaseModel):
    """One thing that is wrong with a request."""

    model_config = ConfigDict(extra="forbid")

    where: str = Field(description='Where it stands, for example "body.title".')
    what: str = Field(description="What is wrong, without what was sent.")


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="`urn:holdfast:problem:` and the reason.")
    title: str = Field(description="The same for all problems of the type.")
    status: int
    detail: str
    reason: str = Field(description="A stable code, see docs/reference/errors.md.")
    errors: list[Wrong] | None = None


class ProblemResponse(Response):
    """A problem on its way out."""

    media_type = MEDIA_TYPE


def problem(
    status: int,
    reason: str,
    detail: str,
    *,
    title: str = "",
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A response that says what went wrong, and when to ask again if that passes by itself."""
    shown: dict[str, Any] = {
        "type": TYPE + reason,
        "title": title or HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "reason": reason,
    }
    if errors:
        shown["errors"] = list(errors)
    if status == HTTPStatus.UNAUTHORIZED:
        headers = {**(headers or {}), "WWW-Authenticate": 'Bearer realm="holdfast"'}
    if status == HTTPStatus.SERVICE_UNAVAILABLE and reason in PASSING:
        headers = {**(headers or {}), "Retry-After": str(AGAIN_S)}
    return ProblemResponse(to_json(shown), status_code=status, headers=headers)


def problem_of(error: HoldfastError) -> Response:
    """A domain error as a problem; what is wrong inside stays inside."""
    title = (type(error).__doc__ or error.reason).strip().splitlines()[0].rstrip(".")
    inside = error.status == HTTPStatus.INTERNAL_SERVER_ERROR
    if inside:
        _log.error("%s: %s", error.reason, place_of(error))
    detail = title if inside else error.message
    return problem(error.status, error.reason, detail, title=title)


def internal(error: BaseException) -> Response:
    """A bug as a problem: its place goes to the log, nothing of it to the caller."""
    _log.error("a request failed: %s", place_of(error))
    return problem(500, "internal", "The server failed.")


def install(app: FastAPI) -> None:
    """Have the application answer every error with a problem."""
    app.add_exception_handler(HoldfastError, _domain)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _bug)


async def _domain(request: Request, error: Exception) -> Response:
    assert isinstance(error, HoldfastError), "the handler is registered for these"
    return problem_of(error)


async def _bug(request: Request, error: Exception) -> Response:
    return internal(error)


async def _http(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 500)
    detail = str(getattr(error, "detail", ""))
    headers = getattr(error, "headers", None)
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {"Allow": ", ".join(allowed(request))}
    reason = REASONS.get(status, "http_error")
    return problem(status, reason, detail or HTTPStatus(status).phrase, headers=headers)


def allowed(request: Request) -> list[str]:
    """The methods of all routes of a path; each route knows only its own.

    A path that is written out in the description is that one, and no other's parameter.
    """
    path = get_route_path(request.scope)
    matching = [one for one in request.app.state.routes if one.path_regex.match(path)]
    exact = [one for one in matching if one.path == path]
    return sorted({method for one in exact or matching for method in one.methods})


async def _invalid(request: Request, error: Exception) -> Response:
    """What is wrong where; never what was sent, which may be a secret."""
    found: Sequence[Any] = error.errors() if isinstance(error, RequestValidationError) else []
    wrong = [
        {"where": ".".join(map(str, one["loc"])), "what": str(one["msg"])}
        for one in found[:FIELDS_MAX]
    ]
    return problem(422, "invalid_input", "The request is malformed.", errors=wrong)
