"""A simulated enclave: a sandboxed process of its own that plays the part.

It is process isolation, with no hardware that vouches for it: whoever owns the machine
can look in. What it is for: developing against the very way that a real one is reached.

- It is started in the sandbox that commands run in, with no workspace to write to, and
  without a network unless its model needs one (bubblewrap only).
- Connections are handed to it over the socket it was started with: nobody else has one.
- The key it signs with is drawn for each start, and known to this verifier only.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.adapters.enclave.client import EnclaveClient, Stream
from holdfast.adapters.enclave.lines import BUFFER_BYTES
from holdfast.adapters.enclave.software import SEED_BYTES, SoftwareVerifier, measure
from holdfast.adapters.enclave.worker import READY, EnclaveProgram
from holdfast.adapters.sandbox.command import CommandLine, Limits, command_line
from holdfast.adapters.sandbox.status import SandboxKind, SandboxStatus, detect
from holdfast.core.errors import InvalidInput, TeeUnavailable
from holdfast.ports.attestation import AttestationPolicy, Attested
from holdfast.ports.clock import Clock
from holdfast.ports.model import ModelClient

START_S_MAX = 30.0
EXIT_S_MAX = 10.0
_ROOT = str(Path(__file__).resolve().parents[3])
_START = (
    "import sys; sys.path.insert(0, sys.argv[1]);"
    "from holdfast.adapters.enclave.worker import main; main()"
)


class SimulatedEnclave:
    """Implements `ports.enclave.Enclave` with a process that it starts.

    Args:
        program: what is inside.
        clock: time and randomness.
        memory_mb: private memory the process may have, in MiB.
        sandbox: the tier; default: the best that works here.
    """

    simulated = True

    def __init__(
        self,
        program: EnclaveProgram,
        clock: Clock,
        *,
        memory_mb: int = 2048,
        sandbox: SandboxStatus | None = None,
    ) -> None:
        self._program = program
        self._clock = clock
        self._memory_mb = memory_mb
        self._sandbox = sandbox
        self._running: _Running | None = None
        self._client: EnclaveClient | None = None

    @property
    def pid(self) -> int | None:
        """The process that was started, if it runs."""
        return self._running.process.pid if self._running else None

    @property
    def client(self) -> EnclaveClient:
        """The client's end.

        Raises:
            TeeUnavailable: it was not started.
        """
        if self._client is None:
            raise TeeUnavailable("the simulated enclave was not started")
        return self._client

    async def start(self) -> Attested:
        """Start the process, verify its evidence and make one round trip; see the port."""
        seed = bytearray(self._clock.random_bytes(SEED_BYTES))
        public = Ed25519PrivateKey.from_private_bytes(bytes(seed)).public_key().public_bytes_raw()
        policy = AttestationPolicy(
            measurements=frozenset({measure(self._program.to_json())}), hardware=False
        )
        try:
            self._running = await asyncio.to_thread(self._begin, seed)
        except (OSError, subprocess.SubprocessError) as error:
            name = type(error).__name__
            raise TeeUnavailable(f"the simulated enclave cannot be started: {name}") from None
        finally:
            seed[:] = bytes(len(seed))
        self._client = EnclaveClient(
            self._running.connect, (SoftwareVerifier((public,)),), policy, self._clock
        )
        try:
            return await self._client.start()
        except BaseException:
            await self.close()
            raise

    def _begin(self, seed: bytearray) -> _Running:
        sandbox = self._sandbox or detect()
        directory = tempfile.mkdtemp(prefix="holdfast-enclave-")
        try:
            line = _confined(self._program, sandbox, directory, self._memory_mb)
        except BaseException:
            os.rmdir(directory)
            raise
        return _Running(line, seed + self._program.to_json(), directory)

    def model(self, session_id: str) -> ModelClient:
        """The client of the model inside, for one session."""
        return self.client.model(session_id)

    async def close(self) -> None:
        """End all channels and the process; its memory is the kernel's again then."""
        client, self._client = self._client, None
        running, self._running = self._running, None
        try:
            if client is not None:
                await client.close()
        finally:
            if running is not None:
                await asyncio.to_thread(running.end)


def _confined(
    program: EnclaveProgram, sandbox: SandboxStatus, directory: str, memory_mb: int
) -> CommandLine:
    """How the process is started.

    Raises:
        TeeUnavailable: it cannot be confined as it has to be.
        InvalidInput: its key lies where the process cannot get it.
    """
    if not sandbox.confined:
        raise TeeUnavailable(f"a simulated enclave needs a sandbox: {sandbox.reason}")
    env, readable = {}, [_ROOT]
    kind, _, name = (program.key or "").partition(":")
    if kind == "env" and name in os.environ:
        env[name] = os.environ[name]
    elif kind == "file":
        readable.append(name)
    elif kind == "keyring":
        raise InvalidInput("a simulated enclave takes its key from env: or file:")
    online = program.provider != "holdfast"
    line = command_line(
        [sys.executable, "-I", "-c", _START, _ROOT],
        directory,
        sandbox,
        effect_id=f"enclave-{os.path.basename(directory)}",
        read_only=True,
        extra_env=env,
        extra_read=[*readable, "/etc/resolv.conf", "/etc/hosts"] if online else readable,
        limits=Limits(
            memory_bytes=memory_mb * 1024**2, file_bytes=1024**2, processes=4096, open_files=256
        ),
    )
    if not online:
        return line
    if sandbox.kind is not SandboxKind.BUBBLEWRAP:
        line.close()
        raise TeeUnavailable("a simulated enclave with a network needs bubblewrap")
    at = line.argv.index("--unshare-all") + 1
    argv = (*line.argv[:at], "--share-net", *line.argv[at:])
    return replace(line, argv=argv)


class _Running:
    """A process and the socket it was started with.

    The kernel ends the process with the *thread* that started it, so that thread waits
    until it is told to end it.
    """

    def __init__(self, line: CommandLine, first: bytearray, directory: str) -> None:
        self._line = line
        self._directory = directory
        self._over = threading.Event()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        started: Future[subprocess.Popen[bytes]] = Future()
        self._keeper = threading.Thread(
            target=self._keep, args=(theirs, started), name="holdfast-enclave", daemon=True
        )
        self._keeper.start()
        try:
            self.process = started.result()
            self._control.settimeout(START_S_MAX)
            self._control.sendall(first)
            if self._control.recv(len(READY)) != READY:
                raise TeeUnavailable("the simulated enclave ended as it was started")
        except BaseException:
            self.end()
            raise
        finally:
            first[:] = bytes(len(first))

    def _keep(self, theirs: socket.socket, started: Future[subprocess.Popen[bytes]]) -> None:
        with theirs:
            try:
                process = subprocess.Popen(
                    self._line.argv,
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=dict(self._line.env),
                    cwd=self._line.cwd,
                    start_new_session=True,
                )
            except BaseException as error:  # whoever waits is told
                started.set_exception(error)
                return
        started.set_result(process)
        self._over.wait()
        process.kill()
        with suppress(subprocess.TimeoutExpired):
            process.wait(EXIT_S_MAX)

    async def connect(self) -> Stream:
        """Hand the process one end of a new connection and keep the other."""
        ours, theirs = socket.socketpair()
        with theirs:
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
            try:
                socket.send_fds(self._control, [b"c"], [theirs.fileno()])
                return await asyncio.open_connection(sock=ours)
            except BaseException:
                ours.close()
                raise

    def end(self) -> None:
        """Kill it, wait until all of it is gone, and clear away.

        The socket ends when the last process that has it has given up its memory.
        """
        self._over.set()
        self._keeper.join(EXIT_S_MAX)
        self._control.settimeout(EXIT_S_MAX)
        with suppress(OSError):
            while self._control.recv(len(READY)):
                pass
        self._control.close()
        self._line.close()
        with suppress(OSError):
            os.rmdir(self._directory)
