"""A server that stands between a client and the true one, and lies about what that says."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Ask = Callable[[str], str]
Lie = Callable[[bytes], bytes]


class Liar:
    """What it does.

    Attributes:
        ask: makes the path that the true server is asked for.
        lie: makes the answer.
        kind: the media type it claims; "" is the true one.
        heard: true answers, the latest last.
    """

    def __init__(self) -> None:
        self.url = ""
        self.ask: Ask = str
        self.lie: Lie = bytes
        self.kind = ""
        self.heard: list[bytes] = []


@contextmanager
def lying(true_url: str) -> Iterator[Liar]:
    """Lie, on a port of this machine, about what a true server says."""
    found = Liar()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            request = urllib.request.Request(true_url + found.ask(self.path))
            for name, value in self.headers.items():
                if name.lower() in ("authorization", "holdfast-workspace"):
                    request.add_header(name, value)
            try:
                with urllib.request.urlopen(request) as answer:
                    status, kind, body = (
                        answer.status,
                        answer.headers["Content-Type"],
                        answer.read(),
                    )
            except urllib.error.HTTPError as error:
                status, kind, body = error.code, error.headers["Content-Type"], error.read()
            found.heard.append(body)
            body = found.lie(body)
            self.send_response(status)
            self.send_header("Content-Type", found.kind or kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        found.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
