"""Which client a session's next model call goes to, and for how long.

- A session's own model stands above the agent's configuration, that above what the
  process was started with (seed B2).
- A turn keeps the configuration that it began under; the append that begins it asserts
  that this is the stored one, so that no turn begins under another (contract 1.7).
- What a turn may still need is not closed; of other clients the last few stay open.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from weakref import WeakSet

from holdfast.core.agentconfig import AgentRecord, CallSettings
from holdfast.core.errors import HoldfastError
from holdfast.core.network import NetworkPolicy
from holdfast.core.security import Zone
from holdfast.core.settings import ModelSettings
from holdfast.core.view import SessionView
from holdfast.ports.model import ModelClient
from holdfast.ports.store import Assert, Store
from holdfast.runtime.agentbook import AgentBook, Kept, config_scope

RETIRED_MAX = 8
"""How many clients of earlier configurations stay open that no turn holds."""

CLIENTS_MAX = 128
"""How many clients of sessions' own models are kept, those that were used last."""

TENANTS_MAX = 1024
"""How many tenants' configurations are kept in mind, the latest."""


@dataclass(slots=True, kw_only=True)
class Entry:
    """A configuration as this process knows it.

    Args:
        client: built when a call first needs it, for the network policy beside it.
    """

    kept: Kept = field(default_factory=Kept)
    client: ModelClient | None = None
    network: NetworkPolicy | None = None


@dataclass(frozen=True, slots=True)
class Building:
    """How clients are built; `bootstrap` says.

    Args:
        check: refuses settings, with the key or "", that no client can be built from.
        reach: refuses a `base_url` that such a client may never send to.
        build: of settings, the key or "", limits and what may be reached.
        network: what model clients may reach now.
        zone: where a model runs, as declared or as its address says.
    """

    check: Callable[[ModelSettings, str], None]
    reach: Callable[[ModelSettings, NetworkPolicy | None], None]
    build: Callable[[ModelSettings, str, CallSettings | None, NetworkPolicy | None], ModelClient]
    network: Callable[[], NetworkPolicy | None]
    zone: Callable[[ModelSettings], Zone]


class Models:
    """The default models, as all views of a manager share them.

    Args:
        pending: what is to be made of the process's own default once the manager opens.
        building: how clients are built.

    Attributes:
        book: where configurations are kept, once that is open.
        over_stored: the process's own default stands above what is stored.
    """

    def __init__(self, pending: ModelClient | ModelSettings | str | None, building: Building):
        self.pending = pending
        self.default: ModelClient | None = None
        self.settings: ModelSettings | None = None
        self.over_stored = False
        self.building = building
        self.book: AgentBook | None = None
        self._clients: OrderedDict[tuple[ModelSettings, NetworkPolicy | None], ModelClient]
        self._clients = OrderedDict()
        self._let_go: WeakSet[ModelClient] = WeakSet()
        self._entries: dict[str, Entry] = {}
        self._retired: deque[tuple[Entry, ModelClient]] = deque()
        self._turns: WeakSet[TurnModel] = WeakSet()

    # --- what is stored --------------------------------------------------------------

    def known(self, tenant: str) -> Entry | None:
        """A tenant's configuration as it was last read; None if it was not yet."""
        return self._entries.get(tenant)

    async def read(self, book: AgentBook, tenant: str) -> Entry:
        """A tenant's configuration as it is stored now."""
        entry = self._entries.get(tenant)
        read = entry is not None and not entry.kept.problem
        if entry is not None and read and await book.revision(tenant) == entry.kept.revision:
            return entry
        return await self.adopt(tenant, await book.read(tenant))

    async def adopt(self, tenant: str, kept: Kept) -> Entry:
        """Take note of what is stored; turns that run keep what they began under."""
        entry = self._entries.get(tenant)
        if entry is not None and entry.kept.revision > kept.revision and not kept.problem:
            return entry  # somebody has read what came after
        if entry is not None and entry.kept == kept:
            return entry
        fresh = self._entries[tenant] = Entry(kept=kept)
        if entry is not None:
            self._retire(entry)
        if len(self._entries) > TENANTS_MAX:
            self._retire(self._entries.pop(next(iter(self._entries))))
        await self.close_retired()
        return fresh

    def _retire(self, entry: Entry) -> None:
        if entry.client is not None:
            self._retired.append((entry, entry.client))

    def hold(self, turns: TurnModel) -> None:
        """Close nothing that a session may need, as long as that is led."""
        self._turns.add(turns)

    async def close_retired(self) -> None:
        """Close clients of earlier configurations that nobody needs."""
        held = {id(entry) for one in self._turns for entry in one.held}
        idle = [one for one in self._retired if id(one[0]) not in held]
        for one in idle[: max(0, len(idle) - RETIRED_MAX)]:
            self._retired.remove(one)
            await one[1].aclose()

    # --- clients ---------------------------------------------------------------------

    def client_of(self, view: SessionView, entry: Entry | None = None) -> ModelClient | None:
        """The session's own model, else the stored one, else the process's, else None.

        Args:
            entry: the tenant's configuration; default: as it was last read.

        Raises:
            HoldfastError: its client cannot be built, or what is stored cannot be read.
        """
        if view.settings.model is not None:
            return self.built(view.settings.model)
        found = entry or self._entries.get(view.tenant)
        if found is not None and not self.over_stored:
            found.kept.check()
            record = found.kept.record
            if record is not None and record.model is not None:
                return self._of(found, record, record.model)
        return self.built(self.settings) if self.settings is not None else self.default

    def built(self, settings: ModelSettings) -> ModelClient:
        """The client of settings, built once as long as it is used now and then.

        One that is let go is not closed: a call may still use it, and nobody else has it.
        """
        key = settings, self.building.network()  # what the policy file says may have changed
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = self.building.build(settings, "", None, key[1])
            if len(self._clients) > CLIENTS_MAX:
                self._let_go.add(self._clients.popitem(last=False)[1])
        self._clients.move_to_end(key)
        return client

    def _of(self, entry: Entry, record: AgentRecord, settings: ModelSettings) -> ModelClient:
        network = self.building.network()
        if entry.client is None or entry.network != network:
            self._retire(entry)
            entry.network = network
            entry.client = self.building.build(settings, record.secret, record.calls, network)
        return entry.client

    async def aclose(self) -> None:
        """Close all clients."""
        entries = [*self._entries.values()]
        found = [self.default, *self._clients.values(), *(one.client for one in entries)]
        found += [*(client for _, client in self._retired), *self._let_go]
        self._clients.clear()
        self._let_go.clear()
        self._entries.clear()
        self._retired.clear()
        for client in {id(one): one for one in found if one is not None}.values():
            await client.aclose()


class TurnModel:
    """The models of one session that is led here; see the module.

    Args:
        store: where the session is kept.
    """

    def __init__(self, models: Models, book: AgentBook, store: Store) -> None:
        self._models = models
        self._book = book
        self._asserts = store is book.backend.store  # else nothing can be asserted of it there
        self._now: Entry | None = None
        self._turn: tuple[int, Entry] | None = None
        self._asserted = False
        models.hold(self)

    @property
    def held(self) -> tuple[Entry, ...]:
        """What a turn that runs, or is about to, uses."""
        found = (self._now, None if self._turn is None else self._turn[1])
        return tuple(one for one in found if one is not None)

    def __call__(self, view: SessionView) -> ModelClient | None:
        """The client of the next call; see `Models.client_of`."""
        held = self._turn
        if held is not None and view.turn is not None and view.turn.id == held[0]:
            return self._models.client_of(view, held[1])
        return self._models.client_of(view, self._now)

    async def read(self, view: SessionView, *, anew: bool) -> None:
        """Find out, before something is decided, under what a turn would begin.

        Args:
            anew: somebody may have changed it since the last reading.
        """
        if not view.tenant:
            return
        self._keep(view)  # what began since the last reading did so under that one
        known = self._models.known(view.tenant)
        waits = view.turn is not None and self._turn is None
        looks = waits or (anew and (view.turn is None or self._asserted))
        if known is None or looks or (view.turn is None and not self._asserts):
            known = await self._models.read(self._book, view.tenant)
        self._now = known
        self._keep(view)

    def _keep(self, view: SessionView) -> None:
        turn = 0 if view.turn is None else view.turn.id
        if self._turn is not None and self._turn[0] != turn:
            self._turn = None
        if turn and self._turn is None and self._now is not None and self.serves(view):
            self._turn = (turn, self._now)

    def serves(self, view: SessionView) -> bool:
        """Whether there is a client; a turn that waits for one takes the next that comes."""
        try:
            return self(view) is not None
        except HoldfastError:
            return False

    def asserts(self, before: SessionView, after: SessionView) -> tuple[Assert, ...]:
        """What an append that begins a turn asserts."""
        self._asserted = False
        turn = 0 if before.turn is None else before.turn.id
        begins = after.turn is not None and after.turn.id != turn
        own = after.settings.model is not None or self._models.over_stored
        if not begins or own or not self._asserts or self._now is None:
            return ()
        self._asserted = True
        return (Assert(scope=config_scope(after.tenant), revision=self._now.kept.revision),)
