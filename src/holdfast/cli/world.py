"""Where the command line finds its store, and how it opens it.

Runners lead sessions; clients never do: what they ask is put into the session's
inbox and carried out by whoever leads it (contract 1.11).
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from holdfast.core.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from holdfast.bootstrap import Model, SessionManager

STORE_VARIABLE = "HOLDFAST_STORE"
SERVER_VARIABLE = "HOLDFAST_SERVER"
BEARER_VARIABLE = "HOLDFAST_TOKEN"
BEARER_FILE_VARIABLE = "HOLDFAST_TOKEN_FILE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options before the command.

    Args:
        store: the SQLite file.
        installation_key: None for the default place.
        json: machine-readable output.
        policy: the policy file; None to look where `runtime.policyplaces` says.
        server: the address of a server that is to do it; "" is the store that is here.
        token_file: where its token stands; None for `HOLDFAST_TOKEN`.
    """

    store: Path
    installation_key: Path | None = None
    json: bool = False
    policy: Path | None = None
    server: str = ""
    token_file: Path | None = None


def options_of(context: typer.Context, *, served: bool = False) -> Options:
    """The global options of a command.

    Args:
        served: a server can carry the command out as well.

    Raises:
        InvalidInput: a server is to do what only a process beside the store can do.
    """
    found = context.find_object(Options)
    assert found is not None, "the main callback sets the options"
    if found.server and not served:
        raise InvalidInput(
            f"a server cannot do `{context.command_path}`: run it where the store is, "
            f"without --server and {SERVER_VARIABLE}"
        )
    return found


def default_store() -> Path:
    """$XDG_DATA_HOME/holdfast/sessions.db, else below ~/.local/share."""
    data = os.environ.get("XDG_DATA_HOME")
    base = Path(data) if data else Path.home() / ".local" / "share"
    return base / "holdfast" / "sessions.db"


def talks_to_a_person() -> bool:
    """Whether a person can be asked: input and output are a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def make_runner(
    options: Options, model: Model | None = None, *, unsandboxed: bool = False
) -> SessionManager:
    """A manager that leads sessions; made anew where there is none."""
    # lazy: opening a store loads SQLite and cryptography.
    from holdfast.bootstrap import SessionManager

    return SessionManager.open(
        options.store,
        llm_client=model,
        installation_key=options.installation_key,
        unsandboxed=unsandboxed,
        policy=options.policy,
    )


def make_client(options: Options) -> SessionManager:
    """A manager that reads and submits, and never leads a session.

    Raises:
        NotFound: there is no store yet.
    """
    require_store(options)
    # lazy: opening a store loads SQLite and cryptography.
    from holdfast.cli.client import Client

    return Client.open(
        options.store, installation_key=options.installation_key, policy=options.policy
    )


def require_store(options: Options) -> None:
    """Refuse to make an empty store by merely looking.

    Raises:
        NotFound: there is none.
    """
    if not options.store.exists():
        raise NotFound(f"there is no store at {options.store} yet; `holdfast run` makes one")


@asynccontextmanager
async def opened(options: Options, *, lead: bool = False) -> AsyncIterator[SessionManager]:
    """Open an existing store as a client or, with `lead`, as a runner.

    Raises:
        NotFound: there is no store yet.
    """
    require_store(options)
    async with make_runner(options) if lead else make_client(options) as manager:
        yield manager
