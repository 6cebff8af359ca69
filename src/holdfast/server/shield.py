"""What every request passes before any route: host, origin, limits, token (CW-8, CW-14).

In this order:
- a host that is not ours is refused, so that no name can be rebound to us;
- a page of an origin that is not listed is refused; none is by default;
- an address whose tokens were not valid too often waits;
- the token is validated before a byte of the body is read or a route is looked for,
  and one answer stands for all that may be wrong with it;
- its principal may ask only so often;
- a body over the limit is refused.

Whatever goes wrong inside, the caller is told that it did and the log says where.
Tokens, query strings, headers and bodies are never logged.
"""

from __future__ import annotations

import ipaddress
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast.core.errors import HoldfastError, TokenInvalid
from holdfast.ports.telemetry import NO_SPAN, NO_TELEMETRY, Attribute, Kind, Span, Telemetry
from holdfast.runtime.placing import place_of
from holdfast.server.auth import PRINCIPAL, Validate, bearer_of
from holdfast.server.metrics import METHODS, Metrics
from holdfast.server.problems import internal, problem, problem_of
from holdfast.server.rates import Rates
from holdfast.server.settings import LOCAL_HOSTS, ServerSettings, is_loopback

_access = logging.getLogger("holdfast.access")
_log = logging.getLogger("holdfast.server")

PUBLIC = frozenset({"/health", "/ready", "/.well-known/jwks.json"})
"""What needs no token; the description of the interface is public besides."""
STRAIGHT = "holdfast.straight"
"""Where a request's scope has what sends the pieces of a body past all that looks at them."""
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
CORS_METHODS = "GET, POST, PUT, PATCH, DELETE"
CORS_HEADERS = (
    "Authorization, Content-Type, Idempotency-Key, If-Match, Last-Event-ID, Holdfast-Workspace"
)
CORS_EXPOSED = "ETag, Link, Retry-After"


class Shield:
    """See the module.

    Args:
        app: what stands behind it.
        validate: who a token is of; raises TokenInvalid.
        public: paths that need no token.
        now: a clock that only goes forward, in seconds.
        telemetry: says whom requests are told to.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: ServerSettings,
        validate: Validate,
        metrics: Metrics,
        public: frozenset[str] = PUBLIC,
        now: Callable[[], float] = time.monotonic,
        telemetry: Callable[[], Telemetry] = lambda: NO_TELEMETRY,
    ) -> None:
        self._app = app
        self._settings = settings
        self._validate = validate
        self._metrics = metrics
        self._public = public
        self._now = now
        self._telemetry = telemetry
        self._principals = Rates(settings.requests_per_minute, settings.keys_max, now)
        self._strangers = Rates(settings.strangers_per_minute, settings.keys_max, now)
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        hosts = settings.allowed_hosts + (LOCAL_HOSTS if is_loopback(settings.host) else ())
        self._hosts = frozenset(host.lower() for host in (*hosts, settings.host))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, status, whole = self._now(), 0, False
        since_ns, telemetry, span = time.time_ns(), self._telemetry(), NO_SPAN
        headers = Headers(scope=scope)
        origin = headers.get("origin", "")
        shared = origin in self._settings.cors_origins

        async def sending(message: Message) -> None:
            nonlocal status, whole
            if message["type"] == "http.response.start":
                status = message["status"]
                told = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    told.setdefault(name, value)
                if shared:
                    told["Access-Control-Allow-Origin"] = origin
                    told["Access-Control-Expose-Headers"] = CORS_EXPOSED
                    told.add_vary_header("Origin")
            else:
                whole = not message.get("more_body", False)
            await send(message)

        try:
            answer = await self._refused(scope, headers, origin, shared)
            # Where it belongs is believed of nobody who has not shown a token.
            trace = telemetry.incoming(headers) if PRINCIPAL in scope else None
            span = telemetry.start("HTTP", Kind.SERVER, {}, trace, since_ns=since_ns)
            if answer is not None:
                await answer(scope, receive, sending)
            else:
                scope[STRAIGHT] = send
                with telemetry.within(span.trace):
                    await self._app(scope, self._limited(receive), sending)
        except Exception as error:  # the last boundary: a bug is one line in the log
            if whole:
                pass  # it was answered, and the log has its place
            elif status:
                _log.error("a response was cut off: %s", place_of(error))
            else:
                await internal(error)(scope, receive, sending)
        finally:
            _told(span, scope, status)
        took_s = self._now() - started
        path = _template(scope)
        self._metrics.request(scope["method"], path, status, took_s)
        _access.info("%s %s %d %.1f ms", scope["method"], path, status, took_s * 1000)

    async def _refused(
        self, scope: Scope, headers: Headers, origin: str, shared: bool
    ) -> Response | None:
        """What a request is answered with that no route sees, or None."""
        host = headers.get("host", "").lower()
        if not self._ours(host):
            return problem(421, "wrong_host", "This host is not served here.")
        if origin and not shared and origin != f"{scope.get('scheme', 'http')}://{host}":
            return problem(403, "wrong_origin", "Pages of this origin may not call.")
        if shared and scope["method"] == "OPTIONS":
            return _preflight(headers)
        if int_of(headers.get("content-length", "0")) > self._settings.body_bytes_max:
            return _too_large(self._settings.body_bytes_max)
        if scope["path"].removeprefix(scope.get("root_path", "")) in self._public:
            return None
        return await self._identified(scope)

    def _ours(self, host: str) -> bool:
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
        return host in self._hosts or name in self._hosts

    async def _identified(self, scope: Scope) -> Response | None:
        address = address_of(scope)
        try:
            token = bearer_of(scope["headers"])
            digest = sha256(token.encode()).digest()
            if digest not in self._seen and (wait := self._strangers.wait(address)):
                return _too_often(wait)
            who = await self._validate(token)
        except TokenInvalid as error:
            wait = self._strangers.take(address)
            return _too_often(wait) if wait else problem_of(error)
        except HoldfastError as error:
            return problem_of(error)
        self._note(digest)
        wait = self._principals.take(who.counted)
        if wait:
            return _too_often(wait)
        scope[PRINCIPAL] = who
        return None

    def _note(self, digest: bytes) -> None:
        """Remember that a token was valid: its holder does not wait for strangers' sake."""
        self._seen[digest] = None
        self._seen.move_to_end(digest)
        if len(self._seen) > self._settings.keys_max:
            self._seen.popitem(last=False)

    def _limited(self, receive: Receive) -> Receive:
        left = self._settings.body_bytes_max

        async def limited() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413, _over(self._settings.body_bytes_max))
            return message

        return limited


def address_of(scope: Scope) -> str:
    """Whom requests without a valid token are counted for: an address, of IPv6 its /64."""
    client = scope.get("client")
    text = str(client[0]) if client else ""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return text
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return text


def int_of(text: str) -> int:
    """A header's number; what is none counts as 0, and the body is counted all the same."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else 0


def _template(scope: Scope) -> str:
    """The route of a request, without what stands in it; never its query."""
    return str(getattr(scope.get("route"), "path", "") or "(none)")


def _told(span: Span, scope: Scope, status: int) -> None:
    """End the span of a request by the conventions of HTTP; without path, query or address."""
    method = scope["method"] if scope["method"] in METHODS else "_OTHER"
    route = str(getattr(scope.get("route"), "path", ""))
    about: dict[str, Attribute] = {
        "http.request.method": method,
        "url.scheme": scope.get("scheme", "http"),
    }
    if status:
        about["http.response.status_code"] = status
    if route:
        about["http.route"] = route
    named = "HTTP" if method == "_OTHER" else method
    span.note(about, name=f"{named} {route}" if route else named)
    span.end("" if 0 < status < 500 else str(status or "cut_off"))


def _too_often(wait_s: float) -> Response:
    headers = {"Retry-After": str(max(1, math.ceil(wait_s)))}
    return problem(429, "rate_limited", "Too many requests; wait.", headers=headers)


def _over(limit: int) -> str:
    return f"The body is over {limit} bytes."


def _too_large(limit: int) -> Response:
    return problem(413, "too_large", _over(limit))


def _preflight(headers: Headers) -> Response:
    return Response(
        status_code=HTTPStatus.NO_CONTENT,
        headers={
            "Access-Control-Allow-Methods": CORS_METHODS,
            "Access-Control-Allow-Headers": CORS_HEADERS,
            "Access-Control-Max-Age": "600",
        },
    )
