"""`holdfast audit verify|checkpoint|export|key`: an audit that outsiders can check."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.exits import Quit
from holdfast.cli.output import facts, note, print_json, print_line, warn_heading
from holdfast.cli.world import Options, opened, options_of
from holdfast.core.checkpoints import ORIGIN, Checkpoint, note_key
from holdfast.core.errors import Damaged, InvalidInput, NotFound

if TYPE_CHECKING:
    from holdfast.runtime.audit import AuditReport
    from holdfast.runtime.audit_file import FileReport

CheckpointsOption = Annotated[
    Path | None,
    typer.Option("--checkpoints", help="Compare with the checkpoints of this directory, too."),
]


def verify(
    context: typer.Context,
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID|FILE]",
            help="Only this session; with --key, and no server, an export's file.",
        ),
    ] = None,
    *,
    key: Annotated[
        str | None,
        typer.Option(
            "--key",
            help="Verify an export with this public key; needs no store. A server's is "
            "fetched and verified here.",
        ),
    ] = None,
    checkpoints: CheckpointsOption = None,
) -> None:
    """Check every event's place, hash and signature, and what is derived from them."""
    # lazy: help does not need an event loop.
    import asyncio

    options = options_of(context, served=True)
    if options.server:
        raise Quit(_verify_there(options, what or "", key, checkpoints))
    if key is None:
        raise Quit(asyncio.run(_verify(options, what, checkpoints)))
    if what is None:
        raise typer.BadParameter("name the file of an export to verify with the key")
    raise Quit(_verify_file(options, Path(what), key, checkpoints))


async def _verify(options: Options, session: str | None, checkpoints: Path | None) -> int:
    # lazy: the audit loads the runtime.
    from dataclasses import replace

    from holdfast.bootstrap import checkpoint_directory
    from holdfast.runtime.audit import verify_store
    from holdfast.runtime.checkpointing import compare_checkpoints

    async with opened(options) as manager:
        report = await verify_store(manager, session)
        if checkpoints is not None:
            _, backend = manager.distinct_backends()[0]
            found = await compare_checkpoints(backend, checkpoint_directory(checkpoints))
            report = replace(report, findings=(*report.findings, *found))
    if options.json:
        print_json({"ok": report.ok, **asdict(report)})
    else:
        _print_report(report)
    return 0 if report.ok else Damaged.exit_code


def _print_report(report: AuditReport) -> None:
    for found in report.findings:
        word = "note" if found.severity == "note" else warn_heading("FINDING")
        place = f" event {found.version}" if found.version else ""
        print_line(f"{found.session}{place}: {found.kind.value}: {found.text}", mark=word)
    for page in report.pages:
        print_line(page, mark=warn_heading("DATABASE"))
    wiped = f", {report.wiped} of them wiped" if report.wiped else ""
    verdict = "all as it was written" if report.ok else warn_heading("NOT as it was written")
    print_line(f"{report.sessions} sessions{wiped}, {report.events} events:", end=f" {verdict}\n")
    note(report.limits)


def _verify_there(options: Options, session: str, key: str | None, checkpoints: Path | None) -> int:
    """Fetch a server's log and verify it here, by a key that is not the server's to say.

    Raises:
        InvalidInput: there is no key; a server's own word proves nothing.
        HoldfastError: it was refused, or broke off.
    """
    # lazy: help needs neither an event loop nor cryptography, and a server is rarely asked.
    import asyncio
    import secrets
    from contextlib import aclosing

    from holdfast.bootstrap import checkpoint_directory
    from holdfast.cli.remote import connected
    from holdfast.core.auditquestion import NONCE_BYTES, AuditQuestion
    from holdfast.runtime.audit_file import public_key_of, verify_answer

    if key is None:
        raise InvalidInput(
            "a server's word for its own log proves nothing: give the audit key's public half "
            "with --key, as `holdfast audit key` says it where the store is"
        )
    public_key = public_key_of(key)
    signed = None if checkpoints is None else checkpoint_directory(checkpoints)
    question = AuditQuestion(nonce=secrets.token_bytes(NONCE_BYTES), session_id=session)

    async def work() -> FileReport:
        async with (
            connected(options) as client,
            aclosing(client.audit_export(question)) as pieces,
        ):
            return await verify_answer(pieces, public_key, question, signed)

    return _say_file(options, asyncio.run(work()))


def _verify_file(options: Options, path: Path, key: str, checkpoints: Path | None) -> int:
    # lazy: help does not need cryptography.
    import asyncio

    from holdfast.bootstrap import checkpoint_directory
    from holdfast.runtime.audit_file import public_key_of, verify_file

    public_key = public_key_of(key)
    signed = None if checkpoints is None else checkpoint_directory(checkpoints)
    try:
        with path.open("rb") as file:
            report = asyncio.run(verify_file(file, public_key, signed))
    except (FileNotFoundError, IsADirectoryError):
        raise NotFound(f"there is no file {path}") from None
    return _say_file(options, report)


def _say_file(options: Options, report: FileReport) -> int:
    if options.json:
        print_json({"ok": report.ok, **asdict(report)})
    else:
        for found in report.findings:
            place = f"line {found.line}: " if found.line else ""
            print_line(f"{place}{found.text}", mark=warn_heading("FINDING"))
        verdict = "all as it was exported" if report.ok else warn_heading("NOT as it was exported")
        counts = f"{report.sessions} sessions, {report.events} events"
        print_line(f"{counts}, {report.checkpoints} checkpoints:", end=f" {verdict}\n")
        note(report.limits)
    return 0 if report.ok else Damaged.exit_code


def checkpoint(
    context: typer.Context,
    *,
    to: Annotated[
        Path, typer.Option("--to", help="A directory outside of the store's, best elsewhere.")
    ],
) -> None:
    """Sign where every session stands that changed since the last checkpoint there."""
    # lazy: help does not need an event loop.
    import asyncio

    options = options_of(context)
    made = asyncio.run(_checkpoint(options, to))
    if options.json:
        number, changed = (made.number, made.leaves) if made else (0, 0)
        print_json({"checkpoint": number, "sessions": changed})
    elif made is None:
        note("nothing changed since the last checkpoint")
    else:
        note(f"checkpoint {made.number} is over {made.leaves} changed logs")


async def _checkpoint(options: Options, to: Path) -> Checkpoint | None:
    # lazy: it loads the runtime.
    from holdfast.bootstrap import checkpoint_directory
    from holdfast.runtime.checkpointing import Signer

    place = checkpoint_directory(to, store=options.store)
    async with opened(options) as manager:
        _, backend = manager.distinct_backends()[0]
        return await Signer(backend, place).make()


def export(
    context: typer.Context,
    sessions: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Only these (default: all).")
    ] = None,
    *,
    form: Annotated[
        str, typer.Option("--format", help="jsonl, or cloudevents for envelopes of CloudEvents.")
    ] = "jsonl",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file (default: standard output).")
    ] = None,
) -> None:
    """Write the audit log for outsiders: headers, hashes and sealed bodies, no content."""
    # lazy: help does not need an event loop.
    import asyncio

    count = asyncio.run(_export(options_of(context), sessions or [], form, output))
    note(f"{count} events")


async def _export(options: Options, sessions: list[str], form: str, output: Path | None) -> int:
    # lazy: it loads the runtime.
    from holdfast.runtime.audit_export import export_audit
    from holdfast.runtime.exporting import whole_file

    async with opened(options) as manager:
        if output is None:
            return await export_audit(manager, sys.stdout.buffer, sessions, form=form)
        with whole_file(output, 0o666) as file:  # it is for others, as far as the umask lets them
            return await export_audit(manager, file, sessions, form=form)


def key(context: typer.Context) -> None:
    """Say the audit key's public half: what outsiders verify exports and checkpoints with."""
    # lazy: help does not need an event loop.
    import asyncio

    options = options_of(context)
    public, installation = asyncio.run(_key(options))
    named = note_key(f"{ORIGIN}{installation}", public)
    if options.json:
        print_json({"key": public.hex(), "note_key": named})
    else:
        facts([("key", public.hex()), ("for tools of signed notes", named)])


async def _key(options: Options) -> tuple[bytes, str]:
    async with opened(options) as manager:
        _, backend = manager.distinct_backends()[0]
        return backend.keys.audit_public_key, backend.keys.installation.hex()
