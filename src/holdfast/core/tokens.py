"""Tokens as values: their text, their limits, and what is handed out (seed C1 to C7).

A token is 256 random bits behind a prefix that scanners know, or a signed text that says
what its row says (`signedtokens`). Only the SHA-256 of its text is kept anywhere; the text
is in `IssuedToken.guard_token` once, and nowhere else.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from holdfast.core.errors import InvalidInput
from holdfast.core.principals import BELOW, DEFAULT_TASK_TYPE, EVERY_WORKSPACE, Roles

PREFIX: Final = "hf_st_"
"""What every opaque token begins with, so that secret scanners find it."""

SECRET_BYTES: Final = 32
TEXT_CHARS_MAX: Final = 4096
"""No text that is longer is looked at."""

CLOCK_SKEW_S: Final = 30
"""How far clocks may be apart, in seconds: the one value for all of them."""

EXPIRES_IN_S_MIN: Final = 1.0
LIFE_S_MAX: Final = 3660 * 24 * 3600
METADATA_CHARS_MAX: Final = 4096
PARTY_CHARS_MAX: Final = 255
AGENT_CHARS_MAX: Final = 128

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LETTERS: Final = 43
_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9._:@+-]*"
_AGENT: Final = re.compile(rf"{_NAME}(?:{BELOW}{_NAME})*\Z")
_WORKSPACE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
_PARTY: Final = re.compile(r"[!-~]{1,255}\Z")


class TokenFormat(StrEnum):
    """What the texts of tokens that are made look like; both are always read."""

    OPAQUE = "opaque"
    JWT = "jwt"


def token_text(secret: bytes) -> str:
    """Write 32 random bytes as a token.

    Args:
        secret: drawn for this token alone.
    """
    assert len(secret) == SECRET_BYTES, "a token has 256 random bits"
    number, letters = int.from_bytes(secret), []
    for _ in range(_LETTERS):
        number, place = divmod(number, len(_DIGITS))
        letters.append(_DIGITS[place])
    return PREFIX + "".join(reversed(letters))


def digest_of(text: object) -> bytes:
    """The digest by which a token is looked up; b"" for what cannot be one."""
    if not isinstance(text, str) or len(text) > TEXT_CHARS_MAX or not text.isascii():
        return b""
    return hashlib.sha256(text.encode()).digest()


def check_agent(agent_id: object) -> str:
    """Return the principal of whoever bears a token: "agent:<id>", or "user:<id>" for a person.

    What follows a "/" is a name below the one before: of an agent of its own.

    Raises:
        InvalidInput: it is no name: letters, digits and ". _ : @ + -", each part beginning
            with a letter or a digit, at most 128 in all.
    """
    if not isinstance(agent_id, str) or len(agent_id) > AGENT_CHARS_MAX:
        raise InvalidInput(f"an agent's id is a text of at most {AGENT_CHARS_MAX} characters")
    kind, _, rest = agent_id.partition(":")
    if not _AGENT.match(agent_id) or rest.startswith(BELOW):
        raise InvalidInput(
            "an agent's id is letters, digits and the signs . _ : @ + -, "
            "and what is below a name stands behind a /"
        )
    return agent_id if kind in ("agent", "user") and rest else f"agent:{agent_id}"


def check_workspace(workspace: object) -> str:
    """Return a workspace's id; "*" is every one.

    Raises:
        InvalidInput: it is no name: letters, digits and ". _ -", at most 128.
    """
    if workspace == EVERY_WORKSPACE:
        return EVERY_WORKSPACE
    if not isinstance(workspace, str) or not _WORKSPACE.match(workspace):
        raise InvalidInput("a workspace's id is at most 128 letters, digits and the signs . _ -")
    return workspace


def _seconds(value: object) -> float | None:
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if numeric else None  # type: ignore[arg-type]  # it is a number


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSettings:
    """How long tokens live, and the installation's own roles.

    Args:
        expires_in_s: without another wish, in seconds.
        expires_in_s_max: the most that may be wished for.
        life_s: after how many seconds a token ends, however often it is refreshed.
        roles: the built-in roles and those of the installation.
        format: of the texts that are made: "opaque", or "jwt", which verifiers elsewhere
            can read (the optional part `jwt`).
        issuer, audience: who signs, and for whom, as a signed text says; the issuer ""
            stands for `holdfast:<id of the installation>`.
    """

    expires_in_s: float = 3600
    expires_in_s_max: float = 24 * 3600
    life_s: float = 30 * 24 * 3600
    roles: Roles = field(default_factory=Roles)
    format: TokenFormat | str = TokenFormat.OPAQUE
    issuer: str = ""
    audience: str = "holdfast"

    def __post_init__(self) -> None:
        if self.format not in tuple(TokenFormat):
            raise InvalidInput("the format of tokens is opaque or jwt")
        for name, party in (("issuer", self.issuer or "-"), ("audience", self.audience)):
            if not isinstance(party, str) or not _PARTY.match(party):
                raise InvalidInput(
                    f"the {name} of tokens is 1 to {PARTY_CHARS_MAX} visible ASCII characters"
                )
        found = [_seconds(one) for one in (self.expires_in_s, self.expires_in_s_max, self.life_s)]
        usual, most, life = (-1.0 if one is None else one for one in found)
        if not EXPIRES_IN_S_MIN <= usual <= most <= life <= LIFE_S_MAX:
            raise InvalidInput(
                "1 s <= expires_in_s <= expires_in_s_max <= life_s <= ten years must hold"
            )

    def checked(self, expires_in: object) -> float:
        """Return a wished-for lifetime in seconds.

        Raises:
            InvalidInput: it is not a number from 1 to the most there may be.
        """
        found = _seconds(expires_in)
        if found is None or not EXPIRES_IN_S_MIN <= found <= self.expires_in_s_max:
            raise InvalidInput(f"expires_in is 1 to {self.expires_in_s_max:g} seconds")
        return found


def moment(time_ms: int) -> datetime:
    """A time in milliseconds since 1970 as a moment in UTC."""
    return datetime.fromtimestamp(time_ms / 1000, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionContext:
    """A session as the holder of a token has it (seed C1).

    Args:
        token: the text; "" where it is not known any more. It is not in the `repr`.
        task_type: "" is the default one.
        expires_at: seconds since 1970.
    """

    session_id: str
    agent_id: str
    token: str = field(repr=False)
    role: str
    scopes: tuple[str, ...]
    task_type: str
    expires_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenInfo:
    """A token as everybody who may list it sees it: all but its text.

    Args:
        id: of its row, 32 hex digits; no secret.
        session_id: the one session it is for, "" for all of its workspace.
        workspace_id: its tenant; "*" is the installation's administrator.
        parent: id of the token it was made with, or "".
        generation: one more with each refresh.
        ends_at: no refresh leads beyond it.
    """

    id: str
    session_id: str
    agent_id: str
    workspace_id: str
    role: str
    scopes: tuple[str, ...]
    task_type: str
    parent: str
    generation: int
    created_at: datetime
    expires_at: datetime
    ends_at: datetime
    metadata: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """A token that was just made or refreshed (seed C1); fields as of `TokenInfo`.

    Args:
        guard_token: the text: handed out here and never again. It is not in the `repr`.
        now_ms: the clock that `is_valid` asks.
    """

    id: str
    session_id: str
    agent_id: str
    workspace_id: str
    role: str
    scopes: tuple[str, ...]
    task_type: str
    guard_token: str = field(repr=False)
    created_at: datetime
    expires_at: datetime
    metadata: Mapping[str, object]
    generation: int
    now_ms: Callable[[], int] = field(repr=False, compare=False)

    def as_context(self) -> SessionContext:
        """The same as the seeds' security context."""
        return SessionContext(
            session_id=self.session_id,
            agent_id=self.agent_id,
            token=self.guard_token,
            role=self.role,
            scopes=self.scopes,
            task_type="" if self.task_type == DEFAULT_TASK_TYPE else self.task_type,
            expires_at=int(self.expires_at.timestamp()),
        )

    @property
    def is_valid(self) -> bool:
        """Whether it has not expired; only `validate` tells whether it was revoked."""
        return self.expires_at > moment(self.now_ms())


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPage:
    """One page of a listing; `cursor` is empty at the end."""

    tokens: tuple[TokenInfo, ...]
    cursor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What a row says of its signed text beside what it permits.

    Args:
        kid: the name of the key.
        issued_s: when this text was made, in seconds since 1970.
    """

    kid: str
    issuer: str
    audience: str
    issued_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """What the row of a token keeps sealed: whom it is for and what it permits.

    Args:
        agent: as it was named.
        principal: "agent:<id>" or "user:<id>".
        metadata: JSON text.
        signed: how its text is signed; None for one that is not.
        again: the first text, sealed for whoever repeats the request that made it, in
            hex; "" for none.
    """

    agent: str
    principal: str
    role: str
    scopes: tuple[str, ...]
    task_type: str = DEFAULT_TASK_TYPE
    metadata: str = "{}"
    signed: Signed | None = None
    again: str = ""
