"""Where a server listens, and that it tells."""

from __future__ import annotations

import socket

import pytest

from holdfast.core.errors import InvalidInput, Unavailable
from holdfast.server.serving import listen
from holdfast.server.settings import ServerSettings


def test_places() -> None:
    """A free port; one that is taken; none at all; in the clear for all."""
    with listen(ServerSettings(port=0)) as sock:
        port = sock.getsockname()[1]
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        with pytest.raises(Unavailable):
            listen(ServerSettings(port=port)).close()
        with socket.create_connection(("127.0.0.1", port)):
            pass
    with pytest.raises(InvalidInput):
        listen(ServerSettings(host="0.0.0.0"))
    with pytest.raises(InvalidInput):
        listen(ServerSettings(host="no.such.host.invalid", tls_cert="c", tls_key="k"))
