"""`holdfast enclave provision`: a key that outlives the enclave, and no disk that is put back."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from clihelp import Place
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.adapters.enclave.client import EnclaveClient
from holdfast.adapters.enclave.factory import build_enclave
from holdfast.adapters.enclave.software import measure
from holdfast.adapters.enclave.worker import EnclaveProgram
from holdfast.bootstrap import SessionManager
from holdfast.core.messages import user
from holdfast.ports.clock import SystemClock
from holdfast.ports.model import ModelReply, ModelRequest
from holdfast.runtime.policyfile import parse_policy
from holdfast.runtime.tee import TeeStatus
from holdfast.testing.provider_server import ProviderServer
from holdfast.testing.script import say

SEED = bytes(range(2, 34))
PUBLIC = Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()
KEY = "sk-the-key-of-the-enclave"


class Machine:
    """An enclave's machine with a disk of its own, and the policy file of who uses it.

    Args:
        root: a folder for all of it.
        provider: address of the model provider; "" for a model that repeats what it hears.
    """

    def __init__(self, root: Path, provider: str = "") -> None:
        self.disk = root / "disk"
        self.disk.mkdir(mode=0o700)
        self.socket = root / "socket"
        self.anchor = root / "anchor"
        self.policy = root / "policy.toml"
        self.file = root / "enclave.toml"
        program = EnclaveProgram(key="sealed:provider")
        if provider:
            program = replace(program, provider="local", model="m", base_url=f"{provider}/v1")
        seed = root / "seed"
        seed.touch(0o600)
        seed.write_bytes(SEED)
        self.file.write_text(
            f'provider = "{program.provider}"\nmodel = "{program.model}"\n'
            + (f'base_url = "{program.base_url}"\n' if provider else "")
            + f'key = "{program.key}"\n'
            f'simulated_seed = "{seed}"\nsealed = "{self.disk}/sealed"\n'
            f'counter = "{self.disk}/counter"\nsealing_root = "{self.disk}/root"\n'
        )
        self.policy.touch(0o600)
        self.policy.write_text(
            f"[tee]\nenabled = true\nallow_simulated = true\nhardware = false\n"
            f'socket = "{self.socket}"\nanchor = "{self.anchor}"\n'
            f'measurements = ["{measure(program.to_json())}"]\nsoftware_keys = ["{PUBLIC.hex()}"]\n'
        )

    @asynccontextmanager
    async def serving(self, *more: str) -> AsyncIterator[None]:
        """The enclave's program, which is killed in the end."""
        process = await asyncio.create_subprocess_exec(*self.argv(*more), stderr=PIPE)
        try:
            assert process.stderr is not None
            assert b"listening" in await process.stderr.readline()
            yield
        finally:
            process.kill()
            await process.communicate()
            self.socket.unlink(missing_ok=True)

    def argv(self, *more: str) -> list[str]:
        """The command of the enclave's program."""
        words = ("-m", "holdfast", "enclave", "serve", "--config", str(self.file))
        return [sys.executable, *words, "--socket", str(self.socket), *more]

    def client(self) -> EnclaveClient:
        """The client of the policy file's enclave, as the command has it."""
        tee = parse_policy(self.policy.read_text(), str(self.policy)).confined.tee
        assert tee is not None
        enclave = build_enclave(tee, SystemClock())
        assert isinstance(enclave, EnclaveClient)
        return enclave

    async def provisioned(self, key: str) -> str:
        """Hand it a key, by a process of its own; returns what that said."""
        words = ("-m", "holdfast", "enclave", "provision", "env:THE_KEY", "--json")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *words,
            *("--policy", str(self.policy)),
            env={**os.environ, "THE_KEY": key},
            stdout=PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        assert 0 == process.returncode, said
        return said.decode()

    async def status(self) -> TeeStatus:
        """How a manager finds it; one that is ready has answered a call."""
        async with SessionManager(policy=self.policy) as sessions:
            if sessions.is_tee_enabled():
                client = sessions.tee_runtime.client_for("one")
                assert client is not None
                request = ModelRequest(system="", messages=(user("hello"),))
                *_, reply = [event async for event in client.stream(request)]
                assert isinstance(reply, ModelReply)
                assert reply.parts[0].text in ("fine", "hello")
            return sessions.tee_runtime.status


class Listener:
    """Stands before a provider, and notes the keys that it is shown."""

    def __init__(self, provider: ProviderServer) -> None:
        self.keys: list[str] = []
        self._port = int(provider.base_url.rpartition(":")[2])
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._port)
        for pair in ((reader, inner_writer), (inner_reader, writer)):
            task = asyncio.create_task(self._pass_on(*pair))
            self._tasks.add(task)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 20):
                found = re.findall(rb"(?i)authorization: bearer (\S+)", data)
                self.keys += [key.decode() for key in found]
                writer.write(data)
        finally:
            writer.close()


def test_a_key_outlives_the_enclave(tmp_path: Path) -> None:
    """Killed and started anew it needs no key to be heard by the provider with it."""

    async def work() -> None:
        async with ProviderServer([say("fine")]) as provider:
            listener = Listener(provider)
            async with listener as address:
                machine = Machine(tmp_path, address)
                async with machine.serving():
                    assert "enclave provision" in (await machine.status()).reason
                    said = await machine.provisioned(KEY)
                    assert '"version": 1,' in said and KEY not in said
                async with machine.serving():
                    assert (await machine.status()).ready
        assert [KEY] == listener.keys
        for path in machine.disk.rglob("*"):
            if path.is_file():
                assert KEY.encode() not in path.read_bytes()

    asyncio.run(work())


def test_a_disk_that_was_put_back_is_found(tmp_path: Path) -> None:
    """All of it, with root and counter: the enclave cannot tell, and whoever uses it can."""

    async def work() -> None:
        machine = Machine(tmp_path)
        async with machine.serving():
            await machine.client().hand_over("first")
            shutil.copytree(machine.disk, tmp_path / "older")
            assert 2 == (await machine.client().hand_over("second")).version
            assert (await machine.status()).ready
        shutil.rmtree(machine.disk)
        shutil.copytree(tmp_path / "older", machine.disk)
        async with machine.serving():
            text = "the enclave shows version 1 of its key, and was handed version 2"
            assert text == (await machine.status()).reason
            assert 3 == (await machine.client().hand_over("second")).version
            assert (await machine.status()).ready

    asyncio.run(work())


def test_what_is_refused_is_not_served_until_it_is_given_up(tmp_path: Path) -> None:
    """Exit code 8 with its reason; then the key has to be handed over anew."""

    async def work() -> None:
        machine = Machine(tmp_path)
        async with machine.serving():
            await machine.client().hand_over(KEY)
        (path,) = (machine.disk / "sealed").glob("*.sealed")
        path.write_bytes(path.read_bytes()[:-1])
        process = await asyncio.create_subprocess_exec(*machine.argv(), stderr=PIPE)
        _, said = await process.communicate()
        assert (8, True) == (process.returncode, b"(seal_refused)" in said)
        async with machine.serving("--renew"):
            assert "shows no key" in (await machine.status()).reason
            assert 2 == (await machine.client().hand_over(KEY)).version
            assert (await machine.status()).ready

    asyncio.run(work())


@pytest.mark.parametrize(
    "text", ["", "[tee]\nsocket = '/s'\n", "[tee]\nanchor = '/a'\n", "[network]\n"]
)
def test_a_policy_file_names_the_enclave(text: str, place: Place) -> None:
    """Its socket and its anchor; nothing is read or sent otherwise."""
    policy = place.root / "policy.toml"
    policy.touch(0o600)
    policy.write_text(text)
    ran = place.cli("enclave", "provision", "env:NONE", "--policy", str(policy))
    assert (2, True) == (ran.code, "socket and anchor" in ran.err)


def test_a_key_is_given_by_reference(place: Place) -> None:
    """Never as such, and nothing reaches the enclave before it is found."""
    machine = Machine(place.root, "http://127.0.0.1:1")
    for reference, code in (("sk-literal", 2), ("env:THERE_IS_NONE", 3)):
        ran = place.cli("enclave", "provision", reference, "--policy", str(machine.policy))
        assert code == ran.code
        assert "sk-literal" not in ran.out + ran.err
    assert not machine.anchor.exists()
