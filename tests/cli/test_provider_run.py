"""`holdfast run` does real work on a real repository through a provider's protocol."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.testing.provider_server import ProviderServer
from holdfast.testing.script import call, say

KEY = "sk-" + "canary-0123456789"
BUG, FIX = "    return a - b\n", "    return a + b\n"
TESTS = (
    "import unittest, calc\n\n"
    "class T(unittest.TestCase):\n"
    "    def test(self):\n"
    "        self.assertEqual(3, calc.add(1, 2))\n"
)
RUN_TESTS = call("bash", {"command": "python3 -m unittest -q"})
MEND = call("edit", {"file_path": "calc.py", "old_string": "a - b", "new_string": "a + b"})


def _repository(path: Path) -> Path:
    path.mkdir()
    (path / "calc.py").write_text("def add(a, b):\n" + BUG)
    (path / "test_calc.py").write_text(TESTS)
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "start"]):
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *who, *words], cwd=path, check=True)
    return path


async def _run(home: Path, provider: str, variable: str, model: str) -> tuple[int, str, list[str]]:
    repository = _repository(home / "repository")
    script = [RUN_TESTS, MEND, RUN_TESTS, say("add subtracted; it adds now.")]
    async with ProviderServer(script) as server:
        words = ["run", "fix the failing test", "--workspace", str(repository)]
        words += ["--model", f"{provider}:{model}", "--base-url", server.base_url]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "holdfast",
            *words,
            "--unsafe-auto-approve",
            env={
                **os.environ,
                "HOME": str(home),
                "XDG_DATA_HOME": str(home / "data"),
                "XDG_CONFIG_HOME": str(home / "config"),
                variable: KEY,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        return process.returncode or 0, output.decode(), server.problems


@pytest.mark.slow
@pytest.mark.parametrize(
    ("provider", "variable", "model"),
    [
        ("openai", "OPENAI_API_KEY", "gpt-4o"),
        ("anthropic", "ANTHROPIC_API_KEY", "claude-opus-4-5"),
    ],
)
def test_a_bug_is_found_and_mended(
    tmp_path: Path, provider: str, variable: str, model: str
) -> None:
    """The tests fail, the file is edited, the tests pass; the key is nowhere."""
    code, output, problems = asyncio.run(_run(tmp_path, provider, variable, model))
    assert (0, []) == (code, problems), output
    assert FIX in (tmp_path / "repository" / "calc.py").read_text()
    assert "add subtracted; it adds now." in output and "FAILED (failures=1)" in output
    found = subprocess.run(
        ["grep", "-rl", KEY, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert "" == found.stdout and KEY not in output


@pytest.mark.slow
def test_a_sealed_session_is_run(tmp_path: Path) -> None:
    """`--sealed` makes it so; an ordinary session is not sealed later."""

    async def cli(*words: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "holdfast",
            *words,
            env={
                **os.environ,
                "HOME": str(tmp_path),
                "XDG_DATA_HOME": str(tmp_path / "data"),
                "XDG_CONFIG_HOME": str(tmp_path / "config"),
                "OPENAI_API_KEY": KEY,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        return process.returncode or 0, output.decode()

    async def main() -> None:
        async with ProviderServer([say("hello there"), say("and here")]) as server:
            model = ("--model", "openai:gpt-4o", "--base-url", server.base_url)
            code, output = await cli("run", "hi", "-s", "one", "--sealed", *model)
            assert (0, True) == (code, "hello there" in output), output
            code, output = await cli("run", "hi", "-s", "two", *model)
            assert (0, True) == (code, "and here" in output), output
        code, output = await cli("sessions", "list", "--json")
        rows = {row["id"]: row for row in json.loads(output)}
        assert (True, False) == (rows["one"]["sealed"], rows["two"]["sealed"])
        code, output = await cli("run", "hi", "-s", "two", "--sealed")
        assert (2, True) == (code, "only a new session can be sealed" in output)

    asyncio.run(main())
