"""What goes over the line of a sealed session is not shown by accident."""

from __future__ import annotations

from holdfast.core.errors import Unavailable
from holdfast.ports.sealed import HostEnded, Reply


def test_a_reply_does_not_show_its_body() -> None:
    """Neither printed nor logged."""
    assert "kanarie" not in repr(Reply(meta={}, body=bytearray(b"kanarie")))


def test_an_ended_host_is_something_unavailable() -> None:
    """Callers that know nothing of sealed sessions take it as such."""
    error = HostEnded()
    assert isinstance(error, Unavailable)
    assert ("unavailable", 503) == (error.reason, error.status)
    assert "goes on in another" in error.message
