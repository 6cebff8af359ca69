"""Requests that come again: what their first coming made is found, not made anew (contract 1.11).

A request that has a key has `Commands`: ids that nobody else's requests have.
"""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.core.errors import CommandMismatch
from holdfast.runtime.envelope import Crypto
from holdfast.runtime.host import Commands
from holdfast.runtime.located import Located, find_located
from holdfast.runtime.manager import Core

_BIRTH = b"birth"


def birth_of(commands: Commands | None) -> tuple[bytes, bytes] | None:
    """Id and body of the command that a request's session is born of; None without a key."""
    return None if commands is None else (commands.named(_BIRTH), commands.body)


def name_of(commands: Commands) -> str:
    """The id of the session that a request makes, where nothing else names it."""
    return f"sess-{commands.named(b'session').hex()}"


async def born_of(core: Core, where: Located) -> bool:
    """Whether a session is what the request made, when it came before.

    Raises:
        CommandMismatch: it came with another body.
    """
    if core.commands is None:
        return False
    known = await where.backend.store.command(where.stream, core.commands.named(_BIRTH))
    if known is None:
        return False
    crypto = Crypto(where.backend.keys.session_key(where.stream), core.clock.random_bytes)
    if known[1] != crypto.digest(b"command", core.commands.body):
        raise CommandMismatch("this key was used before with another body")
    return True


async def made_before(core: Core, names: Iterable[str]) -> Located | None:
    """The session of one of these ids that the request made, when it came before, or None.

    Raises:
        CommandMismatch: it came with another body.
    """
    backends = [backend for _, backend in core.distinct_backends()]
    for name in names:
        where = await find_located(backends, core.tenant, name)
        if where is not None and await born_of(core, where):
            return where
    return None
