"""An enclave's own program: where it listens, and what makes its evidence.

Evidence of hardware comes from a command of the operator's: it is told the binding, in
hex, on its standard input, and prints JSON with `kind`, `document` and, where there are
such, `chain` (a list) and `collateral`; all but `kind` in base64.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from holdfast.adapters.attestation.forms import evidence_of
from holdfast.adapters.enclave.kept import KeptModel
from holdfast.adapters.enclave.lines import BUFFER_BYTES
from holdfast.adapters.enclave.roots import Sealing, open_files
from holdfast.adapters.enclave.sealedfiles import check_name
from holdfast.adapters.enclave.secretpage import SecretPage
from holdfast.adapters.enclave.serving import EnclaveServer
from holdfast.adapters.enclave.software import SEED_BYTES, measure
from holdfast.adapters.enclave.worker import EnclaveProgram, program_of, server_of, serving
from holdfast.core.errors import AttestationFailed, InvalidInput, TeeUnavailable
from holdfast.ports.attestation import Evidence
from holdfast.ports.model import ModelClient

EVIDENCE_S_MAX = 30.0
EVIDENCE_BYTES_MAX = 512 * 1024
NO_KEY = "none"
"""In place of a key that was not handed over yet, in a client that makes no call."""


def make_server(
    fields: Mapping[str, object],
    command: Sequence[str],
    seed: Path | None,
    sealing: Sealing | None = None,
) -> EnclaveServer:
    """Make the server of an enclave's program.

    Args:
        fields: of `EnclaveProgram`.
        command: makes evidence; empty for a simulated enclave.
        seed: file with the 32 bytes a simulated enclave signs with.
        sealing: where the key is kept that is handed over; None if it lies elsewhere.

    Raises:
        InvalidInput: the fields, the seed or the places cannot be used.
        SealRefused: what is sealed is not what was sealed last.
        TeeUnavailable: the machine gives no sealing root.
    """
    program = program_of(json.dumps(dict(fields)).encode())
    client = _model(program, sealing)
    page = SecretPage(SEED_BYTES)
    if seed is not None:
        page.buffer[:] = _seed(seed)
        return server_of(program, client, page)

    async def attest(binding: bytes) -> Evidence:
        return await ask_command(command, binding)

    return serving(program, client, page, attest, simulated=False)


def _model(program: EnclaveProgram, sealing: Sealing | None) -> ModelClient:
    """What is inside, with its key from where the program says."""
    name = program.sealed_name
    if (name is None) is not (sealing is None):
        raise InvalidInput("a key `sealed:NAME` and the places to seal it go together")
    if name is None or sealing is None:
        return program.client()
    check_name(name)
    shown = program.client(NO_KEY)
    files = open_files(sealing, measure(program.to_json()))
    files.read(name)  # what cannot be opened is known before anybody is served
    return KeptModel(files, name, program.client, shown)


def _seed(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            data = file.read(SEED_BYTES + 1)
    except OSError as error:
        raise InvalidInput(f"the seed cannot be read: {type(error).__name__}") from None
    if mode & 0o077 or len(data) != SEED_BYTES:
        raise InvalidInput(f"a seed is {SEED_BYTES} bytes that only its owner can read")
    return data


async def ask_command(command: Sequence[str], binding: bytes) -> Evidence:
    """Have a command make evidence.

    Raises:
        TeeUnavailable: it fails, takes too long, or prints no evidence.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        raise TeeUnavailable(f"the evidence cannot be made: {type(error).__name__}") from None
    try:
        async with asyncio.timeout(EVIDENCE_S_MAX):
            printed, _ = await process.communicate(binding.hex().encode())
        if process.returncode != 0:
            raise TeeUnavailable("the evidence cannot be made: the command failed")
    except TimeoutError:
        raise TeeUnavailable("the evidence cannot be made: the command takes too long") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return read_evidence(printed)


def read_evidence(printed: bytes) -> Evidence:
    """Read what a command printed.

    Raises:
        TeeUnavailable: it is no evidence.
    """
    try:
        told = json.loads(printed) if len(printed) <= EVIDENCE_BYTES_MAX else None
        if isinstance(told, dict):
            return evidence_of(told)
    except (ValueError, RecursionError, InvalidInput, AttestationFailed):
        pass
    raise TeeUnavailable("the command for evidence printed none")


def _copy_of(fd: int, mode: str) -> IO[bytes]:
    return os.fdopen(os.dup(fd), mode, buffering=0)


async def serve_stdio(server: EnclaveServer) -> None:
    """Serve one connection on standard input and output."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=BUFFER_BYTES)
    protocol = asyncio.StreamReaderProtocol(reader)
    await loop.connect_read_pipe(lambda: protocol, _copy_of(sys.stdin.fileno(), "rb"))
    transport, flow = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()),
        _copy_of(sys.stdout.fileno(), "wb"),
    )
    await server.serve(reader, asyncio.StreamWriter(transport, flow, reader, loop))


def _check_free(path: Path) -> None:
    if os.path.lexists(path):
        raise InvalidInput(f"there is something at {path} already")


async def serve_socket(server: EnclaveServer, path: Path, ready: Callable[[], None]) -> None:
    """Serve connections on a unix socket that only this user can reach, until told to end.

    Args:
        ready: called once it listens.

    Raises:
        InvalidInput: there is something at that path.
        TeeUnavailable: the socket cannot be made.
    """
    _check_free(path)
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    before = os.umask(0o177)
    try:
        listening = await asyncio.start_unix_server(server.serve, path, limit=BUFFER_BYTES)
    except OSError as error:
        raise TeeUnavailable(f"the socket cannot be made: {type(error).__name__}") from None
    finally:
        os.umask(before)
    try:
        ready()
        await over.wait()
    finally:
        listening.close()
        with suppress(OSError):
            os.unlink(path)
