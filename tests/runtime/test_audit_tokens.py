"""Whoever alters tokens in the store is found out by `audit verify`."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from holdfast.runtime.audit_chain import Kind
from sessionhelp import echo, on_file, run

ALTERED = {
    "revived": "UPDATE bearer SET state = 0",
    "prolonged": "UPDATE bearer SET expires_ms = expires_ms + 1",
    "a generation back": "UPDATE bearer SET generation = 1",
    "another digest": "UPDATE bearer SET digest = x'00'",
    "a made-up row": "INSERT INTO bearer SELECT randomblob(16), tenant, agent, digest, created_ms,"
    " expires_ms, ends_ms, span_ms, sealed, stream, parent, generation, agent_epoch, 0"
    " FROM bearer LIMIT 1",
    "a forgotten revocation": "DELETE FROM bearer_event WHERE kind = 'revoked'",
    "another time": "UPDATE bearer_event SET time_ms = time_ms + 1 WHERE seq = 2",
    "another actor": "UPDATE bearer_event SET actor = actor + 1 WHERE seq = 1",
    "a scope that forgot": "DELETE FROM scope WHERE scope LIKE 'token:%'",
}


async def lived(folder: Path) -> None:
    """A store in which tokens were made, refreshed and revoked."""
    async with on_file(folder, echo()) as sessions:
        first = await sessions.tokens.create("ann", session="")
        await sessions.tokens.refresh(first.guard_token)
        await sessions.tokens.revoke(first.id)
        await sessions.tokens.refresh((await sessions.tokens.create("bob")).guard_token)


def test_a_sound_store_has_no_finding(tmp_path: Path) -> None:
    """All is as its events left it."""

    async def work() -> None:
        await lived(tmp_path)
        async with on_file(tmp_path, echo()) as sessions:
            assert (await sessions.audit_verify()).ok

    run(work())


@pytest.mark.parametrize("how", ALTERED)
def test_what_was_altered_is_found(how: str, tmp_path: Path) -> None:
    """In clear columns, in the chain, in the scopes."""

    async def work() -> None:
        await lived(tmp_path)
        connection = apsw.Connection(str(tmp_path / "store" / "s.db"))
        connection.execute(ALTERED[how])
        connection.close()
        async with on_file(tmp_path, echo()) as sessions:
            report = await sessions.audit_verify()
            assert {Kind.BEARER} == {one.kind for one in report.findings} and not report.ok

    run(work())
