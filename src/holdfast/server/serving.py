"""Running the application with uvicorn: where it listens, and how it stops."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import FrameType

import uvicorn

from holdfast.core.errors import InvalidInput, Unavailable
from holdfast.server.app import Application
from holdfast.server.protocol import BoundedProtocol
from holdfast.server.settings import ServerSettings

BACKLOG = 512
KEEP_ALIVE_S = 30
TIDY_S = 300.0
"""How often garbage among what lives long is collected, in seconds."""
COLLECTIONS_MAX = 200
"""So many collections of what is younger, each after some 8,000 new objects, may come between."""
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class _Server(uvicorn.Server):
    """Says that it is no longer ready before it stops taking requests."""

    def __init__(self, config: uvicorn.Config, app: Application) -> None:
        super().__init__(config)
        self._application = app

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop in good order on a signal, and then end as who was asked to, not as killed."""
        before = {sig: signal.signal(sig, self.handle_exit) for sig in SIGNALS}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal asks it to stop."""
        self._application.drain()
        super().handle_exit(sig, frame)


def listen(settings: ServerSettings) -> socket.socket:
    """A socket at the place that the settings say.

    Raises:
        InvalidInput: it would be reached from elsewhere in the clear, or is no address.
        Unavailable: it is taken, or not ours to take.
    """
    settings.check_binding()
    host = settings.host.strip("[]")
    try:
        found = socket.getaddrinfo(host, settings.port, type=socket.SOCK_STREAM)
    except OSError:
        raise InvalidInput(f"{settings.host!r} is no address") from None
    family, _, _, _, address = found[0]
    try:
        sock = socket.create_server(
            (str(address[0]), int(address[1])), family=family, backlog=BACKLOG
        )
        # What it accepts inherits this; asyncio sees to it only for sockets of its own.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise Unavailable(f"cannot listen on {where}: {error.strerror}") from None


def settle() -> None:
    """Have full garbage collections be short and seldom, for as long as the process serves.

    One looks at every object and stops everything meanwhile, 0.1 to 0.3 s with a thousand
    streams. What is there by now (modules, routes, patterns) stays as long as the process
    and is left out. What lives long is otherwise looked at whenever a quarter has come to
    it; now `tidied` does that, and the interpreter only if very much has come before.
    """
    gc.collect()
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, COLLECTIONS_MAX)


@asynccontextmanager
async def tidied(every_s: float = TIDY_S) -> AsyncIterator[None]:
    """Meanwhile collect garbage among what lives long, if something has come to it.

    Args:
        every_s: how often to look, in seconds.
    """

    async def tidy() -> None:
        while True:
            await asyncio.sleep(every_s)
            if gc.get_count()[2]:
                gc.collect()

    task = asyncio.create_task(tidy())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def serve(
    app: Application, settings: ServerSettings, tell: Callable[[str], None] = lambda url: None
) -> None:
    """Serve until a signal asks to stop; requests that run have `drain_s` to end.

    Args:
        tell: is told the address once requests are taken.

    Raises:
        InvalidInput, Unavailable: as of `listen`, or the certificate cannot be used.
    """
    with listen(settings) as sock:
        try:
            config = uvicorn.Config(
                app,
                loop="asyncio",  # what runs tools is tested on this one
                ws="none",
                http=BoundedProtocol,
                lifespan="off",  # whoever opened the manager closes it
                log_config=None,
                access_log=False,  # ours has neither queries nor headers
                server_header=False,
                proxy_headers=bool(settings.trusted_proxies),
                forwarded_allow_ips=list(settings.trusted_proxies),
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=max(1, round(settings.drain_s)),
                ssl_certfile=settings.tls_cert or None,
                ssl_keyfile=settings.tls_key or None,
            )
            config.load()
        except OSError as error:  # of TLS as well
            raise InvalidInput(f"the certificate cannot be used: {type(error).__name__}") from None
        app.prepare()
        settle()
        host, port = sock.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        scheme = "https" if settings.tls_cert else "http"
        tell(f"{scheme}://{shown}:{port}")
        async with tidied():
            await _Server(config, app).serve(sockets=[sock])
