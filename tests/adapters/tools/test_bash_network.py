"""Commands of sessions that may reach hosts."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.network.networkhelp import HERE, OUTSIDE, Outside, allowing, answer, listening
from adapters.tools.toolhelp import Bench
from holdfast.adapters.network.firewall import Firewall
from holdfast.adapters.network.meter import Meter
from holdfast.adapters.sandbox.door import Doors
from holdfast.adapters.sandbox.status import SandboxKind, SandboxStatus, detect
from holdfast.adapters.tools.bash import BashTool
from holdfast.core.errors import Unavailable
from holdfast.core.flows import Sink
from holdfast.core.network import NetworkPolicy
from holdfast.ports.tool import ToolOutcome

Run = Callable[[str, NetworkPolicy | None], Awaitable[ToolOutcome]]


def _status(kind: SandboxKind) -> SandboxStatus:
    found = detect(kind)
    if found.kind is not kind:
        pytest.skip(f"no {kind} here: {found.reason}")
    return found


def _runner(bench: Bench, kind: SandboxKind = SandboxKind.BUBBLEWRAP) -> Run:
    tool = BashTool(status=_status(kind), firewall=Firewall(dialer=HERE))
    meter = Meter()

    async def run(command: str, network: NetworkPolicy | None) -> ToolOutcome:
        context = replace(bench.context(), network=network, meter=meter)
        return await tool.run({"command": command}, context)

    return run


def _facts(outcome: ToolOutcome) -> dict[str, Any]:
    found = outcome.metadata["network"]
    assert isinstance(found, dict)
    return found


def test_a_listed_host_is_reached_and_noted(bench: Bench) -> None:
    """Through the proxy of the environment; what was asked for stands in the metadata."""
    run = _runner(bench)

    async def main() -> None:
        async with listening(Outside()) as outside:
            address = f"http://{OUTSIDE}:{outside.port}/path?secret"
            outcome = await run(f"curl -sS {address}", allowing(outside.port))
            assert ("outside", 0) == (outcome.content, outcome.exit_code)
            facts = _facts(outcome)
            assert {"allow": 1} == facts["verdicts"]
            assert f"{OUTSIDE}:{outside.port}" == facts["requests"][0]["to"]
            assert "secret" not in repr(facts)

    asyncio.run(main())


def test_another_host_is_blocked_and_noted(bench: Bench) -> None:
    """The program is told why, and so is the record."""
    run = _runner(bench)

    async def main() -> None:
        async with listening(Outside()) as inside:
            outcome = await run(
                f"curl -sS http://127.0.0.1:{inside.port}/; "
                f"curl -sS --noproxy '' http://127.0.0.1:{inside.port}/; "
                "curl -sS https://other.test/",
                allowing(inside.port),
            )
            assert 0 == inside.connections
            assert {"block_domain": 2} == _facts(outcome)["verdicts"]
            assert "block_domain" in outcome.content

    asyncio.run(main())


def test_a_redirect_to_a_private_place_is_blocked(bench: Bench) -> None:
    """Following it is another request."""
    run = _runner(bench)

    async def main() -> None:
        async with listening(Outside()) as inside:
            reply = answer(b"", "302 Found", f"Location: http://127.0.0.1:{inside.port}/")
            async with listening(Outside(reply)) as outside:
                command = f"curl -sSL --noproxy '' http://{OUTSIDE}:{outside.port}/"
                outcome = await run(command, allowing(outside.port))
            assert 0 == inside.connections
            assert {"allow": 1, "block_domain": 1} == _facts(outcome)["verdicts"]

    asyncio.run(main())


def test_without_a_policy_nothing_is_there(bench: Bench) -> None:
    """No proxy is named, nothing listens, and the metadata says nothing of it."""
    run = _runner(bench)
    command = "env | grep -ic _proxy; exec 3<>/dev/tcp/127.0.0.1/3128 || echo closed"
    outcome = asyncio.run(run(command, None))
    assert outcome.content.startswith("0\n")
    assert "closed" in outcome.content
    assert "network" not in outcome.metadata


def test_a_command_has_no_trace_of_the_gate(bench: Bench) -> None:
    """Its standard input is empty and it holds no descriptor of the runtime's."""
    run = _runner(bench)
    command = 'cat; readlink /proc/self/fd/0; ls /proc/self/fd | wc -l; echo "[$_go]"'
    outcome = asyncio.run(run(command, allowing(80)))
    assert "/dev/null\n4\n[]" == outcome.content


def test_landlock_cannot_offer_it(bench: Bench) -> None:
    """There is no network then, and status and metadata say so."""
    run = _runner(bench, SandboxKind.LANDLOCK)

    async def main() -> None:
        async with listening(Outside()) as outside:
            command = f"env | grep -ic _proxy; curl -sS http://127.0.0.1:{outside.port}/"
            outcome = await run(command, allowing(outside.port))
            assert outcome.content.startswith("0\n")
            assert 0 == outside.connections
            expected = _status(SandboxKind.LANDLOCK).network
            assert "cannot be offered" in expected
            assert expected == outcome.metadata["network"]

    asyncio.run(main())


def test_a_door_that_cannot_be_opened_starts_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command is refused, not run with something else."""

    def refuse(self: Doors, pid: int, port: int = 0) -> None:
        raise Unavailable("no way out of the sandbox")

    monkeypatch.setattr(Doors, "open", refuse)
    outcome = asyncio.run(_runner(bench)("touch made", allowing(80)))
    assert "network_unavailable" == outcome.metadata["reason"]
    assert [] == os.listdir(bench.workspace)


TELLS = {
    "says nothing": ("exit 3", "exit", 3),
    "is no JSON": ("echo 'what}' >&$2; sleep 60", "network_unavailable", 1),
    "names no process": ("echo '{}' >&$2; sleep 60", "network_unavailable", 1),
    "names a process that has gone": ("echo '{\"child-pid\": 4194303}' >&$2; exit 4", "exit", 4),
    "names one outside": (
        "echo \"{\\\"child-pid\\\": $$}\" >&$2; sleep 60", "network_unavailable", 1,
    ),
    "is without end": ("yes >&$2; sleep 60", "network_unavailable", 1),
}  # fmt: skip


@pytest.mark.parametrize("how", TELLS)
def test_a_sandbox_that_says_something_else(bench: Bench, how: str, tmp_path: Path) -> None:
    """The command does not begin; where the sandbox ended by itself, its exit code says so."""
    script, ended, code = TELLS[how]
    program = tmp_path / "bwrap"
    program.write_text(f"#!/bin/bash\n{script}\n")
    program.chmod(0o755)
    status = replace(_status(SandboxKind.BUBBLEWRAP), program=str(program))
    tool = BashTool(status=status, firewall=Firewall(dialer=HERE))
    context = replace(bench.context(), network=allowing(80))
    outcome = asyncio.run(tool.run({"command": "touch made"}, context))
    assert (ended, code) == (outcome.metadata.get("reason", "exit"), outcome.exit_code)
    assert outcome.is_error and [] == os.listdir(bench.workspace)


def test_the_budget_is_the_session_s(bench: Bench) -> None:
    """A second command cannot spend what the first has."""
    run = _runner(bench)

    async def main() -> None:
        async with listening(Outside(answer(b"z" * 50_000))) as outside:
            policy = allowing(outside.port, bytes_max=60_000)
            command = f"curl -sS http://{OUTSIDE}:{outside.port}/ | wc -c"
            first, second = await run(command, policy), await run(command, policy)
            third = await run(command, policy)
        assert {"allow": 1} == _facts(first)["verdicts"]
        assert {"block_budget": 1} == _facts(second)["verdicts"]
        assert {"block_budget": 1} == _facts(third)["verdicts"]
        assert 1 + 1 == outside.connections

    asyncio.run(main())


def test_nothing_is_left_behind(bench: Bench) -> None:
    """Descriptors, and connections that a command kept open, end with the call."""
    run = _runner(bench)

    async def main() -> None:
        async with listening(Outside(b"")) as outside:
            policy = allowing(outside.port)
            await run("true", policy)
            before = len(os.listdir("/proc/self/fd"))
            for _ in range(5):
                await run("exec 3<>/dev/tcp/127.0.0.1/3128; echo GET >&3; exit 0", policy)
            assert before >= len(os.listdir("/proc/self/fd"))

    asyncio.run(main())


def test_cancelling_at_the_gate(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that is cancelled before its command began leaves nothing."""
    run = _runner(bench)
    opening = asyncio.Event()

    async def never(*arguments: object) -> None:
        opening.set()
        await asyncio.Event().wait()

    async def main() -> None:
        with monkeypatch.context() as patched:
            patched.setattr(asyncio, "to_thread", never)
            call = asyncio.ensure_future(run("touch made", allowing(80)))
            await opening.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(main())
    assert [] == os.listdir(bench.workspace)


def test_cancelling_while_the_proxy_begins(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What listened is not left with the loop, which would be deaf to who has its number next."""
    run = _runner(bench)
    sleep = asyncio.sleep
    cancelled: list[int] = []

    async def main() -> None:
        async def at_once(delay: float, result: object = None) -> object:
            if asyncio.current_task() is call and not delay:
                cancelled.append(1)
                call.cancel()
            return await sleep(delay, result)

        loop: Any = asyncio.get_running_loop()
        before = set(loop._selector.get_map())
        call = asyncio.ensure_future(run("touch made", allowing(80)))
        with monkeypatch.context() as patched:
            patched.setattr("asyncio.tasks.sleep", at_once)
            with pytest.raises(asyncio.CancelledError):
                await call
        left = set(loop._selector.get_map()) - before
        assert left <= set(map(int, os.listdir("/proc/self/fd")))

    asyncio.run(main())
    assert [1] == cancelled
    assert [] == os.listdir(bench.workspace)


def test_too_few_descriptors(bench: Bench) -> None:
    """A command that cannot be started for want of them keeps none."""
    run = _runner(bench)
    held: list[int] = []
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def main() -> None:
        await run("true", allowing(80))
        gc.collect()
        highest = max(map(int, os.listdir("/proc/self/fd")))
        while not held or held[-1] < highest:  # so that none below is free
            held.append(os.open(os.devnull, os.O_RDONLY))
        before = len(os.listdir("/proc/self/fd"))
        for more in range(8):
            resource.setrlimit(resource.RLIMIT_NOFILE, (held[-1] + 1 + more, hard))
            try:
                await run("true", allowing(80))
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            gc.collect()
            assert before >= len(os.listdir("/proc/self/fd")), more

    try:
        asyncio.run(main())
    finally:
        for one in held:
            os.close(one)


def test_what_is_online_may_send() -> None:
    """The tool declares that its commands can send then, and that they bring in others' words."""
    spec = BashTool(status=_status(SandboxKind.BUBBLEWRAP)).spec
    assert spec.flow.confined
    assert spec.online is not None
    assert (Sink.EGRESS, False) == (spec.online.sink, spec.online.confined)
