"""How patient a client is, and how much it takes from a server; all limits in one place."""

from __future__ import annotations

from dataclasses import dataclass, fields

from holdfast.core.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """See the module; times are in seconds.

    Args:
        connect_s: how long a connection may take to be made.
        silence_s: how long a server may say nothing, in an answer or in a stream, before
            the connection counts as lost; a server's streams say something every 15 s.
        patience_s: how long a request or a stream is tried again after the first failure.
        tries_max: how often at most, within that time, without an event or an answer.
        wait_s_min, wait_s_max: the first wait between two tries, doubled each time, and
            the longest. A server's `Retry-After` counts instead where there is one.
        answer_bytes_max: the largest answer.
        event_bytes_max: the largest event of a stream.
    """

    connect_s: float = 10.0
    silence_s: float = 60.0
    patience_s: float = 60.0
    tries_max: int = 30
    wait_s_min: float = 0.1
    wait_s_max: float = 5.0
    answer_bytes_max: int = 64 * 1024 * 1024
    event_bytes_max: int = 16 * 1024 * 1024

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise InvalidInput(f"{field.name} is a number")
            if not 0 < value < float("inf"):
                raise InvalidInput(f"{field.name} is above 0")
