"""The only file that names adapters: how a manager comes to its parts.

async with SessionManager.open("sessions.db") as sessions:
    session = await sessions.create_session("fix-tests", SessionConfig(workspace="."))
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from holdfast.adapters.checkpoints.directory import CheckpointDirectory, check_outside
from holdfast.adapters.detectors.factory import BUDGET_S, Classifiers, SharedInjectionDetector
from holdfast.adapters.hooks.command import CommandHook
from holdfast.adapters.keys.file import FileKeys
from holdfast.adapters.keys.installation import default_installation_key_path
from holdfast.adapters.keys.memory import MemoryKeys
from holdfast.adapters.models.factory import build_client, check_client, parse_model
from holdfast.adapters.models.limits import CallLimits
from holdfast.adapters.models.reach import check_reach
from holdfast.adapters.models.zones import zone_of
from holdfast.adapters.network.firewall import Firewall
from holdfast.adapters.sandbox.processes import kill_leftovers
from holdfast.adapters.sandbox.status import detect
from holdfast.adapters.sealed.host import WorkerLauncher
from holdfast.adapters.shell.parser import BashParser
from holdfast.adapters.store.memory import MemoryStore
from holdfast.adapters.store.sqlite import SqliteStore
from holdfast.adapters.taints.host import WorkerTaintMatcher
from holdfast.adapters.telemetry.factory import build_telemetry
from holdfast.adapters.tools.function import FunctionTool, tool
from holdfast.adapters.tools.gitstate import capture
from holdfast.adapters.tools.registry import ToolRegistry, builtin_tools
from holdfast.core.agentconfig import CallSettings
from holdfast.core.errors import InvalidInput, KeyMissing, NotFound
from holdfast.core.network import NetworkPolicy
from holdfast.core.passphrases import check_passphrase
from holdfast.core.settings import ModelSettings, StorageType
from holdfast.core.tokens import TokenSettings
from holdfast.core.tools import ToolSpec
from holdfast.jwt import signed_form
from holdfast.ports.attestation import AttestationVerifier
from holdfast.ports.checkpoints import CheckpointSink
from holdfast.ports.clock import Clock, SystemClock
from holdfast.ports.detector import SlowClassifier
from holdfast.ports.enclave import Enclave, Machine
from holdfast.ports.keys import Keys
from holdfast.ports.model import ModelClient
from holdfast.ports.registry import Registry
from holdfast.ports.store import Filter, Store
from holdfast.ports.tool import Tool
from holdfast.runtime.agentmodel import Building, Models
from holdfast.runtime.auditbus import AuditBus
from holdfast.runtime.backend import Backend
from holdfast.runtime.checkpoint_service import Checkpoints
from holdfast.runtime.codec import dump
from holdfast.runtime.confining import Given
from holdfast.runtime.detectors import Detectors
from holdfast.runtime.hooks import Hooks
from holdfast.runtime.intake import ImportNote, take_in_directory
from holdfast.runtime.manager import IDLE_S, Surroundings
from holdfast.runtime.retaining import Retaining
from holdfast.runtime.sealing import SealedSetup, own_parts
from holdfast.runtime.tee import TeeConfig, TeeRuntime

if TYPE_CHECKING:
    from holdfast.runtime.probing import Probed

__all__ = [
    "CommandHook",
    "FileKeys",
    "FunctionTool",
    "MemoryStore",
    "Model",
    "SessionManager",
    "SqliteStore",
    "ToolRegistry",
    "check_guards",
    "checkpoint_directory",
    "default_installation_key_path",
    "hardware_verifier",
    "parse_model",
    "sandbox_facts",
    "tee_facts",
    "tool",
]

SEALED_PROGRAM = "holdfast.cli.sealed_worker"
"""The module whose `main` is the process of a sealed session."""

Model = ModelClient | ModelSettings | str
Opener = Callable[["SessionManager"], Awaitable[None]]


class SessionManager(Retaining):
    """Manages sessions: opens them, runs their turns, keeps them (seed B1).

    Made directly it keeps nothing: sessions live in memory and are gone with it.
    `open`, `with_persistence` and `with_store` keep them.

    Args:
        llm_client: the default model: a client, settings, or "provider:model".
        tool_executor: the tools; default: the built-in ones.
        unsandboxed: let bash run where no sandbox exists.
        idle_s: seconds after which an idle session is no longer led.
        policy: the policy file; default: where `runtime.policyplaces` says.
        detectors: what content is looked at with; default: `default_detectors()`.
        enclave_llm: the model client of an enclave; sessions are sent there as their
            data policy says.
        network: the most that the tools of any session may reach; a session's
            `network_whitelist` narrows it. None: what a session lists is all it may.
        model_network: the same for the clients that are built for model providers;
            None does not restrict them.
        tee: the enclave that is reached over an attested channel; excludes `enclave_llm`.
        checkpoints: where and when checkpoints of the log are made.
        audit: watches the log and alerts.
        tokens: how they are made, and the roles; default: as file and environment say.
    """

    def __init__(
        self,
        llm_client: Model | None = None,
        tool_executor: Registry | None = None,
        *,
        clock: Clock | None = None,
        unsandboxed: bool = False,
        idle_s: float = IDLE_S,
        policy: str | os.PathLike[str] | None = None,
        detectors: Detectors | None = None,
        enclave_llm: ModelClient | None = None,
        network: NetworkPolicy | None = None,
        model_network: NetworkPolicy | None = None,
        tee: TeeConfig | None = None,
        checkpoints: Checkpoints | None = None,
        audit: AuditBus | None = None,
        tokens: TokenSettings | None = None,
    ) -> None:
        if enclave_llm is not None and tee is not None and tee.enabled:
            raise InvalidInput("an enclave is given as enclave_llm or as tee, not both")
        self._given = Given(
            network=network, model_network=model_network, enclave_llm=enclave_llm is not None
        )
        used = clock or SystemClock()
        self.tee_runtime = enclave = TeeRuntime(
            tee, _machine, lambda config: _enclave(config, used)
        )
        self._models = Models(
            llm_client,
            Building(
                check_client,
                check_reach,
                _build,
                network=lambda: self._model_network,
                zone=zone_of,
            ),
        )
        self._own_parts = own_parts(
            tool_executor=tool_executor,
            clock=clock,
            detectors=detectors,
            enclave_llm=enclave_llm,
            tee=tee if tee is not None and tee.enabled else None,
        )
        self._firewall = Firewall()
        tools = None if tool_executor else self._builtin(unsandboxed)
        super().__init__(
            Surroundings(
                clock=used,
                registry=tool_executor or ToolRegistry(tools),
                build_client=self._models.client_of,
                kill_leftovers=_kill_leftovers,
                git_state=capture,
                hooks=Hooks(clock or SystemClock()),
                shell=BashParser(),
                unsandboxed_allowed=unsandboxed,
                idle_s=idle_s,
                detectors=default_detectors() if detectors is None else detectors,
                enclave_client=lambda view: enclave_llm or enclave.client_for(view.session_id),
                tokens=tokens,
            )
        )
        self._checkpoints = checkpoints
        self._audit = audit
        self.private = (os.path.realpath(default_installation_key_path()),)
        self._openers: list[Opener] = [_open_memory]
        self._opening: asyncio.Task[None] | None = None
        self.import_report: list[ImportNote] = []
        self._policy_given = policy
        self._program = _run_program

    # --- opening ---------------------------------------------------------------------

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        llm_client: Model | None = None,
        tool_executor: Registry | None = None,
        installation_key: str | os.PathLike[str] | None = None,
        passphrase: str | None = None,
        clock: Clock | None = None,
        unsandboxed: bool = False,
        idle_s: float = IDLE_S,
        policy: str | os.PathLike[str] | None = None,
        detectors: Detectors | None = None,
        enclave_llm: ModelClient | None = None,
        network: NetworkPolicy | None = None,
        model_network: NetworkPolicy | None = None,
        tee: TeeConfig | None = None,
        checkpoints: Checkpoints | None = None,
        audit: AuditBus | None = None,
        tokens: TokenSettings | None = None,
    ) -> Self:
        """Open a store file, created if there is none; use with `async with` or `await`.

        Args:
            path: the SQLite file; its keys stand beside it in `<path>.keys`.
            installation_key: default: `default_installation_key_path()`.
            passphrase: encrypts the whole file besides; at least 12 characters.
            policy: the policy file; default: `$HOLDFAST_POLICY`, `holdfast.toml`
                beside the store, or in the configuration directory.
            network, model_network: what tools and model clients may reach.

        Raises (when entered):
            WrongKey, KeyMissing, CorruptStore, NewerProgram, StoreReadOnly …
            PolicyFileRefused: the policy file cannot be used.
        """
        manager = cls(
            llm_client,
            tool_executor,
            clock=clock,
            unsandboxed=unsandboxed,
            idle_s=idle_s,
            policy=policy,
            detectors=detectors,
            enclave_llm=enclave_llm,
            network=network,
            model_network=model_network,
            tee=tee,
            checkpoints=checkpoints,
            audit=audit,
            tokens=tokens,
        )
        if passphrase is not None:
            check_passphrase(passphrase)
        file = Path(path)
        manager._policy_store = file
        if str(path).startswith(("postgres://", "postgresql://")):
            raise InvalidInput("PostgreSQL is not supported by this release")
        key = Path(installation_key) if installation_key else default_installation_key_path()
        manager.private += (os.path.realpath(file), os.path.realpath(key))
        manager.sealed_setup = SealedSetup(
            launcher=WorkerLauncher(SEALED_PROGRAM),
            problem=manager._not_sealable,
            facts=lambda: manager._sealed_facts(file, key, passphrase),
        )

        async def opener(manager: SessionManager) -> None:
            store = await SqliteStore.open(file, clock=manager.clock, passphrase=passphrase)
            try:
                # New keys are made only where nothing could depend on lost ones.
                fresh = await store.count_streams(Filter(include_hidden=True)) == 0
                keys = await asyncio.to_thread(_open_keys, file, key, fresh)
            except BaseException:
                await store.aclose()
                raise
            manager.register(StorageType.FILE, store, keys)

        manager._openers.insert(0, opener)
        return manager

    @classmethod
    def with_persistence(
        cls,
        llm_client: Model | None,
        tool_executor: Registry | None,
        sessions_dir: str | os.PathLike[str],
        *,
        installation_key: str | os.PathLike[str] | None = None,
        policy: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Keep sessions in a directory (seed B1, D16): `<dir>/holdfast.db`.

        Session files of the seeds' forms that lie there are taken in once; what
        cannot be is left where it is and reported by `import_report`.
        """
        directory = Path(sessions_dir)
        manager = cls.open(
            directory / "holdfast.db",
            llm_client=llm_client,
            tool_executor=tool_executor,
            installation_key=installation_key,
            policy=policy,
        )

        async def intake(manager: SessionManager) -> None:
            manager.import_report = await take_in_directory(manager, directory)

        manager._openers.append(intake)
        return manager

    @classmethod
    def with_store(
        cls,
        llm_client: Model | None,
        tool_executor: Registry | None,
        store: Store,
        backend: StorageType | str,
        *,
        keys: Keys | None = None,
        private: Iterable[str | os.PathLike[str]] = (),
        policy: str | os.PathLike[str] | None = None,
        checkpoints: Checkpoints | None = None,
        audit: AuditBus | None = None,
    ) -> Self:
        """Keep the sessions of one storage type in a store of your own (seed B1).

        Args:
            backend: the storage type that picks it.
            keys: default: keys in memory, which makes the sessions unreadable
                after this process; give `FileKeys` for a store that lasts.
            private: files of the store and of the keys, which no tool gets to;
                each stands for those beside it that begin with its name, too.
            policy, checkpoints, audit: as of `open`; no file is looked for beside the store.
        """
        manager = cls(
            llm_client, tool_executor, policy=policy, checkpoints=checkpoints, audit=audit
        )
        manager.private += tuple(os.path.realpath(path) for path in private)
        storage = StorageType(backend)

        async def opener(manager: SessionManager) -> None:
            manager.register(storage, store, keys or MemoryKeys())

        manager._openers = [opener]
        return manager

    def register(self, storage: StorageType, store: Store, keys: Keys) -> None:
        """Register a store for a storage type; one per type."""
        if storage in self.backends:
            raise InvalidInput(f"a store is registered for {storage.value!r} already")
        self.backends[storage] = Backend(store, keys, self.clock, signed_form)

    async def __aenter__(self) -> Self:
        await self.ready()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __await__(self) -> Generator[None, None, Self]:
        return self.__aenter__().__await__()

    async def ready(self) -> None:
        """Open the stores, once; every method does this by itself."""
        if self._root is not self:  # a view: what it shows is the manager's
            await self._root.ready()
            return
        if self._opening is None:
            self._opening = asyncio.create_task(self._open_all())
        await asyncio.shield(self._opening)

    async def _open_all(self) -> None:
        try:
            await self._load_policy()
            self._set_telemetry(build_telemetry)
            self._set_checkpoints()
            await self.init_tee()
            for opener in self._openers[:1]:
                await opener(self)
            self._check_tokens()
            await self._share_limits()
            if self._models.pending is not None:
                await self.set_default_llm(self._models.pending)
            for opener in self._openers[1:]:
                await opener(self)
        except BaseException:
            await self.close()
            raise
        self.start_watching()

    def _set_checkpoints(self) -> None:
        place, values = self._checkpoint_values()
        if place:
            self._checkpoints_as_set(values, checkpoint_directory(place, store=self._policy_store))

    async def close(self) -> None:
        """Stop leading sessions and close the stores; no session is ended."""
        await super().close()
        await self._models.aclose()

    # --- models ----------------------------------------------------------------------

    async def set_default_llm(self, client: Model | None) -> None:
        """Swap this process's default model for all later turns (seed B2).

        Raises:
            MissingExtra: the provider's library is not installed.
            LiteralSecret, InvalidInput: the settings are refused.
        """
        if isinstance(client, str):
            client = parse_model(client)
        settings = client if isinstance(client, ModelSettings) else None
        if isinstance(client, ModelSettings):
            client = self._models.built(client)
        self._models.default, self._models.settings = client, settings
        self._models.pending = None

    def use_default_model(self, settings: ModelSettings) -> None:
        """Name the default model; its client is built when a call first needs it."""
        self._models.default, self._models.settings = None, settings
        self._models.pending = None

    # --- sealed sessions -----------------------------------------------------------------

    def _not_sealable(self) -> str:
        """Why a session cannot be sealed: what of this manager no other process can have."""
        if self._own_parts:
            return f"{self._own_parts} given as objects cannot be taken to another process"
        if self._models.default is not None and self._models.settings is None:
            return "the model is given as a client; give its settings, or provider:model"
        return ""

    def _sealed_facts(self, store: Path, key: Path, passphrase: str | None) -> dict[str, object]:
        """What the process of a sealed session is told to open the same store."""
        around, limits = self._around, (self.trust.network, self._model_network)
        network, outgoing = (None if one is None else dump(one).decode() for one in limits)
        default = self._models.settings
        return {
            "store": os.path.abspath(store),
            "installation_key": os.path.abspath(key),
            "passphrase": passphrase,
            "policy": None if self._policy_given is None else os.path.abspath(self._policy_given),
            "unsandboxed": around.unsandboxed_allowed,
            "idle_s": around.idle_s,
            "model": None if default is None else dump(default).decode(),
            "network": network,
            "model_network": outgoing,
            "principal": self.principal,
            "tenant": self.tenant,
        }

    def _builtin(self, unsandboxed: bool) -> list[Tool]:
        return builtin_tools(unsandboxed=unsandboxed, firewall=self._firewall)

    @property
    def firewall(self) -> Firewall:
        """The way out of the sandboxes of the built-in tools, and its log."""
        return self._firewall

    def list_tools(self) -> list[ToolSpec]:
        """All tools this installation offers, sorted by name (seed B12)."""
        return list(self.registry.specs())


def _open_keys(file: Path, installation_key: Path, fresh: bool) -> Keys:
    """Open the keys of a store; only a new store may get new keys."""
    path = file.with_name(file.name + ".keys")
    try:
        return FileKeys.open(path, installation_key=installation_key, create=fresh)
    except NotFound as error:
        raise KeyMissing(error.message) from None


def checkpoint_directory(
    path: str | os.PathLike[str], *, store: str | os.PathLike[str] | None = None
) -> CheckpointSink:
    """A directory as a place for checkpoints.

    Args:
        store: the store's file, whose directory is refused.

    Raises:
        InvalidInput: it is the store's directory, or inside of it.
    """
    if store is not None:
        check_outside(Path(path), Path(store))
    return CheckpointDirectory(path)


async def _open_memory(manager: SessionManager) -> None:
    """Register memory for what nothing else is registered for."""
    backend = Backend(MemoryStore(), MemoryKeys(), manager.clock, signed_form)
    wanted = [StorageType.MEMORY] if manager.backends else list(StorageType)
    for storage in wanted:
        manager.backends.setdefault(storage, backend)


def _run_program(command: Sequence[str], env: Mapping[str, str]) -> CommandHook:
    return CommandHook(command, env=env)


def _build(
    settings: ModelSettings, key: str, calls: CallSettings | None, network: NetworkPolicy | None
) -> ModelClient:
    """Build a client.

    Args:
        key: the key itself; "" for as the settings say.
    """
    limits = None if calls is None else CallLimits(**asdict(calls))
    return build_client(settings, key=key or None, limits=limits, network=network)


async def _kill_leftovers(effect_id: str) -> int:
    return await asyncio.to_thread(kill_leftovers, effect_id)


def default_detectors(slow: Sequence[SlowClassifier] = (), budget_s: float = BUDGET_S) -> Detectors:
    """What content is looked at with unless something else is given.

    Args:
        slow: classifiers that are asked besides, off the event loop.
        budget_s: how long they have for one text, all together, in seconds.
    """
    classifiers = Classifiers(slow, budget_s)
    return Detectors(
        classifier=classifiers,
        kinds=classifiers.kinds,
        injection=SharedInjectionDetector(),
        taints=WorkerTaintMatcher(),
    )


def detector_facts() -> str:
    """What content is looked at with here, for `doctor`."""
    # lazy: only `doctor` asks, and the patterns take their time
    from holdfast.adapters.detectors.fast import WEAK_WITHOUT_EXTRA, extra_installed

    return "fast, with the extra pii" if extra_installed() else f"fast ({WEAK_WITHOUT_EXTRA})"


def sandbox_facts() -> dict[str, str]:
    """What runs tools here, for `doctor`."""
    found = detect()
    return {"kind": found.kind.value, "reason": found.reason, "network": found.network}


async def check_guards() -> list[Probed]:
    """Drive a message at every guard, in memory, and tell what each of them did.

    The policy file is not applied, so that what is shown is the guards' own doing.
    """
    # lazy: a self-test is no part of what a session needs
    from holdfast.runtime.probing import ProbeModel, Prober, probe_tools

    model, tools = ProbeModel(), probe_tools()
    with tempfile.TemporaryDirectory(prefix="holdfast-probe-") as place:
        policy, workspace = _empty_installation(Path(place))
        async with SessionManager(model, ToolRegistry([*tools]), policy=policy) as sessions:
            return await Prober(sessions, model, tools, workspace).all()


def _empty_installation(place: Path) -> tuple[Path, str]:
    """A policy file that says nothing, and a workspace with nothing in it."""
    policy, workspace = place / "policy.toml", place / "workspace"
    policy.touch(mode=0o600)
    workspace.mkdir()
    return policy, os.path.realpath(workspace)


def hardware_verifier() -> AttestationVerifier:
    """The verifier of what hardware says of an enclave: SEV-SNP, Nitro, TDX, SGX."""
    # lazy: certificates take their time to load, and few verify any
    from holdfast.adapters.attestation.hardware import HardwareVerifier

    return HardwareVerifier()


def _machine() -> Machine:
    # lazy: only `doctor` and who wants an enclave ask
    from holdfast.adapters.enclave.machine import detect_machine

    return detect_machine()


def _enclave(config: TeeConfig, clock: Clock) -> Enclave:
    # lazy: its cryptography takes its time to load, and few sessions have an enclave
    from holdfast.adapters.enclave.factory import build_enclave

    return build_enclave(config, clock)


def tee_facts() -> str:
    """What this machine is, for `doctor`: seen from inside, not attested."""
    found = _machine()
    return f"{found.level.value} ({found.reason}); a simulated enclave is only ever simulated"
