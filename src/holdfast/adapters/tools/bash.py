"""The built-in tool `bash`: a command in the workspace, confined.

Rules
- It runs under the best tier this machine has; where there is none it is
  refused unless the session allows that, and then every result says so.
- However a call ends (exit, time limit, cancellation, too much output), every
  process it started is gone before the call returns: by process tree, by pid
  namespace and by the marker in their environment.
- Background processes therefore end with the call.
- Under bubblewrap all its processes together are counted; too many, or too much memory,
  end it.
- Where the session may reach hosts, the command begins once its way out is open, or
  not at all; where the tier has no network of its own there is none, and the
  result's metadata says so.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, replace

from holdfast.adapters.network.firewall import Firewall
from holdfast.adapters.sandbox.command import CommandLine, Limits, command_line, ready
from holdfast.adapters.sandbox.door import Doors
from holdfast.adapters.sandbox.processes import marked, send
from holdfast.adapters.sandbox.status import SandboxKind, SandboxStatus
from holdfast.adapters.sandbox.totals import Watch
from holdfast.adapters.tools.bash_network import WayOut
from holdfast.adapters.tools.files import encoded, failure, number, schema
from holdfast.adapters.tools.finish import undisturbed
from holdfast.adapters.tools.manifests import RUNS_ANYWHERE, RUNS_CONFINED, RUNS_ONLINE
from holdfast.adapters.tools.output import TOTAL_BYTES_MAX, Pump
from holdfast.adapters.tools.text import OUTPUT_BYTES_MAX, cut
from holdfast.core.errors import HoldfastError, Unavailable
from holdfast.core.tools import Nature, ToolSpec
from holdfast.ports.tool import Json, ToolContext, ToolOutcome

TIMEOUT_MS = 120_000
TIMEOUT_MS_MAX = 600_000
COMMAND_CHARS_MAX = 100_000
EXIT_TIMEOUT = 124
EXIT_KILLED = 137
_GRACE_SECONDS = 0.2
_KEEPER_SECONDS = 0.55
_SWEEP_SECONDS = 0.3
_DRAIN_SECONDS = 0.5


@dataclass(slots=True)
class _Run:
    """A command under way."""

    line: CommandLine
    process: asyncio.subprocess.Process
    pump: Pump
    effect_id: str
    limits: Limits
    way: WayOut | None = None
    exceeded: str = ""


class BashTool:
    """Run a shell command.

    Args:
        status: the tier to use; found out when not given.
        limits: resource limits of each command.
        output_bytes_max: the command is ended when it prints more.
        firewall: the way out for commands of sessions that may reach hosts.
    """

    def __init__(
        self,
        *,
        status: SandboxStatus | None = None,
        limits: Limits | None = None,
        output_bytes_max: int = TOTAL_BYTES_MAX,
        firewall: Firewall | None = None,
    ) -> None:
        self._status = status
        self._limits = limits or Limits()
        self._output_bytes_max = output_bytes_max
        self._firewall = firewall or Firewall()
        self._doors = Doors()

    @property
    def spec(self) -> ToolSpec:
        """What the tool declares about itself; without a sandbox it may send anywhere."""
        unconfined = self._status is not None and not self._status.confined
        return _UNCONFINED if unconfined else _SPEC

    async def run(self, arguments: Mapping[str, Json], context: ToolContext) -> ToolOutcome:
        """Run the command; every process it started is gone on return."""
        if context.workspace is None:
            return failure("this session has no workspace", reason="no_workspace")
        command = str(arguments["command"])
        status = self._status
        if status is None:
            status = await asyncio.to_thread(ready)
        if not status.confined and not context.unsandboxed_allowed:
            return failure(
                f"Error: there is no sandbox here ({status.reason}), and running commands "
                "without one is not allowed in this session",
                reason="unsandboxed_refused",
            )
        asked_s = number(arguments, "timeout_ms", TIMEOUT_MS) / 1000
        limit_s = min(asked_s, context.timeout_s)
        try:
            if b"\0" in encoded(command, "command"):
                return failure("Error: a command cannot contain a NUL character")
            line = command_line(
                ("bash", "-c", "--", command),
                context.workspace,
                status,
                effect_id=context.effect_id,
                limits=self._limits,
                gated=context.network is not None,
            )
        except HoldfastError as error:
            return failure(f"Error: {error.message}", reason=error.reason)
        try:
            return await self._run(line, limit_s, context)
        except OSError as error:
            return failure(f"Error: the command could not be started: {error.strerror}")
        except Unavailable as error:
            return failure(f"Error: {error.message}", reason="network_unavailable")
        finally:
            line.close()

    async def _run(self, line: CommandLine, limit_s: float, context: ToolContext) -> ToolOutcome:
        way = self._way_out(line, context)
        try:
            reading, writing = os.pipe2(os.O_CLOEXEC)
        except OSError:
            if way is not None:
                await way.aclose()
            raise
        pump = Pump(reading, context.emit, self._output_bytes_max)
        run: _Run | None = None
        try:
            try:
                process = await asyncio.create_subprocess_exec(
                    *(line.argv if way is None else line.telling(way.info.fileno())),
                    stdin=asyncio.subprocess.DEVNULL if way is None else way.stdin.fileno(),
                    pass_fds=() if way is None else (way.info.fileno(),),
                    stdout=writing,
                    stderr=writing,  # one pipe, so that the order of the two is kept
                    env=dict(line.env),
                    cwd=line.cwd,
                    start_new_session=True,
                )
            finally:
                os.close(writing)
            run = _Run(line, process, pump, context.effect_id, self._limits, way)
            if way is not None:
                await way.admit()
            ended = await _watched(run, limit_s)
        finally:
            await undisturbed(lambda: _cleared(run, pump, context.effect_id, way))
        try:
            return await _outcome(run, ended, limit_s, context)
        finally:
            pump.spool.close()

    def _way_out(self, line: CommandLine, context: ToolContext) -> WayOut | None:
        if not line.gated or context.network is None:
            return None
        allowed, session_id = context.network, context.session_id
        return WayOut(self._firewall, self._doors, allowed, session_id, context.meter)


async def _watched(run: _Run, limit_s: float) -> str:
    """Wait while all its processes together are counted; say why waiting ended."""
    if run.line.kind is not SandboxKind.BUBBLEWRAP:
        return await _until_ended(run, limit_s)

    def exceeded(what: str) -> None:
        run.exceeded = what

    watch = Watch(
        run.process.pid,
        tasks_max=run.limits.processes,
        memory_bytes_max=run.limits.total_bytes,
        exceeded=exceeded,
    )
    watch.start()
    try:
        ended = await _until_ended(run, limit_s)
    finally:
        await undisturbed(lambda: asyncio.to_thread(watch.stop))
    return run.exceeded or ended


async def _until_ended(run: _Run, limit_s: float) -> str:
    """Wait; say why waiting ended: `exit`, `timeout` or `overflow`."""
    exited = asyncio.ensure_future(run.process.wait())
    overflowed = asyncio.ensure_future(run.pump.overflowed.wait())
    try:
        done, _ = await asyncio.wait(
            {exited, overflowed}, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        exited.cancel()
        overflowed.cancel()
    if not done:
        return "timeout"
    return "overflow" if overflowed in done else "exit"


# --- ending ---------------------------------------------------------------------


async def _cleared(run: _Run | None, pump: Pump, effect_id: str, way: WayOut | None = None) -> None:
    """End all processes of the call, reap them, take the rest of their output."""
    try:
        if way is not None:
            await way.aclose()
        if run is not None and run.process.returncode is None:
            await _asked_to_end(run)
        await _swept(effect_id, run)
    finally:
        await pump.drained(_DRAIN_SECONDS)


async def _asked_to_end(run: _Run) -> None:
    """Ask politely, and give a moment for it."""
    own = {run.process.pid}
    if run.line.kind is not SandboxKind.BUBBLEWRAP:
        send(own, signal.SIGTERM)  # the keeper asks, waits and kills all below it
        await _exited(run, _KEEPER_SECONDS)
        return
    # bubblewrap would end at once and take all inside with it unasked.
    send(await asyncio.to_thread(marked, run.effect_id) - own, signal.SIGTERM)
    await _exited(run, _GRACE_SECONDS)


async def _exited(run: _Run, seconds: float) -> bool:
    try:
        await asyncio.wait_for(run.process.wait(), seconds)
    except TimeoutError:
        return False
    return True


async def _swept(effect_id: str, run: _Run | None) -> None:
    """Kill whatever carries the marker until nothing does, then the leader."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _SWEEP_SECONDS
    leader = {run.process.pid} if run is not None and run.process.returncode is None else set()
    while (found := await asyncio.to_thread(marked, effect_id)) and loop.time() < until:
        # The leader goes last: it reaps what is inside.
        inside = found - leader
        send(inside, signal.SIGSTOP)
        send(inside or leader, signal.SIGKILL)
        await asyncio.sleep(0.01)
    if run is not None:
        if run.process.returncode is None:
            send({run.process.pid}, signal.SIGKILL)
        await run.process.wait()


# --- the outcome ----------------------------------------------------------------


async def _outcome(run: _Run, ended: str, limit_s: float, context: ToolContext) -> ToolOutcome:
    data = run.pump.spool.read()
    size = len(data)
    code = run.process.returncode or 0
    code = 128 - code if code < 0 else code
    notes = []
    if ended == "timeout":
        code = EXIT_TIMEOUT
        notes.append(f"[ended after the time limit of {limit_s:g} s]")
    elif ended == "overflow":
        code = EXIT_KILLED
        notes.append(f"[ended because it printed more than {size} bytes]")
    elif run.exceeded:
        code = EXIT_KILLED
        notes.append(f"[ended because {_excess(run)}]")
    elif code:
        notes.append(f"[exit code {code}]")
    if size > OUTPUT_BYTES_MAX:
        text = cut(data, await context.spill(data))
    else:
        text = data.decode("utf-8", "replace")
    parts = [text.rstrip("\n")] if text.strip() else ["(no output)"]
    if run.line.kind is SandboxKind.NONE:
        parts.insert(0, "[unsandboxed]")
    return ToolOutcome(
        content="\n".join([*parts, *notes]),
        is_error=code != 0,
        exit_code=code,
        metadata={
            "sandbox": run.line.kind.value,
            "ended": ended,
            "bytes": size,
            **_network_facts(run, context),
        },
    )


def _excess(run: _Run) -> str:
    """What a command had too much of, in words."""
    if run.exceeded == "processes":
        return f"it had more than {run.limits.processes} processes"
    if run.exceeded == "memory":
        return f"all its processes together used more than {run.limits.total_bytes} bytes of memory"
    return "what it uses could not be counted"


def _network_facts(run: _Run, context: ToolContext) -> dict[str, Json]:
    if run.way is not None:
        return {"network": run.way.facts()}
    if context.network is None:
        return {}
    return {"network": SandboxStatus(kind=run.line.kind).network}


_SPEC = ToolSpec(
    name="bash",
    flow=RUNS_CONFINED,
    online=RUNS_ONLINE,
    description=(
        "Run a bash command in the workspace and return what it prints. It has no network, "
        "unless the session lists hosts, which the proxy in its environment leads to, and "
        "can write only to the workspace and a private temporary directory. Every process it "
        "starts ends with the call, background ones too."
    ),
    parameters=schema(
        {
            "command": {
                "type": "string",
                "minLength": 1,
                "maxLength": COMMAND_CHARS_MAX,
                "description": "given to bash -c",
            },
            "timeout_ms": {
                "type": "integer",
                "minimum": 1,
                "maximum": TIMEOUT_MS_MAX,
                "default": TIMEOUT_MS,
                "description": "time limit in milliseconds; it is ended with exit code 124",
            },
        },
        "command",
    ),
    nature=Nature.ONCE,
    command_param="command",
    needs_workspace=True,
    timeout_s=TIMEOUT_MS_MAX / 1000 + 10,
)
_UNCONFINED = replace(_SPEC, flow=RUNS_ANYWHERE, online=None)
