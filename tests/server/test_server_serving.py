"""Where a server listens, and that it tells."""

from __future__ import annotations

import gc
import socket

import pytest

from holdfast.adapters.detectors import factory
from holdfast.core.errors import InvalidInput, Unavailable
from holdfast.server.app import create_app
from holdfast.server.serving import listen, serve
from holdfast.server.settings import ServerSettings
from sessionhelp import echo, memory, run


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


def test_nothing_is_left_to_be_built_once_it_listens() -> None:
    """Whoever comes first waits for nothing, and what is there is not collected again."""

    class Told(Exception):
        pass

    async def work() -> None:
        async with memory(echo()) as sessions:
            app = create_app(sessions)
            factory._injection.cache_clear()

            def tell(url: str) -> None:
                assert app.api.openapi_schema is not None
                assert factory._injection.cache_info().currsize
                assert gc.get_freeze_count() > 10_000
                raise Told

            before = gc.get_freeze_count()
            try:
                with pytest.raises(Told):
                    await serve(app, ServerSettings(port=0), tell)
            finally:
                if not before:
                    gc.unfreeze()

    run(work())
