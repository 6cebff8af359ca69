"""What an engine needs of its installation, and the letters it gets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Protocol

from holdfast.core.commands import Command
from holdfast.core.errors import HoldfastError, InvalidInput, VersionMismatch
from holdfast.core.gitstate import GitState
from holdfast.core.inspection import Inspected
from holdfast.core.judge import GUARDS, Guard
from holdfast.core.view import SessionView
from holdfast.ports.clock import Clock, SystemClock
from holdfast.ports.keys import Keys
from holdfast.ports.model import ModelClient
from holdfast.ports.registry import Registry
from holdfast.ports.shell import NoShell, ShellParser
from holdfast.ports.store import Assert, Store
from holdfast.ports.telemetry import NO_TELEMETRY, Telemetry
from holdfast.runtime.authority import Trust
from holdfast.runtime.detectors import Detectors
from holdfast.runtime.hooks import Hooks

CANCEL_GRACE_S = 0.8
"""How long a cancelled effect may take to report back before it is written off."""


def no_enclave(view: SessionView) -> ModelClient | None:
    """No enclave is configured."""
    return None


class HoldsModel(Protocol):
    """The default model of a session, where it can change: a turn keeps its own."""

    async def read(self, view: SessionView, *, anew: bool) -> None:
        """Find out, before something is decided, under which one a turn would begin.

        Args:
            anew: somebody may have changed it since the last reading.
        """

    def asserts(self, before: SessionView, after: SessionView) -> tuple[Assert, ...]:
        """What an append that begins a turn asserts."""

    def serves(self, view: SessionView) -> bool:
        """Whether the next call has a model, as last read."""


class NeverChanges:
    """The model of a manager that has none to change."""

    async def read(self, view: SessionView, *, anew: bool) -> None:
        """There is nothing to find out."""

    def asserts(self, before: SessionView, after: SessionView) -> tuple[Assert, ...]:
        """Nothing can have changed."""
        return ()

    def serves(self, view: SessionView) -> bool:
        """Looking again would change nothing."""
        return True


NEVER_CHANGES = NeverChanges()


async def nothing_below(stream: int) -> None:
    """There are no children."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The installation as an engine sees it.

    Args:
        model_for: the client a session's next call goes to, or None.
        turn_model: holds the model of a running turn, where it can change meanwhile.
        kill_leftovers: kills processes an earlier runtime left for an effect id.
        git_state: reads a workspace's git state.
        stop_below: cancels what runs in the children of a stream's session.
        hooks: code that is asked at fixed points.
        private: real paths of the installation's own files, which no tool gets to.
        shell: parses the command lines of tools that run them.
        trust: what the sessions of the installation's manager share.
        detectors: what content is looked at with.
        enclave_for: the client of a session's enclave, or None.
        enclave_wanted: whether an enclave is configured, there or not.
        finalise: makes the checkpoint that comes before a wipe and returns its number,
            0 for none; None where no checkpoints are made.
        end_below: wipes what stands below a stream's session that is to be wiped, but
            for what its view, as it is then, says is kept.
        telemetry: is told of runs and calls.
    """

    store: Store
    keys: Keys
    clock: Clock
    registry: Registry
    model_for: Callable[[SessionView], ModelClient | None]
    kill_leftovers: Callable[[str], Awaitable[int]]
    git_state: Callable[[str], Awaitable[GitState | None]]
    unsandboxed_allowed: bool = False
    private: tuple[str, ...] = ()
    guards: tuple[tuple[str, Guard], ...] = GUARDS
    stop_below: Callable[[int], Coroutine[Any, Any, None]] = nothing_below
    hooks: Hooks = field(default_factory=lambda: Hooks(SystemClock()))
    shell: ShellParser = field(default_factory=NoShell)
    trust: Trust = field(default_factory=Trust)
    detectors: Detectors = field(default_factory=Detectors)
    enclave_for: Callable[[SessionView], ModelClient | None] = no_enclave
    enclave_wanted: bool = False
    finalise: Callable[[], Awaitable[int]] | None = None
    end_below: Callable[[int, Callable[[], SessionView]], Awaitable[None]] | None = None
    turn_model: HoldsModel = NEVER_CHANGES
    telemetry: Telemetry = NO_TELEMETRY

    @property
    def finalises(self) -> bool:
        """Whether something has to be done between the last event and a wipe."""
        return self.finalise is not None or self.end_below is not None


@dataclass(frozen=True, slots=True)
class Handled:
    """A command was carried out: its events are `first` to `last`.

    `first` is 0 when there was nothing to record. `turn` is the turn a message
    started or joined. `duplicate` tells that an earlier submission of the same
    command did it; `first` and `last` are then where.
    """

    first: int
    last: int
    turn: int = 0
    duplicate: bool = False


def _promise() -> asyncio.Future[Handled]:
    return asyncio.get_running_loop().create_future()


@dataclass(slots=True, kw_only=True)
class Mail:
    """A command on its way through the engine.

    Args:
        id: 16 bytes that make it unique, or None for the engine's own reports.
        digest: keyed hash of its body.
        actor: pseudonym of the principal; 0 is the runtime itself.
        seq: its place in the inbox once it is durable there, else 0.
        internal: a report of the engine's own workers.
        tried: it was decided before and has to wait.
        seen: the hooks before a message have seen it; refused: what they said.
        found: what detectors made of `inspected`, the command they looked at; None
            if they failed.
        expects: the version that the session is to have when it is decided; None is any.
        trace: where what it leads to belongs, for telemetry.
    """

    command: Command
    future: asyncio.Future[Handled] = field(default_factory=_promise)
    id: bytes | None = None
    digest: bytes = b""
    actor: int = 0
    seq: int = 0
    internal: bool = False
    tried: bool = False
    seen: bool = False
    refused: HoldfastError | None = None
    found: Inspected | None = None
    inspected: Command | None = None
    expects: int | None = None
    trace: object | None = None

    def refusal(self, version: int) -> HoldfastError | None:
        """Why it is not to be decided at a version, or None."""
        if self.expects is not None and version != self.expects:
            return VersionMismatch()
        return self.refused

    def succeed(self, handled: Handled) -> None:
        """Tell whoever waits."""
        if not self.future.done():
            self.future.set_result(handled)

    def fail(self, error: HoldfastError) -> None:
        """Tell whoever waits."""
        if not self.future.done():
            self.future.set_exception(error)
            self.future.exception()  # nobody may be waiting; that is no warning


def letter(
    command: Command,
    *,
    id: bytes | None,
    digest: bytes,
    actor: int,
    expects: int | None,
    trace: object | None = None,
) -> Mail:
    """A command that is to be posted; its future is of the running loop."""
    return Mail(command=command, id=id, digest=digest, actor=actor, expects=expects, trace=trace)


class Commands:
    """The ids of the commands that one request causes, in their order (contract 1.11).

    Whoever repeats the request gets the same ids, and so the first outcomes.

    Args:
        seed: 32 bytes that only this principal's request with this key has.
        body: what the request asks for; another body under the same ids is refused.
    """

    def __init__(self, seed: bytes, body: bytes) -> None:
        self.body = body
        self._seed = seed
        self._count = 0

    def named(self, name: bytes) -> bytes:
        """An id of the request that does not depend on how many commands it has, 16 bytes."""
        return sha256(self._seed + name).digest()[:16]

    def next(self) -> bytes:
        """The id of the next command, 16 bytes."""
        self._count += 1
        return sha256(self._seed + self._count.to_bytes(4)).digest()[:16]


def fail_all(batch: Iterable[Mail], error: HoldfastError) -> None:
    """Tell everybody who waits that it failed."""
    for mail in batch:
        mail.fail(error)


def check_command_id(id: object) -> None:
    """Refuse a command id that is not one.

    Raises:
        InvalidInput: it is neither None nor 16 bytes.
    """
    if id is not None and not (isinstance(id, bytes) and len(id) == 16):
        raise InvalidInput("a command id is 16 bytes")


def expect(what: str, value: object, *kinds: type) -> None:
    """Refuse an argument of a wrong type; a bool is no number.

    Raises:
        InvalidInput: naming the argument.
    """
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        names = " or ".join(kind.__name__ for kind in kinds)
        raise InvalidInput(f"{what} is to be {names}, not {type(value).__name__}")
