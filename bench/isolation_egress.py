"""The network firewall: ways out that are tried, hostile addresses, and what a command costs.

`main()` prints the RESULT lines; `tests` and `tests/attack` are to be on the path.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path[:0] = [str(place) for place in (TESTS, TESTS / "attack") if str(place) not in sys.path]

from common import median, pick, report  # noqa: E402 - the tests' folder comes first
from egresshelp import attack  # noqa: E402 - as above

from adapters.network.networkhelp import (  # noqa: E402 - as above
    HERE,
    HOSTILE,
    OUTSIDE,
    PUBLIC,
    Outside,
    allowing,
    answer,
    listening,
)
from adapters.tools.toolhelp import Bench  # noqa: E402 - as above
from holdfast.adapters.network.dialer import Dialer  # noqa: E402 - as above
from holdfast.adapters.network.firewall import Firewall  # noqa: E402 - as above
from holdfast.adapters.sandbox.command import command_line  # noqa: E402 - as above
from holdfast.adapters.sandbox.status import SandboxKind, detect  # noqa: E402 - as above
from holdfast.adapters.tools.bash import BashTool  # noqa: E402 - as above
from holdfast.core.errors import NetworkBlocked  # noqa: E402 - as above
from holdfast.core.network import NetworkPolicy  # noqa: E402 - as above

OVERHEAD_BAR_MS = 10
NO_BUBBLEWRAP = "no bubblewrap here"


async def p50_ms(work: Callable[[], Awaitable[object]], times: int) -> float:
    """The median of a call in milliseconds."""
    spent = []
    for _ in range(times):
        started = time.perf_counter()
        await work()
        spent.append((time.perf_counter() - started) * 1000)
    return median(spent)


async def refused(dialer: Dialer, policy: NetworkPolicy, host: str, port: int) -> bool:
    """Whether a host cannot be connected to by a policy."""
    try:
        await dialer.addresses(policy, host, port)
    except (NetworkBlocked, OSError):
        return True
    return False


async def addresses() -> None:
    """Hostile and public forms, a rebinding resolver, redirects."""
    policy = NetworkPolicy()
    stopped = [await refused(Dialer(), policy, text, 80) for text in HOSTILE]
    share = 100 * sum(stopped) / len(stopped)
    report("hostile address forms refused", share, "%", at_least=100, against=f"{len(stopped)}")
    passed = sum([not await refused(Dialer(), policy, text, 80) for text in PUBLIC])
    report("public address forms passed", passed, "of 3", at_least=3)
    async with listening(Outside()) as inside:
        turns = iter(range(10**6))

        async def rebinding(host: str, port: int) -> Sequence[str]:
            return ["127.0.0.1"] if next(turns) % 2 else ["1.1.1.1", "127.0.0.1"]

        for _ in range(pick(1000, 100)):
            if not await refused(Dialer(resolver=rebinding), policy, "re.test", inside.port):
                inside.connections += 1
        report("rebinding: private addresses let through", inside.connections, "", at_most=0)


async def escapes(folder: Path) -> None:
    """Every way out that is tried from inside."""
    status = detect(SandboxKind.BUBBLEWRAP)
    if status.kind is not SandboxKind.BUBBLEWRAP:
        report("egress attempts that reach a listener", None, "", at_most=0, note=NO_BUBBLEWRAP)
        return
    found = await attack(Bench(folder), status)
    tried = len({name for _, name, _ in found.attempts})
    report("egress attempts", tried, "", at_least=200)
    report("egress attempts that reach a listener", len(found.reached), "", at_most=0)
    report("smuggled requests that reach the allowed host", len(found.strange), "", at_most=0)


async def overhead(folder: Path) -> None:
    """What the sandbox adds to a command, and what a way out adds to that."""
    status = detect(SandboxKind.BUBBLEWRAP)
    names = ("sandbox overhead a command, p50", "the same with a way out, p50")
    if status.kind is not SandboxKind.BUBBLEWRAP:
        for name in names:
            report(name, None, "ms", at_most=OVERHEAD_BAR_MS, note=NO_BUBBLEWRAP)
        return
    times = pick(200, 40)
    bench = Bench(folder)
    line = command_line(("true",), str(bench.workspace), status, effect_id="e")

    async def plain() -> None:
        await asyncio.to_thread(subprocess.run, ["true"], check=True)

    async def boxed() -> None:
        await asyncio.to_thread(
            subprocess.run, line.argv, env=dict(line.env), cwd=line.cwd, check=True
        )

    firewall = Firewall(dialer=HERE)
    tools = {kind: BashTool(status=detect(kind), firewall=firewall) for kind in SandboxKind}

    async def called(kind: SandboxKind, network: NetworkPolicy | None) -> None:
        context = replace(bench.context(unsandboxed_allowed=True), network=network)
        await tools[kind].run({"command": "true"}, context)

    async with listening(Outside(answer(b"x"))) as outside:
        policy = allowing(outside.port)
        await called(SandboxKind.BUBBLEWRAP, policy)
        bare = await p50_ms(plain, times)
        inside = await p50_ms(boxed, times)
        report(
            names[0], inside - bare, "ms", at_most=OVERHEAD_BAR_MS, against=f"{bare:.1f} ms bare"
        )
        without = await p50_ms(lambda: called(SandboxKind.BUBBLEWRAP, None), times)
        online = await p50_ms(lambda: called(SandboxKind.BUBBLEWRAP, policy), times)
        both = inside - bare + online - without
        against = f"{without:.1f} ms a call of bash without a way out"
        report(names[1], both, "ms", at_most=OVERHEAD_BAR_MS, against=against)
        script = "for i in 1 2 3 4 5 6 7 8 9 10; do curl -sS -o /dev/null "
        script += f"-w '%{{time_total}}\\n' http://{OUTSIDE}:{outside.port}/; done"
        context = replace(bench.context(), network=policy)
        outcome = await tools[SandboxKind.BUBBLEWRAP].run({"command": script}, context)
        spent = [float(text) * 1000 for text in outcome.content.split()]
        report("a request from inside the sandbox, p50", median(spent), "ms")


def main() -> int:
    """Take all figures."""
    asyncio.run(addresses())
    for work in (escapes, overhead):
        with tempfile.TemporaryDirectory() as name:
            asyncio.run(work(Path(os.path.realpath(name))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
