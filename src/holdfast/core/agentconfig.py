"""The agent's configuration: the model that turns go to by default, and what is shown of it.

Rules (seed B2; rulings §2, `PUT /api/agent/config`)
- It belongs to a workspace. A session's own model stands above it; it stands above what a
  process was started with.
- A key is written and never read: what is shown says that there is one and since when.
- A key stays with the address it was given for. Whoever changes provider or address gives
  the key again, so that nobody sends a key elsewhere that they do not have.
- An address needs its zone declared; nobody declares an enclave, which proves what it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from typing import Final

from holdfast.core.errors import InvalidInput, LiteralSecret
from holdfast.core.labels import Sensitivity
from holdfast.core.security import Zone
from holdfast.core.settings import ModelSettings

SECRET_CHARS_MAX: Final = 4096
NAME_CHARS_MAX: Final = 512
_NAME = re.compile(rf"[!-~]{{1,{NAME_CHARS_MAX}}}")
_SECRET = re.compile(r"[!-~]+")
_REFERENCE = re.compile(r"(env|file|keyring):")
_FOREIGN = {"openai": re.compile(r"sk-ant-"), "anthropic": re.compile(r"sk-(?!ant-)")}
"""How another provider's keys begin; they are refused at a provider's own address."""


class Keep(Enum):
    """Stands for a key that is to stay as it is."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP


class KeySource(StrEnum):
    """Where a model's key comes from."""

    NONE = "none"
    STORED = "stored"
    REFERENCE = "reference"
    VARIABLE = "variable"


class ConfigSource(StrEnum):
    """What the configuration in force comes from."""

    NONE = "none"
    STORED = "stored"
    PROCESS = "process"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSettings:
    """Limits of one model call; all times in seconds.

    Args:
        connect_s: to open a connection.
        idle_s: between two pieces of an answer, and before the first.
        total_s: for the whole call, all attempts and waits included.
        attempts: how often the request is sent at most.

    Raises:
        InvalidInput: a value is out of bounds.
    """

    connect_s: float = 10.0
    idle_s: float = 120.0
    total_s: float = 900.0
    attempts: int = 4

    def __post_init__(self) -> None:
        bounds = {"connect_s": 300.0, "idle_s": 3600.0, "total_s": 86_400.0}
        for name, most in bounds.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise InvalidInput(f"{name} is a number of seconds")
            if not 0 < value <= most:
                raise InvalidInput(f"{name} is above 0 and at most {most:g} seconds")
        if type(self.attempts) is not int or not 1 <= self.attempts <= 10:
            raise InvalidInput("attempts is 1 to 10")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentKey:
    """What is shown of a key: never the key, nor a part of it.

    Args:
        set: there is one, kept here or named by a reference.
        source: "stored", "reference", "variable" (the provider's usual one) or "none".
        reference: where it is found, if a reference says so; it is no key.
        changed_at: when it was last changed, epoch seconds.
    """

    set: bool = False
    source: str = KeySource.NONE.value
    reference: str = ""
    changed_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConfig:
    """The configuration in force for turns that begin now, as it is shown.

    Args:
        version: what `expected` and `If-Match` are about; 0 if nothing was ever set.
        source: "stored"; "process" if only this process has a default; "none".
        zone: as declared, or as the address says.
        sees: the most sensitive content the model may see in clear; None is as its zone.
        changed_at: epoch seconds, of what is stored.
        changed_by: the principal who changed it.
    """

    version: int = 0
    source: str = ConfigSource.NONE.value
    provider: str = ""
    model: str = ""
    base_url: str | None = None
    zone: str | None = None
    sees: str | None = None
    input_usd: str | None = None
    output_usd: str | None = None
    calls: CallSettings = field(default_factory=CallSettings)
    key: AgentKey = field(default_factory=AgentKey)
    changed_at: int | None = None
    changed_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRecord:
    """What is stored, sealed.

    Args:
        model: None: nothing is configured, and what a process was started with holds.
        secret: the key itself, or "".
        version: the event of the configuration's log that this was written with.
        by: the principal who wrote it.
    """

    model: ModelSettings | None = None
    calls: CallSettings = field(default_factory=CallSettings)
    secret: str = field(default="", repr=False)
    version: int = 0
    changed_ms: int = 0
    key_changed_ms: int | None = None
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentChange:
    """A configuration that is to be put in place of the one there is.

    Args:
        model: None removes the configuration.
        api_key: the key itself; None for none; `KEEP` for the one that is stored.
    """

    model: ModelSettings | None = None
    calls: CallSettings = field(default_factory=CallSettings)
    api_key: str | Keep | None = field(default=KEEP, repr=False)


def check_change(change: AgentChange) -> None:
    """Refuse what could not be a configuration, whatever is stored.

    Raises:
        InvalidInput: naming the field; a key is never repeated.
        LiteralSecret: a key stands where a reference is expected, or the other way round.
    """
    model, key = change.model, change.api_key
    if not (key is None or key is KEEP or isinstance(key, str)):
        raise InvalidInput("api_key is a text, None or KEEP")
    if model is None:
        if isinstance(key, str) or change.calls != CallSettings():
            raise InvalidInput("a key and limits go with a provider and a model")
        return
    for name in ("provider", "model", "base_url", "key"):
        text = getattr(model, name)
        if text is not None and not (isinstance(text, str) and _NAME.fullmatch(text)):
            raise InvalidInput(f"{name} is at most {NAME_CHARS_MAX} signs of ASCII without blanks")
    if not isinstance(model.zone, Zone | None) or not isinstance(model.sees, Sensitivity | None):
        raise InvalidInput("zone is a Zone and sees a Sensitivity")
    if model.base_url is not None and model.zone is None:
        raise InvalidInput("a base_url needs its zone declared: public, private or local")
    if model.zone is Zone.TEE:
        raise InvalidInput("an enclave proves what it is; it is not declared here")
    if isinstance(key, str):
        if model.key is not None:
            raise InvalidInput("a key is given itself or by reference, not both")
        _check_secret(model, key)


def _check_secret(model: ModelSettings, key: str) -> None:
    if _REFERENCE.match(key):
        raise LiteralSecret("api_key is a key; a reference to one goes into key")
    if not _SECRET.fullmatch(key) or len(key) > SECRET_CHARS_MAX:
        raise InvalidInput(f"a key is at most {SECRET_CHARS_MAX} signs of ASCII without blanks")
    foreign = _FOREIGN.get(model.provider)
    if model.base_url is None and foreign is not None and foreign.match(key):
        raise InvalidInput(f"that is not how a key of {model.provider} looks")


def changed(
    before: AgentRecord | None, change: AgentChange, *, version: int, now_ms: int, by: str
) -> AgentRecord:
    """What is stored once a change is made.

    Args:
        before: what is stored now; None for nothing that can be read.
        version: the event of the log that says so.

    Raises:
        InvalidInput: a key that is to stay was given for another provider or address.
    """
    old = before or AgentRecord()
    after = AgentRecord(
        model=change.model,
        calls=change.calls,
        version=version,
        changed_ms=now_ms,
        key_changed_ms=old.key_changed_ms,
        by=by,
    )
    if isinstance(change.api_key, str):
        return replace(after, secret=change.api_key, key_changed_ms=now_ms)
    reference = None if change.model is None else change.model.key
    kept = change.api_key is KEEP and reference is None and change.model is not None
    if kept and old.secret:
        if _place(old.model) != _place(change.model):
            raise InvalidInput(
                "the key was given for another provider or address: give it again, or null"
            )
        return replace(after, secret=old.secret)
    same = not old.secret and reference == (None if old.model is None else old.model.key)
    return after if same else replace(after, key_changed_ms=now_ms)


def _place(model: ModelSettings | None) -> tuple[str, str | None] | None:
    """Where requests of a model go."""
    return None if model is None else (model.provider, model.base_url)


def key_of(record: AgentRecord) -> AgentKey:
    """What is shown of a stored configuration's key."""
    if record.model is None:
        return AgentKey()
    at = None if record.key_changed_ms is None else record.key_changed_ms // 1000
    if record.secret:
        return AgentKey(set=True, source=KeySource.STORED.value, changed_at=at)
    return replace(key_of_settings(record.model), changed_at=at)


def key_of_settings(model: ModelSettings) -> AgentKey:
    """What is shown of the key of settings that hold none."""
    if model.key is not None:
        return AgentKey(set=True, source=KeySource.REFERENCE.value, reference=model.key)
    return AgentKey(source=KeySource.VARIABLE.value)


def lends_our_keys(record: AgentRecord) -> bool:
    """Whether a configuration sends keys of this installation's own to where it names.

    Those are the ones that a reference finds, and, at an address of one's own, the one in
    the provider's usual variable.
    """
    model = record.model
    if model is None or record.secret:
        return False
    return model.key is not None or model.base_url is not None
