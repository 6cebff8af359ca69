"""The server: what a small request costs, whether its description is true, what strangers see.

`main()` prints the RESULT lines; `tests` is to be on the path.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path[:0] = [str(TESTS)] if str(TESTS) not in sys.path else []

from common import median, pick, report  # noqa: E402 - the tests' folder comes first
from fastapi import FastAPI  # noqa: E402 - as above
from starlette.types import ASGIApp  # noqa: E402 - as above

from holdfast.server.settings import ServerSettings  # noqa: E402 - as above
from serverkit import Served, listening, served  # noqa: E402 - as above

MANY = 10**7
LENIENT = ServerSettings(requests_per_minute=MANY, strangers_per_minute=MANY)
PATH = "/api/v1/sessions/one/label"
RATIO_BAR = 0.6
CHECKED = re.compile(r"(\d+) generated, (\d+) passed")


class Connection:
    """One connection that asks the same over and over; it reads no more than it must."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def get(self, request: bytes) -> bytes:
        """Ask, and return the status line."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        found = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        assert found is not None, head
        await self._reader.readexactly(int(found[1]))
        return head.partition(b"\r\n")[0]

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    """A connection to a server."""
    port = int(url.rpartition(":")[2])
    connection = Connection(*await asyncio.open_connection("127.0.0.1", port))
    try:
        yield connection
    finally:
        connection.close()


def bare() -> ASGIApp:
    """The framework's own handler, which asks for nothing and looks nothing up."""
    api = FastAPI(openapi_url=None)

    @api.get(PATH)
    async def label() -> dict[str, object]:
        return {"sensitivity": "Normal", "trusted": True}

    return api


def request_of(path: str, headers: Mapping[str, str]) -> bytes:
    """A request as it goes over the wire."""
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def rate(connection: Connection, request: bytes, times: int) -> float:
    """Requests a second."""
    started = time.perf_counter()
    for _ in range(times):
        status = await connection.get(request)
        assert b" 200 " in status + b" ", status
    return times / (time.perf_counter() - started)


async def small_request(made: Served) -> None:
    """An authenticated GET of one session against the framework's bare handler, by turns."""
    times, rounds = pick(1500, 300), pick(9, 5)
    request = request_of(PATH, made.ann)
    async with (
        listening(made.app) as ours,
        listening(bare()) as theirs,
        connected(ours) as one,
        connected(theirs) as other,
    ):
        await rate(one, request, 50)
        await rate(other, request, 50)
        pairs = [
            (await rate(one, request, times), await rate(other, request, times))
            for _ in range(rounds)
        ]
    ratio = median([mine / its for mine, its in pairs])
    report(
        "small authenticated GET",
        ratio,
        "x",
        at_least=RATIO_BAR,
        against="the framework's own bare handler in the same run",
    )
    report("small authenticated GET, rate", median([one for one, _ in pairs]), "requests/s")


async def description(made: Served) -> None:
    """schemathesis, all phases, with a token."""
    with tempfile.TemporaryDirectory() as place:
        await _description(made, place)


async def _description(made: Served, place: str) -> None:
    seconds = pick(180, 20)
    made.sessions.prefer_default_llm()  # what is put into its configuration is no model that exists
    async with listening(made.app) as url:
        words = ["--config-file", str(TESTS / "server" / "schemathesis.toml"), "run"]
        words += [f"{url}/openapi.json", "--max-time", str(seconds), "--no-color"]
        words += ["--suppress-health-check", "all", "--continue-on-failure"]
        words += ["--exclude-operation-id", "refresh_token"]  # it would end the token in use
        words += ["--exclude-operation-id", "subscribe_events"]  # it ends with its session
        words += ["-H", f"Authorization: {made.admin['Authorization']}"]
        running = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "schemathesis.cli",
            *words,
            cwd=place,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        out, _ = await running.communicate()
    found = CHECKED.search(out.decode())
    generated, passed = (int(found[1]), int(found[2])) if found else (0, 0)
    wrong = generated - passed if generated and running.returncode == 0 else max(1, generated)
    report(
        "requests that break the description",
        wrong,
        "requests",
        at_most=0,
        against=f"{generated} requests of schemathesis, all phases",
    )


async def strangers() -> None:
    """Every route, by every role of another workspace, with ids that are not theirs."""
    ran = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n0",
        str(TESTS / "server" / "test_fuzz.py"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    out, _ = await ran.communicate()
    passed = re.search(r"(\d+) passed", out.decode())
    leaks = 0 if ran.returncode == 0 and passed else 1
    report("tests of foreign ids that fail", leaks, "tests", at_most=0)


async def work() -> None:
    """All of it."""
    async with served(settings=LENIENT) as made:
        await made.ok("POST", "/api/v1/sessions", {"id": "one"})
        await small_request(made)
        await description(made)
    await strangers()


def main() -> None:
    """Print the RESULT lines."""
    asyncio.run(work())


if __name__ == "__main__":
    main()
