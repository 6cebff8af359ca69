"""The agent's configuration as a program has it: shown without its key, refused or in force."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from holdfast.bootstrap import SessionManager
from holdfast.core.agentconfig import KEEP, AgentConfig, AgentKey, CallSettings
from holdfast.core.errors import (
    HoldfastError,
    InvalidInput,
    LiteralSecret,
    NetworkBlocked,
    ScopeDenied,
    VersionMismatch,
)
from holdfast.core.labels import Sensitivity
from holdfast.core.network import NetworkPolicy, NetworkRule, Scheme
from holdfast.core.principals import Principal
from holdfast.core.security import Zone
from holdfast.core.settings import ModelSettings
from holdfast.ports.clock import SystemClock
from holdfast.runtime.agentbook import AgentBook
from holdfast.runtime.auditbus import AuditBus
from holdfast.runtime.host import Commands
from holdfast.testing.provider_server import ProviderServer
from holdfast.testing.script import call, say
from sealedhelp import run as run_long
from sessionhelp import echo, memory, on_file, run, until

SECRET = "sk-" + "canary-service-0123456789"
GPT = ModelSettings(provider="openai", model="gpt-4o")
HERE = replace(GPT, base_url="http://127.0.0.1:9/v1", zone=Zone.LOCAL)
THERE = replace(GPT, base_url="https://models.example/v1", zone=Zone.PRIVATE)
LOG = "agent-config:default"
WEB = [NetworkRule(host="*.example", schemes=(Scheme.HTTPS,))]


def admin(workspace: str = "*", **more: Any) -> Principal:
    """An administrator."""
    return Principal(
        id="user:root", workspace=workspace, role="admin", scopes=frozenset("*"), **more
    )


def test_what_is_set_is_shown_without_its_key() -> None:
    async def work() -> None:
        async with memory(echo()) as sessions:
            before = await sessions.agent_config()
            assert ("process", 0, "scripted") == (before.source, before.version, before.provider)
            model = replace(HERE, sees=Sensitivity.HIGHLY_SENSITIVE, input_usd="1", output_usd="2")
            calls = CallSettings(total_s=60)
            found = await sessions.set_agent_config(model, api_key=SECRET, calls=calls)
            assert found == await sessions.agent_config()
            assert isinstance(found.changed_at, int)
            wanted = AgentConfig(
                version=1,
                source="stored",
                provider="openai",
                model="gpt-4o",
                base_url="http://127.0.0.1:9/v1",
                zone="local",
                sees="HighlySensitive",
                input_usd="1",
                output_usd="2",
                calls=calls,
                key=AgentKey(set=True, source="stored", changed_at=found.changed_at),
                changed_at=found.changed_at,
                changed_by="local",
            )
            assert wanted == found
            assert SECRET not in repr(found)
            after = await sessions.set_agent_config(None, expected=1)
            assert ("process", 2, AgentKey()) == (after.source, after.version, after.key)
            with pytest.raises(VersionMismatch):
                await sessions.set_agent_config(GPT, api_key=SECRET, expected=1)
        async with SessionManager() as sessions:
            assert AgentConfig() == await sessions.agent_config()
            await sessions.set_default_llm(replace(GPT, key="env:PATH"))
            shown = await sessions.agent_config()
            key = AgentKey(set=True, source="reference", reference="env:PATH")
            assert ("process", "public", key) == (shown.source, shown.zone, shown.key)

    run(work())


REFUSED: list[tuple[Any, dict[str, Any], type[HoldfastError]]] = [
    (replace(GPT, provider="nobody"), {"api_key": SECRET}, InvalidInput),
    (replace(GPT, key=SECRET), {}, LiteralSecret),
    (replace(GPT, key="env:NO_SUCH_VARIABLE_HERE"), {}, InvalidInput),
    (replace(GPT, key="file:/no/such/file"), {}, InvalidInput),
    (replace(GPT, input_usd="dear"), {"api_key": SECRET}, InvalidInput),
    (replace(HERE, zone=None), {"api_key": SECRET}, InvalidInput),
    (replace(HERE, base_url="ftp://h.example/"), {"api_key": SECRET}, InvalidInput),
    (replace(HERE, base_url="https://u:p@h.example/"), {"api_key": SECRET}, InvalidInput),
    (replace(HERE, base_url="https://h.example/?k=1"), {"api_key": SECRET}, InvalidInput),
    (replace(HERE, base_url="https://2130706433/"), {"api_key": SECRET}, InvalidInput),
    (replace(HERE, base_url="https://127.1/"), {"api_key": SECRET}, InvalidInput),
    (replace(HERE, base_url="https://evil.test/"), {"api_key": SECRET}, NetworkBlocked),
    (replace(HERE, base_url="http://h.example/"), {"api_key": SECRET}, NetworkBlocked),
    (replace(HERE, base_url="https://h.example/"), {}, InvalidInput),
    (GPT, {"api_key": "two words"}, InvalidInput),
    (GPT, {"api_key": 7}, InvalidInput),
    (GPT, {"api_key": SECRET, "calls": {}}, InvalidInput),
    (GPT, {"api_key": SECRET, "expected": "1"}, InvalidInput),
    ("openai:gpt-4o", {"api_key": SECRET}, InvalidInput),
]


def test_what_is_refused_leaves_what_was(caplog: pytest.LogCaptureFixture) -> None:
    """Its key is in no message and no log."""

    async def work() -> None:
        network = NetworkPolicy(rules=tuple(WEB))
        async with memory(echo(), model_network=network) as sessions:
            good = replace(HERE, base_url="https://good.example/v1")
            before = await sessions.set_agent_config(good, api_key="good")
            for model, more, error in REFUSED:
                with pytest.raises(error) as caught:
                    await sessions.set_agent_config(model, **more)
                assert before == await sessions.agent_config()
                assert SECRET not in str(caught.value) and SECRET not in repr(caught.value)

    with caplog.at_level(logging.DEBUG):
        run(work())
    assert SECRET not in caplog.text


def test_whose_key_a_workspace_has_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of the installation go only where an administrator of all workspaces says."""
    monkeypatch.setenv("OPENAI_API_KEY", "of-the-installation")
    named = replace(GPT, key="env:NO_SUCH_VARIABLE_THERE")

    async def work() -> None:
        async with memory(echo()) as sessions:
            here = sessions.acting_as(admin("default"))
            for model in (THERE, named, replace(THERE, provider="other")):
                for key in (None, KEEP):
                    with pytest.raises(ScopeDenied) as caught:
                        await here.set_agent_config(model, api_key=key)
                    assert "NO_SUCH" not in str(caught.value)
            assert 1 == (await here.set_agent_config(THERE, api_key=SECRET)).version
            assert 2 == (await here.set_agent_config(GPT, api_key=None)).version
            everywhere = sessions.acting_as(admin(), workspace="default")
            found = await everywhere.set_agent_config(THERE)
            assert (3, "user:root") == (found.version, found.changed_by)
            bound = sessions.acting_as(admin("default", session="one"))
            for work in (bound.agent_config(), bound.set_agent_config(None)):
                with pytest.raises(ScopeDenied):
                    await work

    run(work())


def test_a_principal_names_no_address_that_is_not_public() -> None:
    """The program may; of others it is refused, and what they name is marked for good."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            everywhere = sessions.acting_as(admin(), workspace="default")
            with pytest.raises(NetworkBlocked) as refused:
                await everywhere.set_agent_config(HERE, api_key=SECRET)
            assert "block_address" == refused.value.verdict
            await sessions.set_agent_config(HERE, api_key=SECRET)
            with pytest.raises(NetworkBlocked):
                await everywhere.set_agent_config(replace(HERE, model="x"))
            await everywhere.set_agent_config(THERE, api_key=SECRET)
            stored = (await AgentBook(sessions.distinct_backends()[0][1]).read("default")).record
            assert stored is not None and replace(THERE, public_only=True) == stored.model
            await sessions.set_agent_config(THERE)
            stored = (await AgentBook(sessions.distinct_backends()[0][1]).read("default")).record
            assert stored is not None and THERE == stored.model
            assert GPT == everywhere.restricted(GPT)

    run(work())


def test_each_change_is_an_audit_event() -> None:
    """It names its session's place; there is no key in it, nor in the feed."""

    async def work() -> None:
        bus = AuditBus()
        async with memory(echo(), audit=bus) as sessions:
            await sessions.set_agent_config(GPT, api_key=SECRET)
            await sessions.set_agent_config(None)
            found, _ = await bus.page()
            assert {LOG} == {one.session for one in found}
            told = [one.mark.kind for one in found]
            assert ["opened", "state_changed", "settings_changed", "settings_changed"] == told
            assert SECRET not in repr(found)
            store = sessions.distinct_backends()[0][1].store
            assert SECRET.encode() not in b"".join(
                one.event.body for one in await store.events_since(0)
            )
            assert (await sessions.audit_verify()).ok

    run(work())


class Child:
    """Another process over the same store."""

    def __init__(self, folder: Path) -> None:
        child = str(Path(__file__).parents[1] / "agent_child.py")
        env = {k: v for k, v in os.environ.items() if not k.endswith("_API_KEY")}
        self._log = (folder.parent / "child.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, child, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=env,
        )

    async def line(self) -> str:
        """The next line that it prints."""
        assert self.process.stdout is not None
        return (await asyncio.to_thread(self.process.stdout.readline)).decode().strip()

    def tell(self, text: str) -> None:
        """Write a line to it."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n".encode())
        self.process.stdin.flush()

    async def says(self, text: str) -> str:
        """What its model answers."""
        self.tell(f"say {text}")
        return await self.line()

    def kill(self) -> None:
        """End it without a word."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self._log):
            assert pipe is not None
            pipe.close()


@pytest.mark.slow
def test_another_process_has_it_at_its_next_turn(tmp_path: Path) -> None:
    """A turn that runs there ends with the old one; killed and restarted, it has it still.

    No file of the store and no log has the key, by the look of a third process.
    """
    folder = tmp_path / "home"
    folder.mkdir()

    async def work(old: ProviderServer, new: ProviderServer) -> None:
        def at(server: ProviderServer) -> ModelSettings:
            return replace(HERE, base_url=f"{server.base_url}/v1", input_usd="0", output_usd="0")

        async with on_file(folder) as sessions:
            child = Child(folder)
            try:
                assert "open" == await child.line()
                assert "! no_model" == await child.says("q")
                await sessions.set_agent_config(at(old), api_key=SECRET)
                assert "old" == await child.says("q")
                child.tell("say use")
                await until((folder / "waits").exists)
                await sessions.set_agent_config(at(new), api_key=f"{SECRET}-2")
                (folder / "go").touch()
                assert "old to the end" == await child.line()
                assert "new" == await child.says("q")
                child.kill()
                child = Child(folder)
                assert ["open", "new"] == [await child.line(), await child.says("q")]
            finally:
                child.kill()
            assert (await sessions.audit_verify()).ok
            looking = await asyncio.create_subprocess_exec(
                *("grep", "-rlaE", f"{SECRET}|{SECRET[8:24]}", str(tmp_path)),
                stdout=subprocess.PIPE,
            )
            assert (b"", None) == await looking.communicate()
            assert 1 == looking.returncode
        async with on_file(folder) as sessions:
            assert ("stored", 2) == (
                (await sessions.agent_config()).source,
                (await sessions.agent_config()).version,
            )

    async def served() -> None:
        script = [say("old"), call("wait"), say("old to the end")]
        async with ProviderServer(script) as old:
            async with ProviderServer(itertools.repeat(say("new"))) as new:
                await work(old, new)
            assert [] == old.problems + new.problems

    run_long(served())


REPEATS = """
import asyncio, sys
from dataclasses import asdict
from pathlib import Path
from holdfast.bootstrap import SessionManager
from holdfast.core.principals import Principal
from holdfast.core.settings import ModelSettings
from holdfast.runtime.host import Commands
async def main():
    folder = Path(sys.argv[1])
    store, key = folder / "store" / "s.db", folder / "installation.key"
    root = Principal(id="user:root", workspace="*", role="admin", scopes=frozenset("*"))
    gpt = ModelSettings(provider="openai", model="a")
    async with SessionManager.open(store, installation_key=key) as sessions:
        view = sessions.acting_as(root, commands=Commands(bytes(32), b"body"))
        found = await view.set_agent_config(gpt, api_key=sys.stdin.read())
        print(repr((asdict(found), (await view.agent_config()).model)))
asyncio.run(main())
"""


def test_another_process_answers_a_repeated_request_as_it_was_answered(tmp_path: Path) -> None:
    """What that process knows of it is in the store alone, and it takes nothing back."""

    async def work() -> None:
        async with on_file(tmp_path, echo()) as sessions:
            gpt = ModelSettings(provider="openai", model="a")
            view = sessions.acting_as(admin(), commands=Commands(bytes(32), b"body"))
            first = await view.set_agent_config(gpt, api_key=SECRET)
            await sessions.set_agent_config(replace(gpt, model="b"))
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", REPEATS, str(tmp_path)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            told, _ = await child.communicate(SECRET.encode())
            assert repr((asdict(first), "b")) == told.decode().strip()
            assert "b" == (await sessions.agent_config()).model
            fresh = view.acting_as(admin(), commands=Commands(bytes(32), b"body"))
            assert first == await fresh.set_agent_config(gpt, api_key=SECRET)
            assert (await sessions.audit_verify()).ok

    run(work())


class Later(SystemClock):
    """A clock that can be set ahead."""

    days = 0

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return super().now_ms() + self.days * 24 * 3600 * 1000


def test_no_rule_wipes_it_as_a_session_at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing happens in it for a year: it holds, and sessions at rest are wiped all the same."""
    monkeypatch.setenv("HOLDFAST_RETENTION_IDLE_DAYS", "30")

    async def work() -> None:
        clock = Later()
        async with memory(echo(), clock=clock) as sessions:
            await sessions.create_session("old")
            await sessions.set_agent_config(GPT, api_key=SECRET)
            clock.days = 366
            report = await sessions.apply_retention()
            assert (["old"], ()) == ([one.session_id for one in report.due], report.failed)
            assert 1 == (await sessions.agent_config()).version
            assert (await sessions.audit_verify()).ok

    run(work())
