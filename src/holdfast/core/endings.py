"""Events of a session's end, stored in clear and signed (contract 1.8), and of its exports.

Import them from `events`, which has all kinds and their codes.
"""

from __future__ import annotations

from dataclasses import dataclass

KEEP_MAX = 256
"""How many forks and children a termination can keep by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """The session is written out in plain form; a wipe does not reach what was written.

    It is on record before anything is written. Like all but the end it is not in clear,
    but its kind, time and actor are, so that a wiped session's receipt can tell of it.

    Args:
        form: the file form.
    """

    form: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WipeStarted:
    """Intent to destroy the session's key; stored in clear, signed, without content.

    Args:
        checkpoint: number of the signed checkpoint over the log up to here, or 0.
    """

    checkpoint: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiped:
    """The session's key is destroyed; stored in clear, signed (contract 1.8).

    Args:
        destroyed_at_ms: when, milliseconds since 1970.
        key_epoch: copies of the key store stay readable until this epoch of the
            installation key is destroyed.
    """

    destroyed_at_ms: int
    key_epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Nothing follows; stored in clear, signed."""

    tombstone: bool = False
