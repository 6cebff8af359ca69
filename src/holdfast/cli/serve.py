"""`holdfast serve`: the sessions of a store over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.configuring import in_force
from holdfast.cli.output import note, print_json
from holdfast.cli.talk import MODEL_VARIABLE
from holdfast.cli.world import Options, make_runner, options_of, require_store
from holdfast.core.errors import MissingExtra, Unavailable

if TYPE_CHECKING:
    from holdfast.bootstrap import SessionManager
    from holdfast.server.settings import ServerSettings


def serve(
    context: typer.Context,
    *,
    host: Annotated[
        str | None,
        typer.Option("--host", help="Where to listen; elsewhere than here needs TLS."),
    ] = None,
    port: Annotated[int | None, typer.Option("--port", help="0 is any free one.")] = None,
    tls_cert: Annotated[
        str | None, typer.Option("--tls-cert", help="Certificates, a PEM file.")
    ] = None,
    tls_key: Annotated[str | None, typer.Option("--tls-key", help="Their key, a PEM file.")] = None,
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option("--trusted-proxy", help="Address or network of the proxy in front."),
    ] = None,
    allowed_host: Annotated[
        list[str] | None, typer.Option("--allowed-host", help="A name that it is reached by.")
    ] = None,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option("--cors-origin", help="An origin whose pages may call it; none by default."),
    ] = None,
    workspace_root: Annotated[
        list[str] | None,
        typer.Option(
            "--workspace-root",
            help="Sessions may work in directories below ROOT/WORKSPACE; none by default.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", envvar=MODEL_VARIABLE, help="The default model, provider:name."),
    ] = None,
    unsandboxed: Annotated[
        bool, typer.Option("--unsandboxed", help="Let bash run where no sandbox exists.")
    ] = False,
) -> None:
    """Serve sessions over HTTP until a signal says to stop.

    What no option says is as `[server]` of the policy file and HOLDFAST_SERVER_… have it.
    """
    # lazy: help needs neither a server nor an event loop.
    import asyncio

    try:
        # lazy: the server is an optional part.
        from holdfast.server.settings import ServerSettings
    except ImportError:
        raise MissingExtra("the server", "server") from None
    options = options_of(context)
    given = {
        "host": host,
        "port": port,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
        "trusted_proxies": tuple(trusted_proxy or ()),
        "allowed_hosts": tuple(allowed_host or ()),
        "cors_origins": tuple(cors_origin or ()),
        "workspace_roots": tuple(workspace_root or ()),
    }
    settings = ServerSettings(
        **{
            **configured(options),
            **{name: value for name, value in given.items() if value not in (None, ())},
        }
    )
    settings.check_binding()
    require_store(options)
    asyncio.run(_serve(options, settings, model, unsandboxed=unsandboxed))


def configured(options: Options) -> dict[str, Any]:
    """What the policy file and the environment say of a server.

    Raises:
        InvalidInput, PolicyFileRefused: a variable or the file is wrong.
    """
    # lazy: help needs none of it.
    from holdfast.runtime.configuration import section

    return section(in_force(options)[1], "server")


async def _serve(
    options: Options, settings: ServerSettings, model: str | None, *, unsandboxed: bool
) -> None:
    try:
        # lazy: the server is an optional part.
        from holdfast.server.app import create_app
        from holdfast.server.serving import serve as serving
    except ImportError:
        raise MissingExtra("the server", "server") from None

    def tell(url: str) -> None:
        if options.json:
            print_json({"url": url})
        else:
            note(f"listening on {url}")

    async with make_runner(options, model, unsandboxed=unsandboxed) as manager:
        await require_administrator(manager)
        await manager.resume_interrupted()
        await serving(create_app(manager, settings), settings, tell)


async def require_administrator(manager: SessionManager) -> None:
    """Refuse to serve what nobody could ever use.

    Raises:
        Unavailable: there is no administrator's credential.
    """
    if not await manager.tokens.has_administrator():
        raise Unavailable("there is no administrator's token: `holdfast init` makes one")
