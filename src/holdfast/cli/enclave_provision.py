"""`holdfast enclave provision`: hands an enclave the key of its model, once.

The enclave is the one that `[tee]` of the policy file describes: reached over its
socket, and verified as ever before it is told anything. What it keeps is remembered in
the file that `tee.anchor` names, so that an older or another key is found at once.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.configuring import in_force
from holdfast.cli.output import facts, print_json
from holdfast.cli.world import options_of
from holdfast.core.errors import InvalidInput

if TYPE_CHECKING:
    from holdfast.ports.counting import Count
    from holdfast.runtime.tee import TeeConfig


def provision(
    context: typer.Context,
    key: Annotated[
        str,
        typer.Argument(
            metavar="REFERENCE",
            help="Where the key is: env:NAME, file:/path or keyring:service/name.",
        ),
    ],
) -> None:
    """Hand the enclave of the policy file the key of its model, to keep it sealed."""
    # lazy: help needs none of it.
    import asyncio

    from holdfast.adapters.models.secrets import resolve_key

    options = options_of(context)
    file, _ = in_force(options)
    config = None if file is None else file.confined.tee
    if config is None or config.socket is None or config.anchor is None:
        raise InvalidInput("[tee] of the policy file names no socket and anchor of an enclave")
    secret = resolve_key(key, "the enclave", os.environ)
    count = asyncio.run(_hand_over(config, secret))
    if options.json:
        print_json({"version": count.version, "digest": count.digest})
        return
    facts([("version", count.version), ("digest", count.digest)])


async def _hand_over(config: TeeConfig, secret: str) -> Count:
    # lazy: help does not need cryptography.
    from holdfast.adapters.enclave.client import EnclaveClient
    from holdfast.adapters.enclave.factory import build_enclave
    from holdfast.ports.clock import SystemClock

    enclave = build_enclave(config, SystemClock())
    assert isinstance(enclave, EnclaveClient), "it has a socket"
    return await enclave.hand_over(secret)
