"""How a server is configured: `holdfast.toml`, `HOLDFAST_*`, and what comes of both.

One table has every setting; the policy file's reader, `holdfast config show`,
`holdfast serve` and docs/reference/configuration.md go by it. A variable stands above
the file, and what nobody knows is refused, not ignored.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from holdfast.core.errors import InvalidInput
from holdfast.core.principals import Roles
from holdfast.core.tokens import TokenFormat

PREFIX: Final = "HOLDFAST_"
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


class Source(StrEnum):
    """Where a value comes from."""

    DEFAULT = "default"
    FILE = "file"
    ENVIRONMENT = "environment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One setting.

    Args:
        section, key: where it stands in the file; section "" is only in the environment.
        kind: what it holds, in the words of `policyschema`.
        default: if neither says anything.
        least, most: bounds of a whole number.
        secret: its value is never shown.
        choices: the texts there may be; none is any.
    """

    section: str
    key: str
    kind: str
    default: object
    least: int = 0
    most: int = 2**53
    secret: bool = False
    choices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As it is written in the reference: `section.key`, or the variable."""
        return f"{self.section}.{self.key}" if self.section else self.variable

    @property
    def variable(self) -> str:
        """The environment's name for it."""
        return PREFIX + "_".join(part.upper() for part in (self.section, self.key) if part)

    def check(self, value: object) -> object:
        """Return a value if it is within bounds.

        Raises:
            InvalidInput: it is not.
        """
        if isinstance(value, int) and not self.least <= value <= self.most:
            raise InvalidInput(f"{self.name} is {self.least} to {self.most}")
        if self.choices and value not in self.choices:
            raise InvalidInput(f"{self.name} is {' or '.join(self.choices)}")
        return value

    def parse(self, text: str) -> object:
        """Read the text of a variable; several texts have commas between them.

        Raises:
            InvalidInput: it is of another type, or out of bounds.
        """
        if self.kind == "whole number":
            if not (text.isascii() and text.isdigit() and len(text) < 17):
                raise InvalidInput(f"{self.variable} is a whole number")
            return self.check(int(text))
        if self.kind == "true or false":
            if text.lower() not in (*_TRUE, *_FALSE):
                raise InvalidInput(f"{self.variable} is true or false")
            return text.lower() in _TRUE
        if self.kind == "texts":
            return tuple(part.strip() for part in text.split(",") if part.strip())
        return self.check(text)


def _number(section: str, key: str, default: int, least: int, most: int) -> Option:
    return Option(
        section=section, key=key, kind="whole number", default=default, least=least, most=most
    )


def _text(section: str, key: str, default: str = "", *, secret: bool = False) -> Option:
    return Option(section=section, key=key, kind="text", default=default, secret=secret)


def _texts(section: str, key: str) -> Option:
    return Option(section=section, key=key, kind="texts", default=())


def _flag(section: str, key: str, default: bool) -> Option:
    return Option(section=section, key=key, kind="true or false", default=default)


DAY_S: Final = 24 * 3600

OPTIONS: Final[tuple[Option, ...]] = (
    _text("server", "host", "127.0.0.1"),
    _number("server", "port", 18790, 0, 65_535),
    _text("server", "tls_cert"),
    _text("server", "tls_key"),
    _texts("server", "trusted_proxies"),
    _texts("server", "allowed_hosts"),
    _texts("server", "cors_origins"),
    _texts("server", "workspace_roots"),
    _number("server", "body_bytes_max", 8 * 1024 * 1024, 1, 1024**3),
    _number("server", "requests_per_minute", 6_000, 1, 10_000_000),
    _number("server", "strangers_per_minute", 120, 1, 10_000_000),
    _number("server", "keys_max", 10_000, 1, 10_000_000),
    _number("server", "heartbeat_s", 15, 1, 3_600),
    _number("server", "drain_s", 10, 0, 3_600),
    _number("tokens", "expires_in_s", 3_600, 1, DAY_S),
    _number("tokens", "life_days", 30, 1, 3_650),
    Option(
        section="tokens",
        key="format",
        kind="text",
        default=TokenFormat.OPAQUE.value,
        choices=tuple(one.value for one in TokenFormat),
    ),
    _text("tokens", "issuer"),
    _text("tokens", "audience", "holdfast"),
    _text("audit", "checkpoints"),
    _number("audit", "every_events", 10_000, 1, 10**9),
    _number("audit", "every_s", 3_600, 1, 30 * DAY_S),
    _number("retention", "idle_days", 0, 0, 36_500),
    _number("retention", "sensitive_idle_days", 0, 0, 36_500),
    _flag("telemetry", "enabled", True),
    _flag("telemetry", "content", False),
    _text("", "store"),
    _text("", "installation_key"),
    _text("", "policy"),
    _text("", "model"),
    _text("", "server"),
    _text("", "token", secret=True),
    _text("", "token_file"),
    _text("", "debug"),
)
"""Every setting. Keys of a session stand in its `SessionConfig`, rules in the policy file."""

IN_FILE: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        section: MappingProxyType({one.key: one.kind for one in OPTIONS if one.section == section})
        for section in dict.fromkeys(one.section for one in OPTIONS if one.section)
    }
)
"""The sections of the file, with what each key holds."""

FREE: Final[Mapping[str, str]] = MappingProxyType({"roles": "texts", "task_types": "texts"})
"""Sections whose keys are names somebody chose, with what each holds."""

_INTERNAL: Final = frozenset({"HOLDFAST_EFFECT"})
"""Set by the program for what it starts."""


@dataclass(frozen=True, slots=True)
class Serving:
    """What the file says of a server, checked.

    Args:
        values: by (section, key).
        roles: the installation's own roles and task types.
    """

    values: Mapping[tuple[str, str], object] = field(default_factory=dict)
    roles: Roles = field(default_factory=Roles)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """A setting and what it comes to."""

    option: Option
    value: object
    source: Source

    @property
    def shown(self) -> object:
        """The value for people: a secret only says whether it is set."""
        if self.option.secret:
            return "(set)" if self.value else ""
        return list(self.value) if isinstance(self.value, tuple) else self.value


def effective(file: Serving | None, environ: Mapping[str, str]) -> list[Effective]:
    """Every setting with the value that holds and where it comes from.

    Args:
        file: what the policy file says; None without one.
        environ: the environment.

    Raises:
        InvalidInput: a variable is of another type, or begins with HOLDFAST_ and is
            unknown; one that is close is named.
    """
    check_variables(environ)
    return [_effective(option, file, environ) for option in OPTIONS]


def _effective(option: Option, file: Serving | None, environ: Mapping[str, str]) -> Effective:
    said = {} if file is None else file.values
    value, source = option.default, Source.DEFAULT
    if (option.section, option.key) in said:
        value, source = said[option.section, option.key], Source.FILE
    if environ.get(option.variable):
        value, source = option.parse(environ[option.variable]), Source.ENVIRONMENT
    return Effective(option=option, value=value, source=source)


def of_section(file: Serving | None, environ: Mapping[str, str], name: str) -> dict[str, object]:
    """The values of one section by key; variables of other sections are not looked at.

    Raises:
        InvalidInput: a variable of the section is of another type, or out of bounds.
    """
    return section([_effective(one, file, environ) for one in OPTIONS if one.section == name], name)


def section(found: list[Effective], name: str) -> dict[str, object]:
    """The values of one section by key, as `ServerSettings` takes them."""
    return {one.option.key: one.value for one in found if one.option.section == name}


def check_variables(environ: Mapping[str, str]) -> None:
    """Refuse a variable of ours that is unknown: a misspelt one must not be passed over.

    Raises:
        InvalidInput: naming it, and one that is close.
    """
    known = {one.variable for one in OPTIONS} | _INTERNAL
    for name in environ:
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise InvalidInput(f"there is no variable {name[:64]}{hint}")
