"""The installation's enclave: what is wanted, what is there, and whether it may be used.

- Nothing is an enclave here before its evidence was verified and a round trip made.
- What is not there is never replaced: sessions that want it are asked or refused, as
  their data policy says (`core.routing`).
- A simulated enclave is used only where that is allowed by name, and never in
  production; what it does carries the word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from holdfast.core.errors import (
    HoldfastError,
    InvalidInput,
    NotYetSupported,
    TeeUnavailable,
)
from holdfast.core.settings import ModelSettings
from holdfast.ports.attestation import (
    AttestationPolicy,
    AttestationVerifier,
    Attested,
    EvidenceKind,
)
from holdfast.ports.enclave import Enclave, Machine
from holdfast.ports.model import ModelClient

MODES = ("development", "production")
BACKENDS: Mapping[str, EvidenceKind] = {
    "amd_sev": EvidenceKind.SNP,
    "aws_nitro": EvidenceKind.NITRO,
    "intel_sgx": EvidenceKind.SGX,
    "intel_tdx": EvidenceKind.TDX,
}
"""What an enclave can be asked to be, and the evidence that shows it."""
MEASUREMENT_DIGITS = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True, kw_only=True)
class TeeAttestation:
    """What evidence has to show.

    Args:
        expected_measurements: the launch measurements that are allowed, lower-case hex.
        verifiers: who may look at it; each knows some kinds of evidence. Without any,
            where hardware is demanded, the one that knows hardware does.
        hardware: evidence of software is refused.
        minimum_tcb: the lowest version of each part of the platform, by name.
        software_keys: Ed25519 public keys, in hex, that may sign software evidence; only
            with `allow_simulated`.
    """

    expected_measurements: frozenset[str] = frozenset()
    verifiers: tuple[AttestationVerifier, ...] = ()
    hardware: bool = True
    minimum_tcb: tuple[tuple[str, int], ...] = ()
    software_keys: tuple[str, ...] = ()

    def policy(self) -> AttestationPolicy:
        """As verifiers take it."""
        return AttestationPolicy(
            measurements=self.expected_measurements,
            hardware=self.hardware,
            minimum_tcb=self.minimum_tcb,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TeeConfig:
    """What an installation wants of an enclave (seed A11).

    Args:
        enabled: sessions are sent to an enclave as their data policy says.
        mode: "development" or "production"; the latter refuses what is simulated.
        required: a manager does not open without it.
        allow_simulated: a process of its own will do where no socket is given.
        socket: path of the unix socket that leads to the enclave.
        anchor: path of the file in which this side remembers the key that it handed the
            enclave (`holdfast enclave provision`); None if it handed it none.
        attestation: what its evidence has to show.
        model: what a simulated enclave holds; None means one that repeats what it hears.
        memory_mb: memory of a simulated enclave, in MiB.
        backend: its evidence has to be of this kind: "amd_sev", "aws_nitro", "intel_sgx"
            or "intel_tdx".
        cpu_cores, vsock_port, box_image, shim_path, workspace_dir, socket_dir, secrets,
            network_policy, fallback_policy: refused, with what says it instead (`_ELSEWHERE`).
    """

    enabled: bool = False
    mode: str = "development"
    required: bool = False
    allow_simulated: bool = False
    socket: str | None = None
    attestation: TeeAttestation = field(default_factory=TeeAttestation)
    model: ModelSettings | None = None
    memory_mb: int = 2048
    backend: str | None = None
    cpu_cores: int | None = None
    vsock_port: int | None = None
    box_image: str | None = None
    shim_path: str | None = None
    workspace_dir: str | None = None
    socket_dir: str | None = None
    secrets: tuple[str, ...] | None = None
    network_policy: str | None = None
    fallback_policy: str | None = None
    anchor: str | None = None

    def check(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            NotYetSupported: a field is set that says nothing here; the message says what does.
            InvalidInput: values that exclude each other, or are none.
        """
        for name, instead in _ELSEWHERE.items():
            if getattr(self, name) is not None:
                raise NotYetSupported(f"TeeConfig.{name} says nothing here: {instead}")
        if self.backend is not None and self.backend not in BACKENDS:
            raise InvalidInput(f"an enclave's backend is one of: {', '.join(BACKENDS)}")
        if self.backend is not None and self.allow_simulated:
            raise InvalidInput("a simulated enclave has no backend")
        if self.mode not in MODES:
            raise InvalidInput("a TEE's mode is development or production")
        asked = self.allow_simulated or self.attestation.software_keys
        if self.mode == "production" and (asked or not self.attestation.hardware):
            raise InvalidInput("production refuses a simulated enclave")
        if self.attestation.software_keys and not self.allow_simulated:
            raise InvalidInput("software_keys are of simulated enclaves; allow_simulated is off")
        if isinstance(self.memory_mb, bool) or not 128 <= self.memory_mb <= 1024**2:
            raise InvalidInput("a simulated enclave has between 128 MiB and 1 TiB of memory")
        for text in (*self.attestation.expected_measurements, *self.attestation.software_keys):
            if not text or not set(text) <= MEASUREMENT_DIGITS or len(text) % 2:
                raise InvalidInput("measurements and keys are written in lower-case hex")


_MACHINE = "Holdfast starts no machine; its operator makes it"
_ELSEWHERE: Mapping[str, str] = {
    "cpu_cores": _MACHINE,
    "vsock_port": "lead a unix socket to it and name that as socket",
    "box_image": _MACHINE,
    "shim_path": _MACHINE,
    "workspace_dir": "tools run in the sandbox, never in an enclave",
    "socket_dir": "name the socket itself",
    "secrets": "`enclave provision` hands over the key that a model there needs, or the file "
    "of `enclave serve` names it",
    "network_policy": "`network` and `model_network` of the manager say what may be reached",
    "fallback_policy": "`fallback` of a data policy says it, for all in `[security.data]`",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TeeStatus:
    """What there is to say of the installation's enclave.

    Args:
        configured: an enclave is wanted.
        ready: it is there, verified and self-tested.
        simulated: no hardware vouches for it.
        machine: what this machine is, as far as it can be seen; None before `init`.
        attested: what its evidence showed; None while it is not ready.
        reason: one line for a person.
    """

    configured: bool
    ready: bool
    simulated: bool
    machine: Machine | None
    attested: Attested | None
    reason: str


Detect = Callable[[], Machine]
Build = Callable[[TeeConfig], Enclave]


def no_machine() -> Machine:
    """Nobody looks.

    Raises:
        TeeUnavailable: always.
    """
    raise TeeUnavailable("nothing here can tell what the machine is")


def no_build(config: TeeConfig) -> Enclave:
    """Nothing can be built.

    Raises:
        TeeUnavailable: always.
    """
    raise TeeUnavailable("nothing here can reach an enclave")


class TeeRuntime:
    """The enclave of one manager (seeds A4, A11).

    Args:
        config: what an argument of the manager wants; kept as `given`.
        detect: looks what the machine is.
        build: makes what a configuration describes, without starting it.
    """

    def __init__(
        self,
        config: TeeConfig | None = None,
        detect: Detect = no_machine,
        build: Build = no_build,
    ) -> None:
        self.given = config
        self.config = config or TeeConfig()
        self.config.check()
        self._begun = False
        self._detect = detect
        self._build = build
        self._machine: Machine | None = None
        self._enclave: Enclave | None = None
        self._attested: Attested | None = None
        self._reason = "not started" if self.config.enabled else "not enabled"

    def adopt(self, config: TeeConfig) -> None:
        """Want what a configuration says, as long as nothing was started by another one.

        Raises:
            InvalidInput: it was; the manager has to be opened anew.
        """
        if config == self.config:
            return
        if self._begun:
            raise InvalidInput("another enclave is wanted from when the manager is opened anew")
        config.check()
        self.config = config
        self._reason = "not started" if config.enabled else "not enabled"

    @property
    def configured(self) -> bool:
        """An enclave is wanted."""
        return self.config.enabled

    @property
    def ready(self) -> bool:
        """An enclave is wanted, and was self-tested."""
        return self._attested is not None

    @property
    def status(self) -> TeeStatus:
        """What there is to say of it."""
        return TeeStatus(
            configured=self.configured,
            ready=self.ready,
            simulated=self._enclave is not None and self._enclave.simulated,
            machine=self._machine,
            attested=self._attested,
            reason=self._reason,
        )

    async def init(self) -> TeeStatus:
        """Start or connect to the enclave and test it; again is harmless.

        Raises:
            TeeUnavailable: it is required, and not there.
        """
        self._begun = True
        self._machine = self._machine or self._look()
        if not self.configured or self.ready:
            return self.status
        try:
            enclave = self._build(self.config)
            attested = await enclave.start()
            if trouble := _unwanted(self.config, enclave, attested):
                await enclave.close()
                raise TeeUnavailable(trouble)
        except HoldfastError as error:
            self._reason = error.message
            if self.config.required:
                raise TeeUnavailable(f"no enclave: {error.message}") from error
            return self.status
        self._enclave, self._attested = enclave, attested
        what = "simulated" if enclave.simulated else attested.kind.value
        self._reason = f"{what} enclave, self-tested"
        return self.status

    def _look(self) -> Machine | None:
        try:
            return self._detect()
        except TeeUnavailable:
            return None

    def client_for(self, session_id: str) -> ModelClient | None:
        """The client of a session's calls in the enclave, or None while there is none."""
        if self._enclave is None or not self.ready:
            return None
        return self._enclave.model(session_id)

    async def shutdown(self) -> None:
        """End all channels and the enclave, where it was started; no data key dies."""
        enclave, self._enclave = self._enclave, None
        self._attested = None
        if self.configured:
            self._reason = "shut down"
        if enclave is not None:
            await enclave.close()


def _unwanted(config: TeeConfig, enclave: Enclave, attested: Attested) -> str:
    """Why an enclave that has shown what it is may not be used, or ""."""
    if config.mode == "production" and enclave.simulated:
        return "production refuses a simulated enclave"
    if config.backend is not None and attested.kind is not BACKENDS[config.backend]:
        return f"its evidence is {attested.kind.value}, not of the backend {config.backend}"
    return ""
