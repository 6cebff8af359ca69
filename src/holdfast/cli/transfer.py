"""`holdfast sessions export|import|fork`: sessions as files, and copies of them."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.output import note, print_json
from holdfast.cli.sessions import SessionArgument, sessions_of
from holdfast.cli.world import Options, make_runner, opened, options_of
from holdfast.core.errors import InvalidInput

if TYPE_CHECKING:
    from holdfast.client.values import ImportedSession as ToldImport
    from holdfast.runtime.takeover import ImportedSession

FORMATS = ("jsonl", "session_data", "serializable_session")


def export(
    context: typer.Context,
    session: SessionArgument,
    *,
    form: Annotated[
        str, typer.Option("--format", help="jsonl (lossless), session_data, serializable_session.")
    ] = "jsonl",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file (default: standard output).")
    ] = None,
) -> None:
    """Write a session as a file. It is plain text: whoever has it can read it."""
    # lazy: help does not need an event loop.
    import asyncio

    if form not in FORMATS:
        raise InvalidInput(f"{form!r} is no format; the formats are {', '.join(FORMATS)}")
    options = options_of(context, served=True)
    export_ = _export_there if options.server else _export
    asyncio.run(export_(options, session, form, output))
    if output is not None:
        note(f"{session}: written to {output}; it is plain text, also after a wipe here")


async def _export_there(options: Options, id: str, form: str, output: Path | None) -> None:
    # lazy: an event loop, and a server is rarely asked.
    import asyncio

    from holdfast.cli.remote import connected

    async with connected(options) as client:
        text = await client.export_text(id, form)
    if output is None:
        sys.stdout.write(text)
        return
    try:
        await asyncio.to_thread(_write_private, output, text)
    except OSError as error:
        raise InvalidInput(f"cannot write {output}: {error.strerror}") from None


async def _export(options: Options, id: str, form: str, output: Path | None) -> None:
    # lazy: exporting loads the runtime and an event loop.
    import asyncio

    from holdfast.runtime.exporting import export_session, export_text

    async with opened(options) as manager:
        try:
            if form == "jsonl":
                await export_session(manager, id, output or sys.stdout.buffer)
                return
            text = await export_text(manager, id, form)
            if output is None:
                sys.stdout.write(text)
            else:
                await asyncio.to_thread(_write_private, output, text)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise InvalidInput(f"cannot write {output}: {error.strerror}") from None


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
        file.write(text)


def fork(
    context: typer.Context,
    session: SessionArgument,
    new: Annotated[str | None, typer.Argument(help="Id of the fork (default: a new one).")] = None,
    *,
    at: Annotated[
        int | None, typer.Option("--at", min=1, help="Version to fork from (default: the last).")
    ] = None,
) -> None:
    """Open a new session with another's conversation."""
    # lazy: help does not need an event loop.
    import asyncio

    options = options_of(context, served=True)

    async def work() -> str:
        async with sessions_of(options) as manager:
            return (await manager.fork_session(session, new, at_version=at)).id

    _made(options, asyncio.run(work()))


def _made(options: Options, id: str) -> None:
    if options.json:
        print_json({"session": id})
    else:
        print(id)


def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A session file of any of the export forms.")],
    *,
    id: Annotated[str | None, typer.Option("--id", help="Another id than the file's.")] = None,
) -> None:
    """Take over a session from a file; what it grants is kept but not acted on."""
    # lazy: help does not need an event loop.
    import asyncio

    options = options_of(context, served=True)
    found = asyncio.run(_import(options, file, id))
    if options.json:
        print_json(asdict(found))
        return
    for line in found.notes:
        note(line)
    if found.inert_keys:
        note(f"kept, but not acted on: {', '.join(found.inert_keys)}")
    note(f"{found.messages} messages taken over from {found.source}; they are not trusted")
    print(found.id)


async def _import(options: Options, file: Path, id: str | None) -> ImportedSession | ToldImport:
    if options.server:
        async with sessions_of(options) as there:
            return await there.import_file(file, id)
    # lazy: importing loads the runtime.
    from holdfast.runtime.importing import import_file

    async with make_runner(options) as manager:
        return await import_file(manager, file, id)
