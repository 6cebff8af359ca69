"""Where a provider's key is found.

- Configuration holds references, never keys: `env:NAME`, `file:/path` or
  `keyring:service/name` (contract 2.12). Anything else is refused as a literal
  key, and the text that was refused is never repeated in a message or a log.
- Without a reference the provider's usual environment variable is read.
- A key file must belong to nobody else: mode 0600 or stricter.
"""

from __future__ import annotations

import importlib
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from holdfast.core.errors import InvalidInput, LiteralSecret, NotFound, Unavailable

KEY_FILE_BYTES_MAX = 16_384

_ENV = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*")
_FILE = re.compile(r"file:/[^\0\n]+")
_KEYRING = re.compile(r"keyring:[^/\s]+/\S+")
_KEY = re.compile(r"[!-~]+")


def validate_reference(reference: str) -> None:
    """Refuse anything that is not a reference to a key.

    Raises:
        LiteralSecret: the text is not `env:NAME`, `file:/path` or
            `keyring:service/name`; the message does not repeat it.
    """
    if not any(form.fullmatch(reference) for form in (_ENV, _FILE, _KEYRING)):
        raise LiteralSecret(
            "a key is given by reference: env:NAME, file:/path or keyring:service/name"
        )


def default_variable(provider: str) -> str:
    """Return the environment variable in which a provider's key is looked for."""
    return re.sub(r"[^A-Z0-9]+", "_", provider.upper()) + "_API_KEY"


def resolve_key(reference: str | None, provider: str, environ: Mapping[str, str]) -> str:
    """Return the key a reference stands for.

    Args:
        reference: see `validate_reference`; None for the provider's variable.
        provider: the provider's name, for the default and for messages.
        environ: the environment.

    Raises:
        LiteralSecret: it is not a reference.
        NotFound: there is no key at that place.
        Unavailable: the file is open to others, or keyring is not installed.
        InvalidInput: what was found cannot be a key.
    """
    wanted = reference if reference is not None else f"env:{default_variable(provider)}"
    validate_reference(wanted)
    kind, _, place = wanted.partition(":")
    if kind == "env":
        found = environ.get(place, "")
        if not found.strip():
            raise NotFound(f"no key for {provider}: the variable {place} is not set")
    elif kind == "file":
        found = _from_file(Path(place))
    else:
        found = _from_keyring(place)
    key = found.strip()
    if not _KEY.fullmatch(key):
        raise InvalidInput(f"what {kind} holds as key for {provider} has blanks or other signs")
    return key


def _from_file(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        raise NotFound(f"the key file {path} does not exist") from None
    except OSError as error:
        raise Unavailable(f"the key file {path} cannot be read: {error.strerror}") from None
    try:
        # The open descriptor is judged, so that the file cannot be exchanged in between.
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise Unavailable(f"the key file {path} is not a regular file")
        if facts.st_mode & 0o177:
            raise Unavailable(f"the key file {path} is open to others: chmod 600")
        content = os.read(descriptor, KEY_FILE_BYTES_MAX + 1)
    finally:
        os.close(descriptor)
    if len(content) > KEY_FILE_BYTES_MAX:
        raise InvalidInput(f"the key file {path} is too large for a key")
    return content.decode("utf-8", "replace")


def _from_keyring(place: str) -> str:
    service, _, name = place.partition("/")
    try:
        # Optional and not part of any extra: only who uses keyring: references needs it.
        keyring = importlib.import_module("keyring")
    except ImportError:
        raise Unavailable("a keyring: reference needs the keyring package") from None
    found = keyring.get_password(service, name)
    if not found:
        raise NotFound(f"the keyring has no entry {service}/{name}")
    return str(found)
