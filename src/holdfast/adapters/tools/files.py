"""The built-in tools `read`, `write`, `edit` and `ls`.

Each opens what it touches through a `Workspace`, in a worker thread, so that
neither a slow disk nor a hostile path can hold up or escape the session.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO

from holdfast.adapters.tools.manifests import READS_FILES, WRITES_FILES
from holdfast.adapters.tools.text import clip
from holdfast.adapters.tools.workspace import Workspace
from holdfast.core.errors import HoldfastError, InvalidInput
from holdfast.core.tools import Nature, Operation, ToolSpec
from holdfast.ports.tool import Json, Reconciled, Reconciliation, ToolContext, ToolOutcome

LINES_MAX = 2_000
LINE_CHARS_MAX = 2_000
LS_ENTRIES_MAX = 1_000
SPILL_PREFIX = "spill:"
_SCAN_BYTES = 8_192
_PATH = {"type": "string", "minLength": 1, "maxLength": 4_096}

Properties = dict[str, dict[str, object]]


def schema(properties: Properties, *required: str) -> str:
    """Return the JSON schema of an arguments object that takes nothing else."""
    return json.dumps(
        {
            "type": "object",
            "properties": properties,
            "required": list(required),
            "additionalProperties": False,
        },
        sort_keys=True,
    )


def path_schema(description: str, **more: object) -> dict[str, object]:
    """Return the schema of an argument that names a file."""
    return {**_PATH, "description": description, **more}


def failure(message: str, **metadata: Json) -> ToolOutcome:
    """Return the outcome of a call that failed."""
    return ToolOutcome(content=message, is_error=True, exit_code=1, metadata=metadata)


def open_workspace(context: ToolContext, *, without_openat2: bool) -> Workspace:
    """Open the call's workspace, with what else it may reach."""
    assert context.workspace is not None, "the caller has looked"
    return Workspace.open(
        context.workspace,
        without_openat2=without_openat2,
        judged=context.judged,
        escapes=context.escapes,
        private=context.private,
    )


async def in_workspace(
    context: ToolContext, work: Callable[[Workspace], ToolOutcome], *, without_openat2: bool
) -> ToolOutcome:
    """Run blocking work on the open workspace in a thread; errors become outcomes."""
    if context.workspace is None:
        return failure("this session has no workspace", reason="no_workspace")

    def opened() -> ToolOutcome:
        with open_workspace(context, without_openat2=without_openat2) as workspace:
            return work(workspace)

    try:
        return await asyncio.to_thread(opened)
    except HoldfastError as error:
        return failure(f"Error: {error.message}", reason=error.reason)
    except OSError as error:
        return failure(f"Error: {error.strerror or error}", reason="os_error")


class FileTool:
    """What the tools on files have in common.

    Args:
        without_openat2: use the fallback that walks paths (for tests).
    """

    _SPEC: ToolSpec

    def __init__(self, *, without_openat2: bool = False) -> None:
        self._without_openat2 = without_openat2

    @property
    def spec(self) -> ToolSpec:
        """What the tool declares about itself."""
        return self._SPEC

    async def run(self, arguments: Mapping[str, Json], context: ToolContext) -> ToolOutcome:
        """Do the work in the session's workspace."""
        outcome = await in_workspace(
            context,
            lambda workspace: self._work(workspace, arguments, context),
            without_openat2=self._without_openat2,
        )
        content = await clip(outcome.content, context)
        return ToolOutcome(
            content=content,
            is_error=outcome.is_error,
            exit_code=outcome.exit_code,
            metadata=outcome.metadata,
        )

    def _work(
        self, workspace: Workspace, arguments: Mapping[str, Json], context: ToolContext
    ) -> ToolOutcome:
        raise NotImplementedError


# --- read -----------------------------------------------------------------------


class ReadTool(FileTool):
    """Show a text file, or an output that was too long to show, with line numbers."""

    _SPEC = ToolSpec(
        name="read",
        flow=READS_FILES,
        description=(
            "Read a text file of the workspace. Lines are numbered from 1; offset is the number "
            f"of lines to skip. Lines are cut at {LINE_CHARS_MAX} characters. A handle that "
            f'begins with "{SPILL_PREFIX}" reads an earlier output that was too long to show.'
        ),
        parameters=schema(
            {
                "file_path": path_schema("path in the workspace, or a spill handle"),
                "offset": {
                    "type": "integer",
                    "minimum": 0,
                    "default": 0,
                    "description": "first line, counted from 0",
                },
                "limit": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": LINES_MAX,
                    "default": LINES_MAX,
                    "description": "lines to show",
                },
            },
            "file_path",
        ),
        nature=Nature.READ_ONLY,
        path_params=("file_path",),
        path_operations=(("file_path", Operation.READ),),
        timeout_s=30.0,
    )

    async def run(self, arguments: Mapping[str, Json], context: ToolContext) -> ToolOutcome:
        """Show the file; a spill handle needs no workspace."""
        handle = str(arguments["file_path"])
        if not handle.startswith(SPILL_PREFIX):
            return await super().run(arguments, context)
        try:
            data = await context.read_spill(handle)
        except HoldfastError as error:
            return failure(f"Error: {error.message}", reason=error.reason)
        outcome = _shown(io.BytesIO(data), handle, len(data), arguments)
        if outcome.is_error:
            return outcome
        content = await clip(outcome.content, context)
        return ToolOutcome(content=content, metadata=outcome.metadata)

    def _work(
        self, workspace: Workspace, arguments: Mapping[str, Json], context: ToolContext
    ) -> ToolOutcome:
        path = str(arguments["file_path"])
        with open(workspace.open_read(path), "rb") as file:
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            return _shown(file, path, size, arguments)


def _shown(file: BinaryIO, path: str, size: int, arguments: Mapping[str, Json]) -> ToolOutcome:
    """Return the numbered lines asked for."""
    offset, limit = number(arguments, "offset", 0), number(arguments, "limit", LINES_MAX)
    if b"\0" in file.read(_SCAN_BYTES):
        message = f"{path} is a binary file of {size} bytes and is not shown."
        return ToolOutcome(content=message, metadata={"binary": True, "size": size})
    file.seek(0)
    if size == 0:
        return ToolOutcome(content=f"{path} is empty.", metadata={"lines": 0, "size": 0})
    shown: list[str] = []
    count = 0
    for line in _lines(file):
        count += 1
        if count > offset + limit:
            shown.append(f"[more lines follow; continue with offset {offset + limit}]")
            break
        if count > offset:
            shown.append(f"{count:>6}\t{line}")
    if not shown:
        return failure(f"Error: {path} has only {count} lines", reason="past_the_end", lines=count)
    return ToolOutcome(
        content="\n".join(shown),
        metadata={"size": size, "first": offset, "lines": min(count - offset, limit)},
    )


def _lines(file: BinaryIO) -> Iterator[str]:
    """Yield lines, each cut to the limit, without ever holding a longer one."""
    limit = LINE_CHARS_MAX * 4  # the longest UTF-8 form of a character
    while piece := file.readline(limit):
        rest = piece
        while not rest.endswith(b"\n") and (rest := file.readline(_SCAN_BYTES)):
            pass
        text = piece.rstrip(b"\r\n").decode("utf-8", "replace")
        yield text if len(text) <= LINE_CHARS_MAX else text[:LINE_CHARS_MAX] + " [line cut]"


def number(arguments: Mapping[str, Json], name: str, default: int) -> int:
    """Return an integer argument (JSON has 2.0 for 2)."""
    value = arguments.get(name, default)
    assert isinstance(value, int | float), f"{name} was validated as a number"
    return int(value)


# --- write ----------------------------------------------------------------------


class WriteTool(FileTool):
    """Create or replace a file."""

    _SPEC = ToolSpec(
        name="write",
        flow=WRITES_FILES,
        description=(
            "Create or replace a file of the workspace with the given text. "
            "Missing directories are created."
        ),
        parameters=schema(
            {
                "file_path": path_schema("path in the workspace"),
                "content": {"type": "string", "description": "the whole new content"},
            },
            "file_path",
            "content",
        ),
        nature=Nature.IDEMPOTENT,
        path_params=("file_path",),
        path_operations=(("file_path", Operation.WRITE),),
        needs_workspace=True,
        timeout_s=30.0,
    )

    def _work(
        self, workspace: Workspace, arguments: Mapping[str, Json], context: ToolContext
    ) -> ToolOutcome:
        path = str(arguments["file_path"])
        text = str(arguments["content"])
        data = encoded(text, "content")
        workspace.write_bytes(path, data, effect_id=context.effect_id)
        lines = len(text.splitlines())
        return ToolOutcome(
            content=f"Wrote {len(data)} bytes ({lines} lines) to {path}.",
            metadata={"bytes": len(data), "lines": lines},
        )


def encoded(text: str, name: str) -> bytes:
    """Return the text as UTF-8; half a surrogate pair raises `InvalidInput`."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidInput(f"{name} is not valid Unicode text") from None


# --- edit -----------------------------------------------------------------------


class EditTool(FileTool):
    """Replace a piece of text in a file.

    What became of a cut-off attempt is told from the mark that the replaced
    file carries (DONE) or the temporary file that was not renamed (NOT_DONE).
    The text alone proves nothing, since others may have changed the file, so
    everything else is UNKNOWN.
    """

    _SPEC = ToolSpec(
        name="edit",
        flow=WRITES_FILES,
        description=(
            "Replace old_string by new_string in a file of the workspace. old_string must occur "
            "exactly once, unless replace_all is true."
        ),
        parameters=schema(
            {
                "file_path": path_schema("path in the workspace"),
                "old_string": {
                    "type": "string",
                    "minLength": 1,
                    "description": "the exact text to replace, without line numbers",
                },
                "new_string": {"type": "string", "description": "what to put there"},
                "replace_all": {
                    "type": "boolean",
                    "default": False,
                    "description": "replace every occurrence",
                },
            },
            "file_path",
            "old_string",
            "new_string",
        ),
        nature=Nature.RECONCILABLE,
        path_params=("file_path",),
        path_operations=(("file_path", Operation.WRITE),),
        needs_workspace=True,
        timeout_s=30.0,
    )

    def _work(
        self, workspace: Workspace, arguments: Mapping[str, Json], context: ToolContext
    ) -> ToolOutcome:
        path = str(arguments["file_path"])
        old = encoded(str(arguments["old_string"]), "old_string")
        new = encoded(str(arguments["new_string"]), "new_string")
        if not old:
            return failure("Error: old_string is empty", reason="empty_old_string")
        if old == new:
            return failure("Error: old_string and new_string are the same", reason="no_change")
        before = workspace.read_bytes(path)
        if old not in before and b"\r\n" in before and b"\r" not in old:
            # `read` does not show carriage returns, so nobody can quote them.
            old, new = old.replace(b"\n", b"\r\n"), new.replace(b"\n", b"\r\n")
        count = before.count(old)
        if count == 0:
            return failure(f"Error: old_string was not found in {path}", reason="not_found")
        if count > 1 and arguments.get("replace_all") is not True:
            message = f"Error: old_string occurs {count} times in {path}; it must occur once"
            return failure(message, reason="ambiguous", count=count)
        workspace.write_bytes(path, before.replace(old, new), effect_id=context.effect_id)
        return ToolOutcome(
            content=f"Replaced {count} occurrence{'s' if count > 1 else ''} in {path}.",
            metadata={"replaced": count},
        )

    async def reconcile(self, arguments: Mapping[str, Json], context: ToolContext) -> Reconciled:
        """Say whether an attempt of this effect replaced the file."""
        path = str(arguments["file_path"])
        answers: list[bool | None] = []

        def look(workspace: Workspace) -> ToolOutcome:
            answers.append(workspace.written_by(path, context.effect_id))
            return ToolOutcome(content="")

        await in_workspace(context, look, without_openat2=self._without_openat2)
        answer = answers[0] if answers else None
        if answer is None:
            return Reconciled(state=Reconciliation.UNKNOWN)
        if not answer:
            return Reconciled(state=Reconciliation.NOT_DONE)
        outcome = ToolOutcome(content=f"Edited {path} (the outcome was recovered after a crash).")
        return Reconciled(state=Reconciliation.DONE, outcome=outcome)


# --- ls -------------------------------------------------------------------------


class LsTool(FileTool):
    """List a directory."""

    _SPEC = ToolSpec(
        name="ls",
        flow=READS_FILES,
        description="List a directory of the workspace: type, size in bytes, name.",
        parameters=schema({"path": path_schema("directory in the workspace", default=".")}),
        nature=Nature.READ_ONLY,
        path_params=("path",),
        path_operations=(("path", Operation.LIST),),
        needs_workspace=True,
        timeout_s=30.0,
    )

    def _work(
        self, workspace: Workspace, arguments: Mapping[str, Json], context: ToolContext
    ) -> ToolOutcome:
        path = str(arguments.get("path", "."))
        listing = workspace.list(path, LS_ENTRIES_MAX)
        if not listing.entries:
            return ToolOutcome(content=f"{path} is empty.", metadata={"entries": 0})
        lines = [
            f"{entry.kind:<5} {entry.size:>10}  {entry.path.rpartition('/')[2]}"
            for entry in listing.entries
        ]
        if listing.cut:
            lines.append(f"[more than {LS_ENTRIES_MAX} entries; use glob to see the others]")
        return ToolOutcome(
            content="\n".join(lines),
            metadata={"entries": len(listing.entries), "cut": listing.cut},
        )
