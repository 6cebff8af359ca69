"""The routers by name; what the description says of them is true."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.server.routes import ROUTERS
from holdfast.server.settings import ServerSettings
from holdfast.server.shield import PUBLIC
from serverkit import listening, served
from sessionhelp import run

HERE = Path(__file__).parent.parent
MANY = 10**7


def test_operations_have_names_of_their_own() -> None:
    """Clients are made of them."""
    ids = [route.operation_id for one in ROUTERS.values() for route in one.routes]  # type: ignore[attr-defined]  # all of them are API routes
    assert all(ids)
    assert len(ids) == len(set(ids))


def test_the_description() -> None:
    """OpenAPI 3.1; problems are described; nothing is promised that is not there."""

    async def work() -> None:
        async with served() as made:
            found = (await made.http.get("/openapi.json")).json()
            assert found["openapi"].startswith("3.1")
            for path, item in found["paths"].items():
                for operation in item.values():
                    assert (path in PUBLIC) == ("security" not in operation)
                    told = operation["responses"]["4XX"]["content"]
                    assert ["application/problem+json"] == list(told)
            assert "501" not in json.dumps(found["paths"])

    run(work())


@pytest.mark.slow
def test_the_description_is_true(tmp_path: Path) -> None:
    """schemathesis, over a socket, with a token: no server error, no violation."""

    async def work() -> None:
        lenient = ServerSettings(requests_per_minute=MANY, strangers_per_minute=MANY)
        async with served(settings=lenient) as made, listening(made.app) as url:
            await made.ok("POST", "/api/v1/sessions", {"id": "one"}, by=made.admin)
            made.sessions.prefer_default_llm()  # no provider that it puts there is called
            words = ["--config-file", str(HERE / "schemathesis.toml"), "run"]
            words += [f"{url}/openapi.json", "--max-time", "10", "--phases", "coverage,stateful"]
            # It would put another token in the place of the one that all of this is done with.
            words += ["--exclude-operation-id", "refresh_token"]
            words += ["--suppress-health-check", "all", "--no-color", "--continue-on-failure"]
            words += ["--exclude-operation-id", "subscribe_events"]  # it ends with its session
            words += ["-H", f"Authorization: {made.admin['Authorization']}"]
            running = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "schemathesis.cli", *words),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=tmp_path,
            )
            out, _ = await running.communicate()
            assert 0 == running.returncode, re.sub(r"(.{400}).+", r"\1", out.decode())[-9000:]

    async def longer() -> None:
        async with asyncio.timeout(90):
            await work()

    asyncio.run(longer())
