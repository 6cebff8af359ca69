"""`holdfast enclave serve`: real processes, from its file to an answer."""

from __future__ import annotations

import asyncio
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.adapters.enclave.client import EnclaveClient, Stream
from holdfast.adapters.enclave.roots import Sealing
from holdfast.adapters.enclave.software import SoftwareVerifier, measure
from holdfast.adapters.enclave.worker import EnclaveProgram
from holdfast.bootstrap import SessionManager
from holdfast.cli.enclave_serve import read_config
from holdfast.core.errors import InvalidInput
from holdfast.core.messages import user
from holdfast.ports.attestation import AttestationPolicy
from holdfast.ports.clock import SystemClock
from holdfast.ports.model import ModelReply, ModelRequest
from holdfast.runtime.tee import TeeAttestation, TeeConfig
from holdfast.testing.scripted import ScriptedModel

SEED = bytes(range(1, 33))
PUBLIC = Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()
MEASURED = measure(EnclaveProgram().to_json())
ARGV = [sys.executable, "-m", "holdfast", "enclave", "serve"]


def file_of(folder: Path) -> Path:
    """The file of a simulated enclave with the test's seed."""
    seed = folder / "seed"
    seed.touch(0o600)
    seed.write_bytes(SEED)
    path = folder / "enclave.toml"
    path.write_text(f'simulated_seed = "{seed}"\n')
    return path


def started(folder: Path, path: Path) -> subprocess.Popen[bytes]:
    """The program, on its way to listen."""
    return subprocess.Popen(
        [*ARGV, "--config", str(file_of(folder)), "--socket", str(path)], stderr=subprocess.PIPE
    )


def names_in(folder: Path) -> list[str]:
    """What lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


@asynccontextmanager
async def listening(folder: Path) -> AsyncIterator[Path]:
    """A running program and its socket."""
    path = folder / "socket"
    process = started(folder, path)
    try:
        assert process.stderr is not None
        line = await asyncio.to_thread(process.stderr.readline)
        assert b"listening" in line
        yield path
        process.send_signal(signal.SIGTERM)
        assert 0 == await asyncio.to_thread(process.wait, 20)
        assert ["enclave.toml", "seed"] == names_in(folder)
    finally:
        process.kill()
        process.communicate()


def test_a_session_is_answered_over_its_socket(tmp_path: Path) -> None:
    """Only its owner can reach the socket; it is gone with the program."""

    async def work() -> None:
        async with listening(tmp_path) as path:
            assert 0o600 == stat.S_IMODE(path.stat().st_mode)
            attestation = TeeAttestation(
                expected_measurements=frozenset({MEASURED}),
                software_keys=(PUBLIC.hex(),),
                hardware=False,
            )
            config = TeeConfig(
                enabled=True,
                required=True,
                allow_simulated=True,
                socket=str(path),
                attestation=attestation,
            )
            async with SessionManager(ScriptedModel(), tee=config) as sessions:
                assert sessions.is_tee_enabled() and sessions.tee_runtime.status.simulated
                client = sessions.tee_runtime.client_for("one")
                assert client is not None
                request = ModelRequest(system="", messages=(user("hello"),))
                *_, reply = [event async for event in client.stream(request)]
                assert isinstance(reply, ModelReply) and "hello" == reply.parts[0].text

    asyncio.run(work())


def test_one_connection_is_served_on_standard_input_and_output(tmp_path: Path) -> None:
    """As a forwarder would."""

    async def work() -> None:
        process = await asyncio.create_subprocess_exec(
            *ARGV,
            "--config",
            str(file_of(tmp_path)),
            "--stdio",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None and process.stdout is not None

        async def connect() -> Stream:
            assert process.stdin is not None and process.stdout is not None
            return process.stdout, process.stdin

        policy = AttestationPolicy(measurements=frozenset({MEASURED}), hardware=False)
        client = EnclaveClient(connect, [SoftwareVerifier([PUBLIC])], policy, SystemClock())
        assert not (await client.start()).hardware
        await client.close()
        assert 0 == await asyncio.wait_for(process.wait(), 20)

    asyncio.run(work())


@pytest.mark.parametrize(
    "text",
    ["", "more = 1", 'simulated_seed = "a"\nevidence_command = ["b"]', "calls = true",
     'evidence_command = [1]', 'simulated_seed = ""', "model = 3", "= =",
     'simulated_seed = "a"\nsealed = "b"', 'simulated_seed = "a"\ncounter = "b"',
     'simulated_seed = "a"\nsealed = "b"\ncounter = "c"',
     'simulated_seed = "a"\nsealed = "b"\nsealing_root = "c"',
     'simulated_seed = "a"\nsealed = "b"\ncounter = "c"\nsealing_command = ["d"]',
     'simulated_seed = "a"\nsealed = "b"\ncounter = "c"\nsealing_root = "e"\n'
     'sealing_command = ["d"]',
     'evidence_command = ["a"]\nsealed = "b"\ncounter = "c"\nsealing_root = "d"',
     'evidence_command = ["a"]\nsealed = "b"\ncounter = "c"\nsealing_command = [1]',
     'evidence_command = ["a"]\nsealing_command = ["b"]'],
)  # fmt: skip
def test_a_file_that_says_something_else_is_refused(text: str, tmp_path: Path) -> None:
    """Unknown names, wrong types, both or none of the kinds of evidence."""
    path = tmp_path / "enclave.toml"
    path.write_text(text)
    with pytest.raises(InvalidInput):
        read_config(path)
    with pytest.raises(InvalidInput):
        read_config(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("text", "root", "command"),
    [
        ('simulated_seed = "a"\nsealing_root = "d"', Path("d"), ()),
        ('evidence_command = ["a"]\nsealing_command = ["d", "e"]', None, ("d", "e")),
    ],
)
def test_a_file_names_where_a_key_is_sealed(
    text: str, root: Path | None, command: tuple[str, ...], tmp_path: Path
) -> None:
    """With the root that its kind of evidence goes with; without, nothing is sealed."""
    path = tmp_path / "enclave.toml"
    path.write_text(f'{text}\nsealed = "b"\ncounter = "c"\n')
    for renew in (False, True):
        assert read_config(path).sealing(renew=renew) == Sealing(
            directory=Path("b"), counter=Path("c"), root=root, command=command, renew=renew
        )
    path.write_text('simulated_seed = "a"\n')
    assert read_config(path).sealing(renew=False) is None


def test_one_way_to_it_has_to_be_named(tmp_path: Path) -> None:
    """Exactly one; else nothing is served."""
    for more in ([], ["--stdio", "--socket", str(tmp_path / "s")]):
        done = subprocess.run(
            [*ARGV, "--config", str(file_of(tmp_path)), *more],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (2, True) == (done.returncode, "give one of" in done.stderr)
