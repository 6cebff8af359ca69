"""The process of a simulated enclave: one model behind channels that its parent opens.

Its standard input is a socket. The first packet tells it what to be; each later one
brings the descriptor of a connection. When the socket ends, so does the process. The
key it signs with lies in a page that nobody else can read, where the kernel has such.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import resource
import signal
import socket
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

from holdfast.adapters.enclave.echo import MODEL, EchoModel
from holdfast.adapters.enclave.kept import KeptModel
from holdfast.adapters.enclave.secretpage import SecretPage
from holdfast.adapters.enclave.serving import Attest, EnclaveServer, ServingLimits
from holdfast.adapters.enclave.software import SEED_BYTES, make_evidence, measure
from holdfast.adapters.enclave.wire import EnclaveFacts
from holdfast.adapters.models.factory import build_client
from holdfast.core.errors import InvalidInput
from holdfast.core.settings import ModelSettings
from holdfast.ports.attestation import Evidence
from holdfast.ports.model import ModelClient

PACKET_BYTES_MAX = 64 * 1024
READY = b"ready"
SEALED = "sealed"
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class EnclaveProgram:
    """What an enclave is to be; it is measured, so it holds no secrets.

    Args:
        provider, model: `holdfast` and `echo`, or as `ModelSettings` has them.
        base_url: another endpoint.
        key: a reference to the key, never the key; or `sealed:NAME`, for one that is
            handed over and kept sealed under that name (`enclave serve` only).
        delay_ms: how long `echo` takes for each word, in milliseconds.
        calls: of the model, at once.
    """

    provider: str = "holdfast"
    model: str = MODEL
    base_url: str | None = None
    key: str | None = None
    delay_ms: int = 0
    calls: int = 16

    def to_json(self) -> bytes:
        """As it is measured, and told to the process."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":")).encode()

    @property
    def sealed_name(self) -> str | None:
        """The name that its key is kept sealed under, if it is."""
        kind, colon, name = (self.key or "").partition(":")
        return name if colon and kind == SEALED else None

    def client(self, key: str | None = None) -> ModelClient:
        """Build what is inside.

        Args:
            key: the key that was handed over, where it is kept sealed.

        Raises:
            InvalidInput, LiteralSecret, MissingExtra, NotFound: as for `build_client`.
        """
        if (self.provider, self.model) == ("holdfast", MODEL):
            return EchoModel(delay_ms=self.delay_ms)
        place = self.key if key is None else None
        return build_client(
            ModelSettings(
                provider=self.provider, model=self.model, base_url=self.base_url, key=place
            ),
            key=key,
        )


def program_of(data: bytes) -> EnclaveProgram:
    """Read what an enclave is to be.

    Raises:
        InvalidInput: it cannot be read.
    """
    try:
        fields = json.loads(data)
        program = EnclaveProgram(**fields)
    except (ValueError, TypeError) as error:
        raise InvalidInput(f"this describes no enclave: {type(error).__name__}") from None
    texts = (program.provider, program.model)
    numbers = (program.delay_ms, program.calls)
    if not all(isinstance(one, str) and one for one in texts):
        raise InvalidInput("an enclave's provider and model are text")
    if any(type(one) is not int or one < 0 for one in numbers) or program.calls < 1:
        raise InvalidInput("an enclave's delay_ms and calls are whole numbers")
    if not all(isinstance(one, str | None) for one in (program.base_url, program.key)):
        raise InvalidInput("an enclave's base_url and key are text")
    return program


def seclude() -> None:
    """Die with the parent; leave no core file; let no other process look in.

    Raises:
        OSError: the kernel refuses.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's; the parent decides
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((_PR_SET_PDEATHSIG, signal.SIGKILL), (_PR_SET_DUMPABLE, 0)):
        if libc.prctl(option, value, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


def server_of(
    program: EnclaveProgram, client: ModelClient, page: SecretPage, *, simulated: bool = True
) -> EnclaveServer:
    """A server that signs its evidence with the seed in a page."""
    measurement = measure(program.to_json())

    async def attest(binding: bytes) -> Evidence:
        now_ms = time.time_ns() // 1_000_000
        return make_evidence(
            page.buffer[:SEED_BYTES], measurement=measurement, binding=binding, now_ms=now_ms
        )

    return serving(program, client, page, attest, simulated=simulated)


def serving(
    program: EnclaveProgram,
    client: ModelClient,
    page: SecretPage,
    attest: Attest,
    *,
    simulated: bool,
) -> EnclaveServer:
    """A server of a program's model.

    Args:
        client: the model; a `KeptModel` is handed its key through a channel.
        page: where its secrets lie.
        attest: makes evidence for a binding.
    """
    facts = EnclaveFacts(
        model=client.model,
        provider=client.provider,
        context_tokens=client.context_tokens,
        simulated=simulated,
        secret_memory=page.kind.value,
    )
    kept = client if isinstance(client, KeptModel) else None
    limits = ServingLimits(calls=program.calls)
    return EnclaveServer(client, attest, facts, limits=limits, kept=kept)


async def run(control: socket.socket) -> None:
    """Be what the first packet says, and serve what the later ones bring."""
    loop = asyncio.get_running_loop()
    control.setblocking(False)
    first = bytearray(await loop.sock_recv(control, PACKET_BYTES_MAX))
    page = SecretPage(SEED_BYTES)
    page.buffer[:] = first[:SEED_BYTES]
    program = program_of(bytes(first[SEED_BYTES:]))
    first[:] = bytes(len(first))
    client = program.client()
    server = server_of(program, client, page)
    await loop.sock_sendall(control, READY)
    tasks: set[asyncio.Task[Any]] = set()
    while (connection := await _next(loop, control)) is not None:
        reader, writer = await asyncio.open_connection(sock=connection)
        task = asyncio.create_task(server.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    page.wipe()
    await client.aclose()


async def _next(loop: asyncio.AbstractEventLoop, control: socket.socket) -> socket.socket | None:
    """The next connection; None when the parent has gone."""
    there = asyncio.Event()
    loop.add_reader(control, there.set)
    try:
        await there.wait()
    finally:
        loop.remove_reader(control)
    data, fds, _, _ = socket.recv_fds(control, 1, 1)
    if not data or len(fds) != 1:
        for fd in fds:
            os.close(fd)
        return None
    return socket.socket(fileno=fds[0])


def main() -> None:
    """Serve on standard input until it ends."""
    seclude()
    with socket.socket(fileno=os.dup(sys.stdin.fileno())) as control:
        asyncio.run(run(control))


if __name__ == "__main__":
    main()
