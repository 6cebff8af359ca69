"""Getting out of a sandbox whose session may reach one host: hundreds of ways, none works."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from egresshelp import attack

from adapters.tools.toolhelp import Bench
from holdfast.adapters.sandbox.status import SandboxKind, detect
from holdfast.adapters.tools.bash import BashTool


@pytest.mark.slow
def test_no_attempt_reaches_a_listener(tmp_path: Path) -> None:
    """Direct sockets, other namespaces, cleared proxies, forms of addresses, smuggling."""
    status = detect(SandboxKind.BUBBLEWRAP)
    if status.kind is not SandboxKind.BUBBLEWRAP:
        pytest.skip(status.reason)
    escapes = asyncio.run(attack(Bench(tmp_path), status))
    assert [] == escapes.reached
    assert [] == escapes.strange
    families = Counter(family for family, _, _ in escapes.attempts)
    assert {"direct", "kernel", "without_proxy", "through_proxy", "smuggled"} == set(families)
    assert 300 <= len({name for _, name, _ in escapes.attempts})
    assert any("/ok" in one for one in escapes.heard), "the allowed host was reached"
    assert 30 <= sum("/to?" in one for one in escapes.heard), "redirects were followed"


def test_the_listeners_notice_an_escape(tmp_path: Path) -> None:
    """Without a sandbox the same attempt does reach a listener, so silence means something."""
    tool = BashTool(status=detect(SandboxKind.NONE))
    bench = Bench(tmp_path)

    async def main() -> bool:
        reached = asyncio.Event()

        def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()
            reached.set()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, family=socket.AF_INET)
        port = server.sockets[0].getsockname()[1]
        context = replace(bench.context(unsandboxed_allowed=True))
        await tool.run({"command": f"exec 3<>/dev/tcp/127.0.0.1/{port}"}, context)
        async with asyncio.timeout(2):
            await reached.wait()
        server.close()
        return reached.is_set()

    assert asyncio.run(main())
