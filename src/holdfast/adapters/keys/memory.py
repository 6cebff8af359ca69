"""Keys that live in memory: a working twin of `FileKeys` for tests and simulation.

With a seeded random source everything is reproducible. What would be on disk
outlives `close` and comes back with `reopen`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from holdfast.adapters.keys.hierarchy import FailPoint, HierarchyKeys, found, no_fail_point
from holdfast.adapters.keys.wraps import DATA, SECRET_BYTES, Kind, Random, Wrap, wipe
from holdfast.core.errors import WrongKey
from holdfast.ports.keys import DestroyReceipt


class MemoryVault:
    """Epochs of an installation key, in memory."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._installation = random(16)
        self._epochs: dict[int, bytearray] = {}

    @property
    def installation(self) -> bytes:
        """The installation's random 16-byte id."""
        return self._installation

    def key(self, epoch: int) -> bytearray:
        """Copy out an epoch's key."""
        if epoch not in self._epochs:
            raise WrongKey(f"epoch {epoch} of the installation key does not exist here")
        return bytearray(self._epochs[epoch])

    def holds(self, epoch: int) -> bool:
        """Whether an epoch's key still exists."""
        return epoch in self._epochs

    def add(self, epoch: int) -> None:
        """Draw an epoch's key, unless it is there already."""
        if epoch not in self._epochs:
            self._epochs[epoch] = bytearray(self._random(SECRET_BYTES))

    def retire(self, below: int) -> None:
        """Destroy all epochs below this one."""
        for epoch in [epoch for epoch in self._epochs if epoch < below]:
            wipe(self._epochs.pop(epoch))

    def close(self) -> None:
        """Keep everything: this is what stands for the disk."""


class MemoryShelf:
    """Wraps and receipts, in memory; a failed transaction is undone."""

    def __init__(self) -> None:
        self._wraps: dict[tuple[Kind, bytes], dict[int, Wrap]] = {}
        self._below: dict[tuple[Kind, bytes], dict[bytes, None]] = {}
        self._receipts: dict[int, DestroyReceipt] = {}
        self._retired: dict[int, int] = {}
        self._epoch = 0
        self._undo: list[Callable[[], object]] = []

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold one consistent view; there is only one thread in here."""
        yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Undo everything if the block raises."""
        self._undo = []
        try:
            yield
        except BaseException:
            # Undoing notes its own undoing, in a list that nobody reads.
            undo, self._undo = self._undo, []
            for action in reversed(undo):
                action()
            raise

    def find(self, kind: Kind, scope: bytes, key_id: int | None = None) -> Wrap | None:
        """Read one wrap; without a key id the newest."""
        wraps = self._wraps.get((kind, scope))
        if not wraps:
            return None
        return wraps.get(max(wraps) if key_id is None else key_id)

    def under(self, kind: Kind, parent: bytes) -> list[Wrap]:
        """Read all wraps of a kind below a parent's scope."""
        scopes = self._below.get((kind, parent), {})
        return [wrap for scope in scopes for wrap in self._wraps[kind, scope].values()]

    def put(self, wrap: Wrap) -> None:
        """Keep a wrap, in place of one with the same kind, scope and key id."""
        wraps = self._wraps.setdefault((wrap.kind, wrap.scope), {})
        before = wraps.get(wrap.key_id)
        self._below.setdefault((wrap.kind, wrap.parent), {})[wrap.scope] = None
        wraps[wrap.key_id] = wrap
        if before is None:
            self._undo.append(lambda: self._take_out(wrap))
        else:
            self._undo.append(lambda: wraps.__setitem__(wrap.key_id, before))

    def _take_out(self, wrap: Wrap) -> None:
        wraps = self._wraps[wrap.kind, wrap.scope]
        del wraps[wrap.key_id]
        if not wraps:
            del self._wraps[wrap.kind, wrap.scope]
            del self._below[wrap.kind, wrap.parent][wrap.scope]

    def erase(self, kind: Kind, scope: bytes) -> None:
        """Remove all wraps of a scope."""
        for wrap in list(self._wraps.get((kind, scope), {}).values()):
            self._take_out(wrap)
            self._undo.append(partial(self.put, wrap))

    def receipt(self, stream: int) -> DestroyReceipt | None:
        """Read a receipt."""
        return self._receipts.get(stream)

    def put_receipt(self, receipt: DestroyReceipt) -> None:
        """Keep a receipt."""
        self._receipts[receipt.stream] = receipt
        self._undo.append(lambda: self._receipts.pop(receipt.stream))

    def epoch(self) -> int:
        """The installation key's epoch that all wraps stand under."""
        return self._epoch

    def set_epoch(self, epoch: int, now_ms: int) -> None:
        """Go over to an epoch."""
        before = self._epoch
        self._epoch = epoch
        self._retired[before] = now_ms
        self._undo.append(lambda: setattr(self, "_epoch", before))

    def retired_ms(self, epoch: int) -> int | None:
        """When an epoch was retired, or None."""
        return self._retired.get(epoch)

    def streams(self) -> frozenset[int]:
        """Streams that have a data key."""
        return frozenset(
            int.from_bytes(scope, "big") for kind, scope in self._wraps if kind in DATA
        )

    def close(self) -> None:
        """Keep everything: this is what stands for the disk."""


class MemoryKeys(HierarchyKeys):
    """Keys of an installation that exists only in this process.

    Args:
        random: source of unpredictable bytes; a seeded one makes a simulation
            reproducible.
        monotonic: a clock that never goes back, in seconds.
        fail_point: called with a name between the steps of a rotation.
    """

    def __init__(
        self,
        random: Random = secrets.token_bytes,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        fail_point: FailPoint = no_fail_point,
        disk: tuple[MemoryShelf, MemoryVault] | None = None,
    ) -> None:
        if disk is None:
            disk = (MemoryShelf(), MemoryVault(random))
            with disk[0].writing():
                found(*disk, random, 0)
        self._disk = disk
        self._settings = (random, monotonic, fail_point)
        super().__init__(*disk, random=random, monotonic=monotonic, fail_point=fail_point)

    def reopen(self) -> MemoryKeys:
        """Open again what a process that died or closed had kept."""
        random, monotonic, fail_point = self._settings
        return MemoryKeys(random, monotonic=monotonic, fail_point=fail_point, disk=self._disk)
