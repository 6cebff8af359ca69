"""The built-in tools `glob` and `grep`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from holdfast.adapters.tools import grep_worker
from holdfast.adapters.tools.files import (
    FileTool,
    failure,
    number,
    open_workspace,
    path_schema,
    schema,
)
from holdfast.adapters.tools.finish import undisturbed
from holdfast.adapters.tools.globbing import Glob
from holdfast.adapters.tools.manifests import READS_FILES
from holdfast.adapters.tools.text import clip
from holdfast.adapters.tools.workspace import Workspace
from holdfast.core.errors import Denied, HoldfastError, InvalidInput, NotFound
from holdfast.core.tools import Nature, Operation, ToolSpec
from holdfast.ports.tool import Json, ToolContext, ToolOutcome

PAGE = 200
PAGE_MAX = 1_000
MATCHES_MAX = 1_000
CONTEXT_MAX = 20
GREP_SECONDS_MAX = 20.0
GREP_FILE_BYTES_MAX = 10 * 1024 * 1024
_BATCH_BYTES = 1024 * 1024
_BATCH_FILES = 200
_ANSWER_BYTES_MAX = 64 * 1024 * 1024
SKIPPED = frozenset({".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv"})
_SKIP_TEXT = "Not searched unless named: " + ", ".join(sorted(SKIPPED)) + "."


def _skip(path: str, glob: Glob | None) -> frozenset[str]:
    """Return the directories to leave out: those nobody asked for by name."""
    named = set(path.split("/")) | (glob.names if glob else frozenset())
    return SKIPPED - named


def _inside(base: str, path: str) -> str:
    """Return a path as seen from the directory the search began in."""
    return path if base in {"", "."} else path[len(base.rstrip("/")) + 1 :]


class GlobTool(FileTool):
    """Find files by name."""

    _SPEC = ToolSpec(
        name="glob",
        flow=READS_FILES,
        description=(
            "Find files by pattern (*, ?, [a-z], {a,b}, ** for any directories), sorted by path, "
            f"{PAGE} a page. {_SKIP_TEXT}"
        ),
        parameters=schema(
            {
                "pattern": {"type": "string", "minLength": 1, "description": 'such as "**/*.py"'},
                "path": path_schema("directory to start in", default="."),
                "limit": {"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE},
                "offset": {"type": "integer", "minimum": 0, "default": 0},
            },
            "pattern",
        ),
        nature=Nature.READ_ONLY,
        path_params=("path",),
        path_operations=(("path", Operation.LIST),),
        needs_workspace=True,
        timeout_s=60.0,
    )

    def _work(
        self, workspace: Workspace, arguments: Mapping[str, Json], context: ToolContext
    ) -> ToolOutcome:
        glob = Glob.compile(str(arguments["pattern"]))
        base = workspace.relative(str(arguments.get("path", ".")))
        found = sorted(
            entry.path
            for entry in workspace.walk(base, skip=_skip(base, glob))
            if entry.kind in {"file", "link"} and glob.matches(_inside(base, entry.path))
        )
        offset, limit = number(arguments, "offset", 0), number(arguments, "limit", PAGE)
        page = found[offset : offset + limit]
        metadata: dict[str, Json] = {"total": len(found), "shown": len(page)}
        if not found:
            return ToolOutcome(content="No files match the pattern.", metadata=metadata)
        if not page:
            return failure(f"Error: there are only {len(found)} matches", **metadata)
        after = offset + len(page)
        note = f"({len(found)} files)"
        if after < len(found):
            note = f"({offset + 1}-{after} of {len(found)} files; continue with offset {after})"
        return ToolOutcome(content="\n".join([*page, note]), metadata=metadata)


# --- grep -----------------------------------------------------------------------

Batch = list[tuple[str, bytes]]


@dataclass(slots=True)
class _Report:
    """What a search has found so far."""

    with_context: bool
    lines: list[str] = field(default_factory=list)
    matches: int = 0
    files: int = 0
    last: tuple[str, int] | None = None

    def add(self, path: str, rows: list[tuple[int, bool, str]]) -> None:
        """Add the rows of one file; stops at the limit of matches."""
        self.files += bool(rows)
        for line_number, hit, text in rows:
            if hit and self.matches >= MATCHES_MAX:
                return
            self.matches += hit
            if self.last and self.last != (path, line_number - 1) and self.with_context:
                self.lines.append("--")
            self.last = (path, line_number)
            mark = ":" if hit else "-"
            self.lines.append(f"{path}{mark}{line_number}{mark}{text}")

    @property
    def full(self) -> bool:
        """Whether nothing more will be shown."""
        return self.matches >= MATCHES_MAX


class GrepTool(FileTool):
    """Search file contents by regular expression."""

    _SPEC = ToolSpec(
        name="grep",
        flow=READS_FILES,
        description=(
            "Search the lines of text files by Python regular expression; prints "
            f"path:line:text, at most {MATCHES_MAX} matches. {_SKIP_TEXT}"
        ),
        parameters=schema(
            {
                "pattern": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 1_000,
                    "description": "regular expression",
                },
                "path": path_schema("file or directory to search", default="."),
                "glob": {
                    "type": "string",
                    "minLength": 1,
                    "description": 'search only matching files, such as "*.py" or "src/**/*.ts"',
                },
                "context": {
                    "type": "integer",
                    "minimum": 0,
                    "maximum": CONTEXT_MAX,
                    "default": 0,
                    "description": "lines to show around each match",
                },
                "ignore_case": {"type": "boolean", "default": False},
            },
            "pattern",
        ),
        nature=Nature.READ_ONLY,
        path_params=("path",),
        path_operations=(("path", Operation.READ),),
        needs_workspace=True,
        timeout_s=60.0,
    )

    async def run(self, arguments: Mapping[str, Json], context: ToolContext) -> ToolOutcome:
        """Search in a process of its own, stopped when the pattern takes too long."""
        if context.workspace is None:
            return failure("this session has no workspace", reason="no_workspace")
        limit_s = min(GREP_SECONDS_MAX, context.timeout_s)
        try:
            async with asyncio.timeout(limit_s):
                outcome = await self._search(context, arguments)
        except TimeoutError:
            return failure(
                f"Error: the search took longer than {limit_s:g} s; use a simpler pattern or a "
                "smaller path",
                reason="time_limit",
            )
        except HoldfastError as error:
            return failure(f"Error: {error.message}", reason=error.reason)
        except OSError as error:
            return failure(f"Error: {error.strerror or error}", reason="os_error")
        content = await clip(outcome.content, context)
        return ToolOutcome(content=content, metadata=outcome.metadata)

    async def _search(self, context: ToolContext, arguments: Mapping[str, Json]) -> ToolOutcome:
        around = number(arguments, "context", 0)
        report = _Report(with_context=around > 0)
        settings = {
            "pattern": str(arguments["pattern"]),
            "ignore_case": arguments.get("ignore_case") is True,
            "context": around,
            "limit": MATCHES_MAX,
        }
        batches = _batches(context, arguments, without_openat2=self._without_openat2)
        async with aclosing(_searched(settings, batches)) as answers:
            async for batch, rows in answers:
                for (path, _), found in zip(batch, rows, strict=True):
                    report.add(path, found)
                if report.full:
                    break
        if not report.lines:
            return ToolOutcome(content="No matches.", metadata={"matches": 0})
        if report.full:
            report.lines.append(f"[stopped at {MATCHES_MAX} matches]")
        metadata: dict[str, Json] = {"matches": report.matches, "files": report.files}
        return ToolOutcome(content="\n".join(report.lines), metadata=metadata)


def _batches(
    context: ToolContext, arguments: Mapping[str, Json], *, without_openat2: bool
) -> Iterator[Batch]:
    """Yield the files to search with their content, about a megabyte at a time.

    It opens the workspace itself, so that a search that is given up while a
    thread is reading cannot take the descriptor away from that thread.
    """
    wanted = Glob.compile(str(arguments["glob"])) if "glob" in arguments else None
    with open_workspace(context, without_openat2=without_openat2) as workspace:
        base = workspace.relative(str(arguments.get("path", ".")))
        batch: Batch = []
        size = 0
        for path in _candidates(workspace, base, wanted):
            try:
                data = workspace.read_bytes(path, GREP_FILE_BYTES_MAX)
            except (NotFound, Denied, InvalidInput):
                if path == base:
                    raise
                continue  # it vanished, may not be read, is special or too large
            if b"\0" in data[:8_192]:
                continue
            batch.append((path, data))
            size += len(data)
            if size >= _BATCH_BYTES or len(batch) >= _BATCH_FILES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch


def _candidates(workspace: Workspace, base: str, wanted: Glob | None) -> Iterator[str]:
    """Yield the files below `base` (or `base` itself when it is a file)."""
    try:
        entries = workspace.walk(base, skip=_skip(base, wanted))
        for entry in entries:
            if entry.kind != "file" or entry.size > GREP_FILE_BYTES_MAX:
                continue
            if wanted is None or _wanted(wanted, _inside(base, entry.path)):
                yield entry.path
    except NotFound:
        workspace.stat(base)  # raises when there is really nothing
        yield base


def _wanted(glob: Glob, path: str) -> bool:
    """Match the path, and the name alone as people expect of `*.py`."""
    return glob.matches(path) or glob.matches(path.rpartition("/")[2])


async def _searched(
    settings: dict[str, Json], batches: Iterator[Batch]
) -> AsyncGenerator[tuple[Batch, list[list[tuple[int, bool, str]]]], None]:
    """Run the worker over the batches; it is killed however this ends."""
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", str(Path(grep_worker.__file__))),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
        limit=_ANSWER_BYTES_MAX,
        start_new_session=True,
    )
    assert worker.stdin is not None
    assert worker.stdout is not None
    try:
        worker.stdin.write(json.dumps(settings).encode() + b"\n")
        while batch := await asyncio.to_thread(next, batches, None):
            header = json.dumps([len(data) for _, data in batch]).encode() + b"\n"
            worker.stdin.write(header + b"".join(data for _, data in batch))
            with suppress(ConnectionError):  # it has ended; its answer says why
                await worker.stdin.drain()
            answer = json.loads(await worker.stdout.readline() or b'{"error": "it takes too much"}')
            if "error" in answer:
                raise InvalidInput(f"the pattern cannot be used: {answer['error']}")
            yield batch, answer["files"]
    finally:
        await undisturbed(lambda: _dismissed(worker))


async def _dismissed(worker: asyncio.subprocess.Process) -> None:
    """Kill the worker, wait for it and for the end of its pipe."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    with suppress(ProcessLookupError):
        worker.kill()
    worker.stdin.close()
    await worker.wait()
    while await worker.stdout.read(_BATCH_BYTES):
        pass
