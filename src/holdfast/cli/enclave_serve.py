"""`holdfast enclave serve`: hosts a model behind attested channels."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.output import note
from holdfast.cli.world import options_of
from holdfast.core.errors import InvalidInput

if TYPE_CHECKING:
    from holdfast.adapters.enclave.roots import Sealing
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
    "sealed": str,
    "counter": str,
    "sealing_root": str,
    "sealing_command": list,
}
_PLACES = ("sealed", "counter", "sealing_root")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeConfig:
    """What the file says.

    Args:
        program: the fields of what is inside.
        evidence_command: makes evidence; `()` for a simulated enclave.
        simulated_seed: file with the 32 bytes a simulated enclave signs with, or None.
        sealed: directory of what is kept sealed, or None.
        counter: file that counts its versions.
        sealing_root: file of a simulated enclave's root.
        sealing_command: asks the machine for its root.
    """

    program: dict[str, object]
    evidence_command: tuple[str, ...]
    simulated_seed: Path | None
    sealed: Path | None = None
    counter: Path | None = None
    sealing_root: Path | None = None
    sealing_command: tuple[str, ...] = ()

    def sealing(self, *, renew: bool) -> Sealing | None:
        """Where the key is kept; None if it is not kept sealed.

        Args:
            renew: what is refused is given up.
        """
        # lazy: help does not need cryptography.
        from holdfast.adapters.enclave.roots import Sealing

        if self.sealed is None or self.counter is None:
            return None
        return Sealing(
            directory=self.sealed,
            counter=self.counter,
            root=self.sealing_root,
            command=self.sealing_command,
            renew=renew,
        )


def read_config(path: Path) -> ServeConfig:
    """Read the file of an enclave.

    Raises:
        InvalidInput: it cannot be read, or says something unknown or of a wrong type, or
            not exactly one of `evidence_command` and `simulated_seed`; or some of the
            places of what is sealed, and not the others that go with them.
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
    places = {name: fields.pop(name, "") for name in _PLACES}
    sealing = fields.pop("sealing_command", [])
    if any(places.values()) or sealing:
        _check_sealing(places, sealing, simulated=bool(seed))
    directory, counter, root = (Path(place) if place else None for place in places.values())
    return ServeConfig(
        program=fields,
        evidence_command=tuple(command),
        simulated_seed=Path(seed) if seed else None,
        sealed=directory,
        counter=counter,
        sealing_root=root,
        sealing_command=tuple(sealing),
    )


def _check_sealing(places: Mapping[str, str], command: list[object], *, simulated: bool) -> None:
    """Hardware gives its own root; one in a file is only ever a simulated enclave's."""
    root = bool(places["sealing_root"])
    if not places["sealed"] or not places["counter"] or bool(command) is root:
        raise InvalidInput("`sealed`, `counter` and a root to seal with go together")
    if simulated is not root or not all(isinstance(word, str) for word in command):
        raise InvalidInput(
            "what is sealed has a sealing_root beside a simulated_seed, and a "
            "sealing_command beside an evidence_command"
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
    renew: Annotated[
        bool, typer.Option("--renew", help="Give up a sealed key that is refused.")
    ] = False,
) -> None:
    """Host a model behind channels that are bound to this machine's evidence."""
    # lazy: help does not need an event loop.
    import asyncio

    options_of(context)  # no server does this, and that is said
    if (socket is None) is not stdio:
        raise InvalidInput("give one of --socket and --stdio")
    wanted = read_config(config)
    asyncio.run(_serve(wanted, socket, renew=renew))


async def _serve(wanted: ServeConfig, path: Path | None, *, renew: bool) -> None:
    # lazy: help does not need cryptography.
    from holdfast.adapters.enclave.listening import serve_socket, serve_stdio

    server = _server(wanted, renew=renew)
    try:
        if path is None:
            await serve_stdio(server)
        else:
            await serve_socket(server, path, lambda: note(f"listening on {path}"))
    finally:
        await server.aclose()


def _server(wanted: ServeConfig, *, renew: bool) -> EnclaveServer:
    # lazy: help does not need cryptography.
    from holdfast.adapters.enclave.listening import make_server

    return make_server(
        wanted.program,
        wanted.evidence_command,
        wanted.simulated_seed,
        wanted.sealing(renew=renew),
    )
