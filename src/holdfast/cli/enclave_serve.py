"""`holdfast enclave serve`: hosts a model behind attested channels."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.output import note
from holdfast.cli.world import options_of
from holdfast.core.errors import InvalidInput

if TYPE_CHECKING:
    from holdfast.adapters.enclave.serving import EnclaveServer

CONFIG_BYTES_MAX = 64 * 1024
_FIELDS = {
    "provider": str,
    "model": str,
    "base_url": str,
    "key": str,
    "calls": int,
    "evidence_command": list,
    "simulated_seed": str,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeConfig:
    """What the file says.

    Args:
        program: the fields of what is inside.
        evidence_command: makes evidence; `()` for a simulated enclave.
        simulated_seed: file with the 32 bytes a simulated enclave signs with, or None.
    """

    program: dict[str, object]
    evidence_command: tuple[str, ...]
    simulated_seed: Path | None


def read_config(path: Path) -> ServeConfig:
    """Read the file of an enclave.

    Raises:
        InvalidInput: it cannot be read, or says something unknown or of a wrong type, or
            not exactly one of `evidence_command` and `simulated_seed`.
    """
    try:
        with path.open("rb") as file:
            fields = tomllib.loads(file.read(CONFIG_BYTES_MAX).decode())
    except (OSError, ValueError) as error:
        raise InvalidInput(f"the enclave's file cannot be read: {type(error).__name__}") from None
    for name, value in fields.items():
        if name not in _FIELDS or type(value) is not _FIELDS[name]:
            raise InvalidInput(f"the enclave's file: {name} is unknown or of a wrong type")
    command, seed = fields.pop("evidence_command", []), fields.pop("simulated_seed", None)
    if bool(command) is bool(seed) or not all(isinstance(word, str) for word in command):
        raise InvalidInput("an enclave needs an evidence_command or a simulated_seed, not both")
    return ServeConfig(
        program=fields,
        evidence_command=tuple(command),
        simulated_seed=Path(seed) if seed else None,
    )


def serve(
    context: typer.Context,
    *,
    config: Annotated[Path, typer.Option("--config", help="What is inside: a TOML file.")],
    socket: Annotated[
        Path | None, typer.Option("--socket", help="Listen on a unix socket of this path.")
    ] = None,
    stdio: Annotated[
        bool, typer.Option("--stdio", help="Serve one connection on standard input and output.")
    ] = False,
) -> None:
    """Host a model behind channels that are bound to this machine's evidence."""
    # lazy: help does not need an event loop.
    import asyncio

    options_of(context)  # no server does this, and that is said
    if (socket is None) is not stdio:
        raise InvalidInput("give one of --socket and --stdio")
    wanted = read_config(config)
    asyncio.run(_serve(wanted, socket))


async def _serve(wanted: ServeConfig, path: Path | None) -> None:
    # lazy: help does not need cryptography.
    from holdfast.adapters.enclave.listening import serve_socket, serve_stdio

    server = _server(wanted)
    if path is None:
        await serve_stdio(server)
        return
    await serve_socket(server, path, lambda: note(f"listening on {path}"))


def _server(wanted: ServeConfig) -> EnclaveServer:
    # lazy: help does not need cryptography.
    from holdfast.adapters.enclave.listening import make_server

    return make_server(wanted.program, wanted.evidence_command, wanted.simulated_seed)
