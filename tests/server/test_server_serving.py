"""Where a server listens, and that it tells."""

from __future__ import annotations

import asyncio
import gc
import socket
import weakref
from collections.abc import Sequence

import pytest

from holdfast.adapters.detectors import factory
from holdfast.core.errors import InvalidInput, Unavailable
from holdfast.core.findings import Signal
from holdfast.ports.detector import NoInjectionDetector
from holdfast.runtime.detectors import Detectors
from holdfast.server.app import create_app
from holdfast.server.serving import COLLECTIONS_MAX, listen, serve, tidied
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

            before, limits = gc.get_freeze_count(), gc.get_threshold()
            try:
                with pytest.raises(Told):
                    await serve(app, ServerSettings(port=0), tell)
                assert (*limits[:2], COLLECTIONS_MAX) == gc.get_threshold()
            finally:
                gc.set_threshold(*limits)
                if not before:
                    gc.unfreeze()

    run(work())


def test_garbage_that_lived_long_is_collected() -> None:
    """What is left behind in a circle goes with the next look, however seldom it is looked for."""

    class Left:
        pass

    async def work() -> None:
        limits = gc.get_threshold()
        gc.set_threshold(limits[0], limits[1], 1_000_000)
        try:
            gc.collect()
            one = Left()
            one.self = one  # type: ignore[attr-defined]  # the circle
            seen = weakref.ref(one)
            gc.collect(1)  # twice it is found to be in use
            gc.collect(1)
            del one
            gc.collect(1)
            assert seen() is not None
            async with tidied(0.01), asyncio.timeout(10):
                while seen() is not None:
                    await asyncio.sleep(0.01)
        finally:
            gc.set_threshold(*limits)

    run(work())


def test_a_detector_that_fails_keeps_no_server_from_starting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is logged without a word of the failure; what it should look at is refused later."""

    class Broken(NoInjectionDetector):
        def scan(self, text: str, canaries: Sequence[str] = ()) -> Signal:
            raise RuntimeError("canary")

    async def work() -> None:
        async with memory(echo(), detectors=Detectors(injection=Broken())) as sessions:
            create_app(sessions).prepare()

    run(work())
    assert "what looks at content could not be prepared: RuntimeError" in caplog.text
    assert "canary" not in caplog.text
