"""Reading a request's head strictly, and writing the one that is sent on.

What two servers could read differently is refused: lines that end otherwise than in
CR LF, folded lines, control signs, signs that are no ASCII, a header given twice that
says where or how much, a body of unknown length.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from holdfast.core.network import Address, read_address, read_authority

CONNECT = "CONNECT"
_REQUEST = re.compile(rb"([A-Z]{1,20}) ([!-~]{1,8192}) HTTP/1\.[01]")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}):([\t -~\x80-\xff]*)")
_DIGITS = re.compile(r"[0-9]{1,15}")
_ONCE = ("host", "content-length", "transfer-encoding")
_OWN = frozenset(
    {
        "connection", "expect", "host", "http2-settings", "keep-alive", "proxy-authenticate",
        "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip
HEADERS_MAX = 100


class BadRequest(ValueError):
    """A head that is not read; its text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A request's head.

    Args:
        target: as written.
        headers: names in small letters, in order.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]

    def value(self, name: str) -> str | None:
        """The value of a header, or None."""
        return next((value for known, value in self.headers if known == name), None)


def read_head(data: bytes) -> Head:
    """Read a head with its empty line.

    Raises:
        BadRequest: readers could disagree about it.
    """
    lines = data.removesuffix(b"\r\n\r\n").split(b"\r\n")
    if not data.endswith(b"\r\n\r\n") or len(lines) > HEADERS_MAX + 1:
        raise BadRequest("the head is not complete, or has too many lines")
    first = _REQUEST.fullmatch(lines[0])
    if first is None:
        raise BadRequest("the first line is not that of a request")
    headers = []
    for line in lines[1:]:
        match = _HEADER.fullmatch(line)
        if match is None:
            raise BadRequest("a header is malformed")
        headers.append((match[1].decode("ascii").lower(), match[2].decode("latin-1").strip()))
    names = [name for name, _ in headers]
    if any(names.count(name) > 1 for name in _ONCE):
        raise BadRequest("a header is given twice")
    return Head(method=first[1].decode(), target=first[2].decode(), headers=tuple(headers))


def tunnel_of(head: Head) -> tuple[str, int]:
    """Where a CONNECT leads.

    Raises:
        BadRequest: it is not certain.
    """
    found = read_authority(head.target)
    if found is None:
        raise BadRequest("the host is not certain")
    if head.value("content-length") is not None or head.value("transfer-encoding") is not None:
        raise BadRequest("CONNECT has no body")
    _same_host(head, found[0])
    return found


def address_of(head: Head) -> Address:
    """Where a request in absolute form leads.

    Raises:
        BadRequest: it is not certain, or in another form.
    """
    found = read_address(head.target) if "://" in head.target else None
    if found is None:
        raise BadRequest("the address is not certain")
    _same_host(head, found.host)
    return found


def _same_host(head: Head, host: str) -> None:
    named = head.value("host")
    if named is None:
        return
    found = read_address(f"http://{named}")
    if found is None or found.host != host or found.resource != "/" or "#" in named:
        raise BadRequest("the header Host names another host")


def body_bytes(head: Head) -> int:
    """How long the body is.

    Raises:
        BadRequest: that is not said, or not certain.
    """
    if head.value("transfer-encoding") is not None:
        raise BadRequest("a body of unknown length is not sent on")
    length = head.value("content-length")
    if length is None:
        return 0
    if not _DIGITS.fullmatch(length):
        raise BadRequest("the length of the body is no number")
    return int(length)


def sent_on(head: Head, address: Address) -> bytes:
    """The head that is sent to the host: for it alone, and for one request."""
    named = {part.strip().lower() for part in (head.value("connection") or "").split(",")}
    # A client must not hide by `Connection` what says how long its body is.
    left_out = _OWN | (named - {"content-length"})
    host = f"[{address.host}]" if ":" in address.host else address.host
    host += "" if address.port == 80 else f":{address.port}"
    lines = [f"{head.method} {address.resource} HTTP/1.1", f"Host: {host}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in head.headers if name not in left_out]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
