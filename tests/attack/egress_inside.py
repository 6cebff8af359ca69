"""Runs inside a sandbox and tries to reach what stands outside; standard library only.

Usage: python egress_inside.py FACTS, where FACTS is JSON: `tcp`, `tcp6`, `udp` (ports of
listeners that must not be reached), `allowed` (a port that may, as `outside.test`), `ips`
(addresses of the host), `abstract` and `path` (unix sockets of the host), `pid` (a process
of the host), `forms` (hostile forms of addresses).

One line is printed for each attempt: its name, and what came of it.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

Attempt = tuple[str, Callable[[], object]]
PROXY = ("127.0.0.1", 3128)
WAIT = 2.0


def proxied(*pieces: bytes) -> bytes:
    """Send to the proxy, piece after piece as it answers; return what came back."""
    found = b""
    with socket.create_connection(PROXY, WAIT) as one:
        for piece in pieces:
            one.sendall(piece)
            one.settimeout(WAIT)
            found = one.recv(4096)
        while len(found) < 65_536:
            more = one.recv(4096)
            if not more:
                break
            found += more
    return found.split(b"\r\n")[0]


def lines(*rows: str) -> bytes:
    return "\r\n".join([*rows, "", ""]).encode("latin-1", "replace")


def connect(family: int, kind: int, place: Any, protocol: int = 0) -> str:
    with socket.socket(family, kind, protocol) as one:
        one.settimeout(0.3)
        one.connect(place)
        one.send(b"direct")
    return "SENT"


def program(*words: str, env: dict[str, str] | None = None) -> str:
    own = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()}
    done = subprocess.run(
        words, env=env or own, capture_output=True, timeout=5, check=False, text=True
    )
    return f"{done.returncode} {done.stderr[-80:]}"


def direct(facts: dict[str, Any]) -> Iterator[Attempt]:
    """Sockets of every kind, past the proxy."""
    here = ["127.0.0.1", "127.0.0.2", "0.0.0.0", "localhost", *facts["ips"], "10.0.0.1"]
    here += ["169.254.169.254", "192.168.0.1", "172.17.0.1", "8.8.8.8"]
    for host in here:
        for port in (facts["tcp"], facts["allowed"]):
            yield (
                f"tcp {host}:{port}",
                lambda h=host, p=port: connect(socket.AF_INET, socket.SOCK_STREAM, (h, p)),
            )
        yield (
            f"udp {host}",
            lambda h=host: connect(socket.AF_INET, socket.SOCK_DGRAM, (h, facts["udp"])),
        )
    for host in ("::1", "::ffff:127.0.0.1", "::", "fe80::1", "2001:4860:4860::8888"):
        yield (
            f"tcp6 {host}",
            lambda h=host: connect(socket.AF_INET6, socket.SOCK_STREAM, (h, facts["tcp6"])),
        )
        yield (
            f"udp6 {host}",
            lambda h=host: connect(socket.AF_INET6, socket.SOCK_DGRAM, (h, facts["udp"])),
        )
    raw = [(socket.AF_INET, socket.SOCK_RAW, number) for number in (1, 6, 17, 255)]
    raw += [(socket.AF_INET6, socket.SOCK_RAW, 58), (17, socket.SOCK_RAW, 3), (17, 2, 3)]
    raw += [(socket.AF_INET, socket.SOCK_STREAM, 132), (40, socket.SOCK_STREAM, 0)]
    for family, kind, number in raw:
        place: Any = (2, facts["tcp"]) if family == 40 else ("127.0.0.1", facts["tcp"])
        place = ("lo", 0) if family == 17 else place
        yield (
            f"raw {family}/{kind}/{number}",
            lambda f=family, k=kind, n=number, p=place: connect(f, k, p, n),
        )
    for name in (facts["path"], "\0" + facts["abstract"], f"/proc/{facts['pid']}/cwd/x"):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
            yield f"unix {name!r} {kind}", lambda n=name, k=kind: connect(socket.AF_UNIX, k, n)
    for name in ("example.org", "outside.test", "inside.test", "secret.evil.test", "localhost6"):
        yield f"dns {name}", lambda n=name: socket.getaddrinfo(n, facts["tcp"])
    for server in ("8.8.8.8", "1.1.1.1", "127.0.0.53", "9.9.9.9"):
        yield (
            f"dns server {server}",
            lambda s=server: connect(socket.AF_INET, socket.SOCK_DGRAM, (s, 53)),
        )


def kernel(facts: dict[str, Any]) -> Iterator[Attempt]:
    """Other namespaces, other processes, other interfaces."""
    pid, tcp = facts["pid"], facts["tcp"]
    reach = f"exec 3<>/dev/tcp/127.0.0.1/{tcp} && echo kernel >&3"
    for target in (1, pid, os.getppid()):
        yield (
            f"nsenter {target}",
            lambda t=target: program("nsenter", "-t", str(t), "-n", "bash", "-c", reach),
        )
        yield (
            f"nsenter user {target}",
            lambda t=target: program("nsenter", "-t", str(t), "-U", "-n", "bash", "-c", reach),
        )
    for flags in (("-n",), ("-Un",), ("-Urn",), ("-Urnm",)):
        yield f"unshare {flags}", lambda f=flags: program("unshare", *f, "bash", "-c", reach)
    for words in (
        ("ip", "link", "add", "v0", "type", "veth"),
        ("ip", "link", "add", "m0", "link", "lo", "type", "macvlan"),
        ("ip", "route", "add", "default", "dev", "lo"),
        ("ip", "addr", "add", "10.9.9.9/24", "dev", "lo"),
        ("ip", "netns", "exec", "x", "bash", "-c", reach),
        ("ip", "tuntap", "add", "dev", "t0", "mode", "tun"),
        ("ping", "-c1", "-W1", "127.0.0.1"),
        ("bash", "-c", f"cat /proc/{pid}/net/tcp && {reach}"),
        ("bash", "-c", f"ls /proc/{pid}/fd && {reach}"),
        ("bash", "-c", f"cd /proc/{pid}/cwd && {reach}"),
        ("bash", "-c", f"mount -t sysfs x /tmp && {reach}"),
        ("bash", "-c", f"cat /dev/net/tun; {reach}"),
        ("bash", "-c", f"for fd in /proc/self/fd/*; do echo x >> $fd; done; {reach}"),
    ):
        yield f"program {' '.join(words)[:60]}", lambda w=words: program(*w)
    yield "a runtime's descriptor", _descriptors


def _descriptors() -> str:
    """Use every descriptor that was inherited as a socket."""
    found = []
    for fd in range(3, 64):
        try:
            one = socket.socket(fileno=os.dup(fd))
            one.send(b"inherited")
            found.append(fd)
        except OSError:
            continue
    return f"sent to {found}"


def without_proxy(facts: dict[str, Any]) -> Iterator[Attempt]:
    """Ordinary programs with the proxy's variables cleared or changed."""
    url = f"http://127.0.0.1:{facts['tcp']}/"
    for target in (url, f"http://[::1]:{facts['tcp6']}/", f"http://localhost:{facts['tcp']}/",
                   f"http://{facts['ips'][0]}:{facts['tcp']}/", f"ftp://127.0.0.1:{facts['tcp']}/",
                   f"gopher://127.0.0.1:{facts['tcp']}/_x", f"dict://127.0.0.1:{facts['tcp']}/x",
                   f"telnet://127.0.0.1:{facts['tcp']}"):  # fmt: skip
        yield f"curl {target}", lambda t=target: program("curl", "-sS", "-m", "2", t)
        yield (
            f"curl --noproxy {target}",
            lambda t=target: program(
                "curl", "-sS", "-m", "2", "--noproxy", "*", t, env=dict(os.environ)
            ),
        )
    for scheme in ("socks4", "socks4a", "socks5", "socks5h", "https"):
        yield (
            f"curl by {scheme}",
            lambda s=scheme: program(
                "curl", "-sS", "-m", "2", "-x", f"{s}://127.0.0.1:3128", "--noproxy", "", url
            ),
        )
    yield "curl connect-to", lambda: program(
        "curl", "-sS", "-m", "2", "-x", "http://127.0.0.1:3128", "--connect-to",
        f"::127.0.0.1:{facts['tcp']}", f"http://outside.test:{facts['allowed']}/ok",
    )  # fmt: skip
    yield "curl resolve", lambda: program(
        "curl", "-sS", "-m", "2", "--noproxy", "*", "--resolve",
        f"outside.test:{facts['tcp']}:127.0.0.1", f"http://outside.test:{facts['tcp']}/",
    )  # fmt: skip


def through_proxy(facts: dict[str, Any]) -> Iterator[Attempt]:
    """Every form of an address, asked of the proxy in both ways, and by redirects."""
    tcp, allowed = facts["tcp"], facts["allowed"]
    forms = [*facts["forms"], "inside.test", "rebinding.test", "LOCALHOST", "localhost.",
             "127.0.0.1.nip.io", "outside.test.evil.test", "evil-outside.test",
             "outside.test@127.0.0.1", "127.0.0.1#outside.test", "127.0.0.1?.outside.test",
             "127.0.0.1\\@outside.test", "127.0.0.1%00outside.test", "127.0.0.1%2eoutside.test",
             "outside.test:80@127.0.0.1", "outs\u0456de.test", "\uff4futside.test"]  # fmt: skip
    for form in forms:
        host = f"[{form}]" if ":" in form and "@" not in form and "[" not in form else form
        for port in (tcp, facts["tcp6"]):
            yield (
                f"CONNECT {host}:{port}",
                lambda h=host, p=port: proxied(
                    lines(f"CONNECT {h}:{p} HTTP/1.1"), b"GET / HTTP/1.1\r\n\r\n"
                ),
            )
        yield f"GET {host}", lambda h=host: proxied(lines(f"GET http://{h}:{tcp}/ HTTP/1.1"))
        to = urllib.parse.quote(f"http://{host}:{tcp}/", safe="")
        yield f"redirect {host}", lambda t=to: program(
            "curl", "-sSL", "-m", "3", "-x", "http://127.0.0.1:3128", "--noproxy", "",
            f"http://outside.test:{allowed}/to?{t}",
        )  # fmt: skip


def smuggled(facts: dict[str, Any]) -> Iterator[Attempt]:
    """Requests that two readers could read in two ways."""
    tcp, good = facts["tcp"], f"outside.test:{facts['allowed']}"
    bad = f"127.0.0.1:{tcp}"
    inner = f"GET http://{bad}/ HTTP/1.1\r\nHost: {bad}\r\n\r\n".encode()
    start = f"GET http://{good}/ok HTTP/1.1"
    chunked = "Transfer-Encoding: chunked"
    heads: list[bytes] = [
        lines(start, f"Host: {bad}"),
        lines(start, f"Host: {good}", f"Host: {bad}"),
        lines(start, f"Host: {good}\r\n {bad}"),
        lines(start, f"Host: {good}") + inner,
        lines(start, f"Host: {good}", "Content-Length: 0") + inner,
        lines(start, f"Host: {good}", "Content-Length: 4", chunked) + b"0\r\n\r\n" + inner,
        lines(start, f"Host: {good}", chunked) + b"0\r\n\r\n" + inner,
        lines(start, f"Host: {good}", "Transfer-Encoding : chunked") + b"0\r\n\r\n" + inner,
        lines(start, f"Host: {good}", "Content-Length: 3", "Content-Length: 99") + inner,
        lines(start, f"Host: {good}", "Content-Length: +3") + inner,
        lines(start, f"Host: {good}", f"X: y\nHost: {bad}"),
        lines(start, f"Host: {good}", f"X: y\rHost: {bad}"),
        lines(start, f"Host: {good}", f"X-Forwarded-Host: {bad}", f"X-Original-URL: http://{bad}/"),
        lines(start, f"Host: {good}", "Connection: Host, Content-Length", "Upgrade: h2c"),
        lines(f"GET http://{good}/ok\r\nHost: {bad} HTTP/1.1"),
        lines(f"GET http://{good}/ok%0d%0aHost:%20{bad} HTTP/1.1", f"Host: {good}"),
        lines(f"GET http://{bad}/ HTTP/1.1", f"Host: {good}"),
        lines("GET / HTTP/1.1", f"Host: {bad}"),
        lines(f"GET //{bad}/ HTTP/1.1", f"Host: {good}"),
        lines(f"GET http://{good} http://{bad}/ HTTP/1.1"),
        lines(f"GET http:{bad} HTTP/1.1"),
        lines(f"GET https://{bad}/ HTTP/1.1"),
        lines(f"GET ftp://{bad}/ HTTP/1.1"),
        lines(f"GET ws://{bad}/ HTTP/1.1"),
        lines(f"GET unix:{facts['path']} HTTP/1.1"),
        lines("GET file:///etc/passwd HTTP/1.1"),
        f"GET http://{bad}/\r\n\r\n".encode(),
        f"GET http://{bad}/ HTTP/1.1\n\n".encode(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + inner,
        b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01" + struct.pack(">H", tcp),
        b"\x04\x01" + struct.pack(">H", tcp) + b"\x7f\x00\x00\x01\x00",
        lines(f"CONNECT {good} HTTP/1.1", f"Host: {bad}"),
        lines(f"CONNECT {good} HTTP/1.1", "Content-Length: 200") + inner,
        lines(f"CONNECT {good}@{bad} HTTP/1.1"),
        lines(f"CONNECT http://{bad}/ HTTP/1.1"),
        lines(f"CONNECT {bad} HTTP/1.1") + inner,
        lines(f"CONNECT  {bad} HTTP/1.1"),
        lines(f"connect {bad} HTTP/1.1"),
        lines(f"TRACE http://{bad}/ HTTP/1.1"),
        b"\r\n" + inner,
        b"\0" * 4096 + inner,
        b"GET " + b"A" * 20_000 + inner,
    ]
    for number, head in enumerate(heads):
        yield f"smuggled {number} {head[:40]!r}", lambda h=head: proxied(h)
    for number, after in enumerate((inner, b"SSH-2.0-x\r\n", b"\x16\x03\x01\x00\x01\x01")):
        yield f"tunnel {number}", lambda a=after: proxied(lines(f"CONNECT {good} HTTP/1.1"), a)


def main() -> int:
    facts = json.loads(sys.argv[1])
    for family in (direct, kernel, without_proxy, through_proxy, smuggled):
        for name, attempt in family(facts):
            try:
                came = repr(attempt())
            except Exception as error:
                came = f"{type(error).__name__}: {error}"
            print(json.dumps([family.__name__, name, came[:160]]), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
