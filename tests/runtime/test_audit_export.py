"""What an export of the audit log looks like, in both formats."""

from __future__ import annotations

import asyncio
import io
import json

import pytest

from holdfast.core.errors import InvalidInput, SessionNotFound
from holdfast.runtime.audit_export import export_audit
from holdfast.runtime.audit_file import verify_file
from moving_kit import World


def test_envelopes_are_cloudevents_and_verify() -> None:
    """The attributes that CloudEvents 1.0 requires are there, ids are unique."""

    async def main() -> None:
        out = io.BytesIO()
        async with World().manager() as manager:
            await manager.create_session("one")
            await manager.create_session("two")
            count = await export_audit(manager, out, form="cloudevents")
            public = manager.distinct_backends()[0][1].keys.audit_public_key
        lines = [json.loads(line) for line in out.getvalue().splitlines()]
        assert count + 2 == len(lines) == len({line["id"] for line in lines})
        for line in lines:
            assert "1.0" == line["specversion"] and line["source"].startswith("urn:holdfast:")
            assert line["type"].startswith("holdfast.audit.") and line["time"].endswith("Z")
        assert "holdfast.audit.Opened" == lines[1]["type"]
        assert (await verify_file(io.BytesIO(out.getvalue()), public)).ok

    asyncio.run(main())


def test_some_sessions_and_wiped_ones() -> None:
    """The head names which; a wiped session has its stream's name."""

    async def main() -> None:
        async with World().manager() as manager:
            one = await manager.create_session("one")
            await manager.create_session("two")
            await manager.terminate_session("one")
            public = manager.distinct_backends()[0][1].keys.audit_public_key
            out = io.BytesIO()
            name = f"stream-{one.where.stream:016x}"
            await export_audit(manager, out, [name, name])
            report = await verify_file(io.BytesIO(out.getvalue()), public)
            assert ([], 1) == (report.findings, report.sessions)
            head = json.loads(out.getvalue().splitlines()[0])
            assert [f"{one.where.stream:016x}"] == head["sessions"]
            with pytest.raises(SessionNotFound):
                await export_audit(manager, out, ["none"])
            with pytest.raises(InvalidInput):
                await export_audit(manager, out, form="xml")

    asyncio.run(main())


def test_a_store_without_sessions_has_an_export() -> None:
    """A head and a signed end."""

    async def main() -> None:
        out = io.BytesIO()
        async with World().manager() as manager:
            assert 0 == await export_audit(manager, out)
            public = manager.distinct_backends()[0][1].keys.audit_public_key
        assert (await verify_file(io.BytesIO(out.getvalue()), public)).ok

    asyncio.run(main())
