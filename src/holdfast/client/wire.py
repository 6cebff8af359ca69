"""Requests to one server: what is sent, what is tried again, what an answer is worth.

Rules
- The token goes into the `Authorization` header, and only over TLS or to this machine
  itself. It is in no URL, no message, no `repr` and no log. Redirects are not followed.
- What may have been carried out is tried again only if the server knows it again: a POST
  has an `Idempotency-Key` for that, the other methods are idempotent by themselves.
- 429 and 503 with `Retry-After` say that nothing was done: whatever it was is tried again,
  unless the problem is one that no waiting ends.
- Nothing is waited for without end, and no answer is read without end.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import random
import ssl
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from holdfast.client.decode import read_json
from holdfast.client.gate import Gate
from holdfast.client.problems import error_of, passes
from holdfast.client.settings import ClientSettings
from holdfast.core.errors import (
    BadAnswer,
    HoldfastError,
    InvalidInput,
    MissingExtra,
    ServerUnreachable,
)

try:
    import httpx2
except ImportError:
    raise MissingExtra("the client of a server", "client") from None

TOKEN_CHARS_MAX = 4096
RETRY_AFTER_S_MAX = 3600.0
PROBLEM_BYTES_MAX = 64 * 1024
AGENT = "holdfast-client"
Primitive = str | int | float | bool | None
Query = Mapping[str, str | int | bool | Sequence[str] | None]


class Secret:
    """A bearer token; its text is not in its `repr`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not isinstance(text, str) or not 0 < len(text) <= TOKEN_CHARS_MAX:
            raise InvalidInput("a token is text, and not empty")
        if not text.isascii() or not text.isprintable() or " " in text:
            raise InvalidInput("a token is printable ASCII without blanks")
        self._text = text

    def __repr__(self) -> str:
        return "Secret(…)"

    def header(self) -> str:
        """The value of the `Authorization` header."""
        return f"Bearer {self._text}"


class _Bearer(httpx2.Auth):
    """Puts the token into a request at the last moment."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    def auth_flow(
        self, request: httpx2.Request
    ) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Send the request with the token; an answer never leads to another one."""
        request.headers["Authorization"] = self._secret.header()
        yield request


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request.

    Args:
        path: below the server's address, its parts quoted already.
        body: JSON, or None.
        raw: a body that is not JSON, with its media type.
        key: the `Idempotency-Key`.
    """

    method: str
    path: str
    query: Query = field(default_factory=dict)
    body: object = field(default=None, repr=False)
    raw: tuple[bytes, str] | None = field(default=None, repr=False)
    key: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent again although it may have been carried out."""
        return bool(self.key) or self.method in ("GET", "PUT", "DELETE")


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> object:
        """Its JSON.

        Raises:
            BadAnswer: it has none.
        """
        return read_json(self.body)


@dataclass(frozen=True, slots=True)
class Trouble:
    """An attempt that came to nothing.

    Args:
        again: whether another may follow.
        wait_s: how long the server wants to be left alone, or None.
    """

    error: HoldfastError
    again: bool
    wait_s: float | None = None


class Tries:
    """How often, and how long, something is tried again after it failed."""

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings
        self.progress()

    def progress(self) -> None:
        """Begin anew: something has come."""
        self._count = 0
        self._until = 0.0

    async def wait(self, trouble: Trouble) -> None:
        """Wait before the next try.

        Raises:
            HoldfastError: that of the trouble, if there is to be no other try.
        """
        now, chosen = asyncio.get_running_loop().time(), self._settings
        self._count += 1
        if self._count == 1:
            self._until = now + chosen.patience_s
        wait_s = trouble.wait_s
        if wait_s is None:
            longest = min(chosen.wait_s_max, chosen.wait_s_min * 2 ** min(self._count - 1, 20))
            wait_s = longest * random.uniform(0.5, 1.0)  # noqa: S311 - so that clients spread
        if not trouble.again or self._count >= chosen.tries_max or now + wait_s > self._until:
            raise trouble.error
        await asyncio.sleep(wait_s)


class Wire:
    """Connections to one server.

    Args:
        url: `https://host[:port][/prefix]`; `http://` only to this machine.
        token: the bearer token, or None for what needs none.
        workspace: which one an administrator of all of them means.
        tls: how certificates are checked; default: against the system's authorities.
        transport: another way to the server, such as one within this process.

    Raises:
        InvalidInput: the address or the token is none, or the one would be sent in clear.
    """

    def __init__(
        self,
        url: str,
        token: str | None,
        *,
        workspace: str = "",
        settings: ClientSettings | None = None,
        tls: ssl.SSLContext | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.settings = settings or ClientSettings()
        self._base = checked_url(url, secret=token is not None)
        self._secret = None if token is None else Secret(token)
        self._workspace = _checked_workspace(workspace)
        self.gate = Gate()
        chosen = self.settings
        self._http = httpx2.AsyncClient(
            timeout=httpx2.Timeout(chosen.silence_s, connect=chosen.connect_s),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=32),
            verify=tls or _authorities(self._base),
            transport=transport,
            follow_redirects=False,
            trust_env=False,
        )

    def __repr__(self) -> str:
        return f"Wire({self._base!r})"

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    @property
    def workspace(self) -> str:
        """Which one an administrator of all workspaces means; "" for none in particular."""
        return self._workspace

    def use(self, token: str) -> None:
        """Show another token from now on."""
        self._secret = Secret(token)

    # --- whole answers ---------------------------------------------------------------

    async def ask(self, ask: Ask, *, once: bool = False) -> Answer:
        """Send a request and read its answer; try again what may be tried again.

        Args:
            once: try it once, whatever happens.

        Raises:
            ServerUnreachable: no answer came.
            BadAnswer: what came is none.
            HoldfastError: the server refused it.
        """
        tries = Tries(self.settings)
        while True:
            async with self.gate.request():
                found = await self._attempt(ask)
            if isinstance(found, Answer):
                return found
            if once:
                raise found.error
            await tries.wait(found)

    async def ask_alone(self, ask: Ask) -> Answer:
        """Send a request once; the caller holds the gate.

        Raises:
            HoldfastError: as `ask`.
        """
        found = await self._attempt(ask)
        if isinstance(found, Trouble):
            raise found.error
        return found

    async def _attempt(self, ask: Ask) -> Answer | Trouble:
        opened = await self.open(ask)
        if isinstance(opened, Trouble):
            return opened
        limit = self.settings.answer_bytes_max
        body = await self.body_of(opened, limit)
        if body is None:
            return _lost("the connection was lost before the answer was whole", ask)
        if len(body) > limit:
            return Trouble(BadAnswer(f"the server's answer is over {limit} bytes"), again=False)
        return Answer(opened.status_code, opened.headers, body)

    async def open(self, ask: Ask) -> httpx2.Response | Trouble:
        """Send a request; the body of a successful answer is still to be read and closed."""
        if self._http.is_closed:
            return Trouble(ServerUnreachable("the client has been closed"), again=False)
        request = self._request(ask)
        auth = None if self._secret is None else _Bearer(self._secret)
        problem = ""
        try:
            response = await self._http.send(request, auth=auth, stream=True)
        except httpx2.HTTPError as failed:
            problem = type(failed).__name__
        if problem:  # outside of the handler: nothing hangs on what the library knows
            return _lost(f"the server does not answer ({problem})", ask, sent=_was_sent(problem))
        if response.is_success:
            return response
        body = await self.body_of(response, PROBLEM_BYTES_MAX)
        status, media_type = response.status_code, response.headers.get("content-type", "")
        wait_s = _retry_after(response.headers.get("retry-after"))
        error = error_of(status, media_type, body or b"")
        again = status == 429 or (status == 503 and wait_s is not None and passes(error))
        return Trouble(error, again, wait_s)

    async def pieces(self, ask: Ask, media_type: str) -> AsyncGenerator[bytes]:
        """Send a request and give its answer piece by piece, however long it is.

        It is tried again until the answer begins. The token is not replaced meanwhile.

        Args:
            media_type: what the answer has to be.

        Raises:
            ServerUnreachable: no answer came, or it broke off.
            BadAnswer: it is something else.
            HoldfastError: the server refused it.
        """
        tries = Tries(self.settings)
        while True:
            async with self.gate.request():
                opened = await self.open(ask)
                if not isinstance(opened, Trouble):
                    async with aclosing(_pieces_of(opened, media_type)) as found:
                        async for piece in found:
                            yield piece
                    return
            await tries.wait(opened)

    async def body_of(self, response: httpx2.Response, limit: int) -> bytes | None:
        """The body, cut one byte above a limit; None if the connection was lost."""
        found = bytearray()
        try:
            async for chunk in response.aiter_bytes():
                found += chunk
                if len(found) > limit:
                    break
        except httpx2.HTTPError:
            return None
        finally:
            await response.aclose()
        return bytes(found[: limit + 1])

    def _request(self, ask: Ask) -> httpx2.Request:
        headers = {"User-Agent": AGENT, "Accept": "application/json", **ask.headers}
        content = None
        if ask.raw is not None:
            content, headers["Content-Type"] = ask.raw
        elif ask.body is not None:
            content, headers["Content-Type"] = _json(ask.body), "application/json"
        if ask.key:
            headers["Idempotency-Key"] = ask.key
        if self._workspace:
            headers["Holdfast-Workspace"] = self._workspace
        url, pairs = f"{self._base}{ask.path}", _params(ask.query)
        try:
            return self._http.build_request(
                ask.method, url, params=httpx2.QueryParams(pairs), content=content, headers=headers
            )
        except (httpx2.InvalidURL, UnicodeEncodeError):
            raise InvalidInput("what is asked for does not fit into an address") from None


async def _pieces_of(response: httpx2.Response, media_type: str) -> AsyncGenerator[bytes]:
    """The body as it comes; the connection is closed in any case."""
    lost = False
    try:
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != media_type:
            raise BadAnswer(f"the server's answer is not {media_type}")
        async for piece in response.aiter_bytes():
            yield piece
    except httpx2.HTTPError:
        lost = True
    finally:
        await response.aclose()
    if lost:  # outside of the handler: nothing hangs on what the library knows
        raise ServerUnreachable("the connection was lost before the answer was whole")


def _authorities(url: str) -> bool | ssl.SSLContext:
    """The system's authorities; none at all, and no time to load them, where there is no TLS."""
    return True if url[:6].lower() == "https:" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def checked_url(url: str, *, secret: bool) -> str:
    """An address without its last slash.

    Args:
        secret: whether a token will be sent there.

    Raises:
        InvalidInput: it is no address of a server, or the token would be sent in clear.
    """
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidInput("a server's address is like https://example.com")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise InvalidInput("a server's address is like https://example.com") from None
    if parts.scheme not in ("http", "https") or not host:
        raise InvalidInput("a server's address begins with https:// or http://")
    if "@" in parts.netloc or parts.query or parts.fragment or "?" in url or "#" in url:
        raise InvalidInput("a server's address has no user, no password and no query")
    if secret and parts.scheme == "http" and not is_loopback(host):
        raise InvalidInput(f"a token is not sent in clear to {host}: use https://")
    return url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself, whatever a name server says."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def part(text: str) -> str:
    """One part of a path, quoted.

    Raises:
        InvalidInput: it would lead elsewhere.
    """
    if not isinstance(text, str) or text in ("", ".", ".."):
        raise InvalidInput("an id is text, and not empty")
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise InvalidInput("an id is text") from None


def _checked_workspace(workspace: str) -> str:
    if not isinstance(workspace, str) or not workspace.isascii() or len(workspace) > 128:
        raise InvalidInput("a workspace's id is at most 128 letters, digits and signs")
    if workspace and (not workspace.isprintable() or workspace != workspace.strip()):
        raise InvalidInput("a workspace's id is at most 128 letters, digits and signs")
    return workspace


def _json(body: object) -> bytes:
    try:
        return json.dumps(body, allow_nan=False, ensure_ascii=False).encode("utf-8")
    except (TypeError, ValueError, RecursionError):  # a lone surrogate is a ValueError too
        raise InvalidInput("what is sent to a server is JSON") from None


def _params(query: Query) -> list[tuple[str, Primitive]]:
    found: list[tuple[str, Primitive]] = []
    for name, value in query.items():
        if value is None:
            continue
        if isinstance(value, bool):
            found.append((name, "true" if value else "false"))
        elif isinstance(value, (str, int)):
            found.append((name, str(value)))
        else:
            found += [(name, one) for one in value]
    return found


def _was_sent(problem: str) -> bool:
    """Whether a request may have reached the server that failed like this."""
    return problem not in ("ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol")


def _lost(text: str, ask: Ask, *, sent: bool = True) -> Trouble:
    return Trouble(ServerUnreachable(text), again=ask.repeatable or not sent)


def _retry_after(text: str | None) -> float | None:
    """A `Retry-After` in seconds; None if there is none, or if it is a date or nonsense."""
    if text is None or not text.isascii() or not text.strip().isdecimal() or len(text) > 10:
        return None
    return min(float(text), RETRY_AFTER_S_MAX)
