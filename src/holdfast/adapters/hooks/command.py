"""A hook that is a program: JSON in on its standard input, JSON out.

It is given `{"event", "session_id", "data"}` and answers with nothing (go on)
or with `{"action", "reason", "changes", "delay_ms"}`. Exit code 0 is an answer,
2 blocks with the first line of its standard error as the reason, any other is a
failure. Its environment holds nothing of ours but `PATH`, `LANG` and what the
hook was given; no shell reads its command line. When its time is up, all that
it started is killed.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping, Sequence

from holdfast.adapters.sandbox.processes import MARKER, kill_leftovers
from holdfast.core.errors import InvalidInput
from holdfast.core.hooks import HookAction, HookAnswer, HookCall, block

OUTPUT_BYTES_MAX = 256 * 1024
EXIT_BLOCK = 2
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ")


class HookFailed(Exception):
    """A hook program failed or did not answer as it should; `Hooks` says what that means."""


class CommandHook:
    """Runs a program for each call; use it as a `Hook`'s handler.

    Args:
        argv: the program, by an absolute path or a name on `PATH`, and its
            arguments.
        env: variables it is given besides; their values are not secret.
        cwd: its working directory; default: the file system's root, so that
            nothing in a workspace can stand in for what it calls.

    Raises:
        InvalidInput: there is no program.
    """

    def __init__(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: str = os.sep
    ) -> None:
        if isinstance(argv, str) or not argv or not all(isinstance(one, str) for one in argv):
            raise InvalidInput("a command hook is a list of words: a program and its arguments")
        self._argv = tuple(argv)
        self._env = dict(env or {})
        self._cwd = cwd

    async def __call__(self, call: HookCall) -> HookAnswer | None:
        """Run the program once.

        Raises:
            HookFailed: it could not be run, failed, or its answer is none.
        """
        said = {"event": call.event.value, "session_id": call.session_id, "data": dict(call.data)}
        mark = f"hook-{os.urandom(8).hex()}"
        env = {name: os.environ[name] for name in _KEPT if name in os.environ}
        try:
            process = await asyncio.create_subprocess_exec(
                *self._argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**env, **self._env, MARKER: mark},
                cwd=self._cwd,
                start_new_session=True,
                limit=OUTPUT_BYTES_MAX,
            )
        except (OSError, ValueError) as error:
            raise HookFailed(f"the hook program cannot be run: {type(error).__name__}") from None
        ended = False
        try:
            given = json.dumps(said, default=str).encode("utf-8", "replace")
            out, err = await _talk(process, given)
            ended = True
        finally:
            if not ended:
                await _kill(process, mark)
        return _answer(process.returncode, out, err)


async def _talk(process: asyncio.subprocess.Process, given: bytes) -> tuple[bytes, bytes]:
    assert process.stdin and process.stdout and process.stderr, "all three are pipes"
    _, out, err = await asyncio.gather(
        _give(process.stdin, given), _read(process.stdout), _read(process.stderr)
    )
    await process.wait()
    return out, err


async def _give(pipe: asyncio.StreamWriter, data: bytes) -> None:
    try:
        pipe.write(data)
        await pipe.drain()
        pipe.close()
        await pipe.wait_closed()
    except (BrokenPipeError, ConnectionResetError):
        return  # it did not want to know


async def _read(pipe: asyncio.StreamReader) -> bytes:
    pieces, size = [], 0
    while piece := await pipe.read(65536):
        size += len(piece)
        if size > OUTPUT_BYTES_MAX:
            raise HookFailed(f"the hook program wrote more than {OUTPUT_BYTES_MAX} bytes")
        pieces.append(piece)
    return b"".join(pieces)


async def _kill(process: asyncio.subprocess.Process, mark: str) -> None:
    """End it and all it started, and wait until it is gone."""
    await asyncio.shield(asyncio.ensure_future(asyncio.to_thread(kill_leftovers, mark)))
    if process.returncode is None:
        process.kill()
    await asyncio.shield(asyncio.ensure_future(process.wait()))


def _answer(code: int | None, out: bytes, err: bytes) -> HookAnswer | None:
    if code == EXIT_BLOCK:
        lines = err.decode("utf-8", "replace").strip().splitlines()
        return block(lines[0][:500] if lines else "the hook program refused it")
    if code != 0:
        raise HookFailed(f"the hook program ended with exit code {code}")
    if not out.strip():
        return None
    try:
        found = json.loads(out)
        action = HookAction(found.pop("action"))
        reason, changes = found.pop("reason", ""), found.pop("changes", {})
        delay_ms = found.pop("delay_ms", 1000)
    except (ValueError, KeyError, AttributeError, TypeError):
        raise HookFailed("the hook program's answer is not one") from None
    good = isinstance(reason, str) and isinstance(changes, dict) and type(delay_ms) is int
    if found or not good:
        raise HookFailed("the hook program's answer has other fields than an answer")
    return HookAnswer(
        action=action, reason=reason, changes=tuple(sorted(changes.items())), delay_ms=delay_ms
    )
