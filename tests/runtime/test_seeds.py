"""Sessions written in the seeds' forms: seventeen keys, no secrets, as they were read."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

from holdfast.core.errors import ImportRefused
from holdfast.core.settings import ModelSettings
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.exporting import export_text
from holdfast.runtime.importing import import_file, import_session
from holdfast.runtime.seeddata import SESSION_DATA_KEYS, SessionData
from holdfast.runtime.seeds import to_serializable, to_session_data
from holdfast.runtime.seedserial import SerializableSession
from holdfast.testing.script import say
from moving_kit import SEEDFILES, World, rich_session, script


@pytest.mark.parametrize("form", ["session_data", "serializable_session"])
def test_a_complete_file_comes_back_byte_for_byte(form: str) -> None:
    """Importing and exporting a complete file of either form changes no byte of it."""

    async def main() -> None:
        async with World().manager() as manager:
            done = await import_file(manager, SEEDFILES / f"{form}.json")
            assert form == done.source
            expected = (SEEDFILES / f"{form}.json").read_text("utf-8").rstrip("\n")
            assert expected == (await export_text(manager, done.id, form)).rstrip("\n")

    asyncio.run(main())


@pytest.mark.parametrize("form", ["session_data", "serializable_session"])
def test_tasks_grants_and_parent_survive_a_jsonl_move(form: str, tmp_path: Path) -> None:
    """What was inert is still there after an export of ours and another import."""

    async def main() -> None:
        async with World().manager() as manager:
            first = await import_file(manager, SEEDFILES / f"{form}.json")
            text = await export_text(manager, first.id)
            (tmp_path / "x.jsonl").write_text(text)
            await import_session(manager, tmp_path / "x.jsonl", "two")
            there = json.loads(await export_text(manager, first.id, form))
            here = json.loads(await export_text(manager, "two", form))
            kept = ("tasks", "parent_id", "llm_config", "allowances", "escape_state", "messages")
            for name in kept:
                assert there.get(name) == here.get(name), name

    asyncio.run(main())


def test_a_session_that_went_on_tells_its_own(tmp_path: Path) -> None:
    """After a turn the totals, records and times are the session's, on top of the file's."""

    async def main() -> None:
        async with World().manager(say("more")) as manager:
            done = await import_file(manager, SEEDFILES / "session_data.json")
            session = await manager.get_session(done.id)
            await session.resume()
            await session.generate("go on")
            data = await to_session_data(manager, done.id)
            assert 4010 == data.total_usage["prompt_tokens"]
            assert ["gpt-4o", "scripted"] == [record["model"] for record in data.cost_records]
            assert 5 == data.context_usage["turns"]
            assert data.updated_at > 1767323099 and 1767323045 == data.created_at
            assert "run the tests" == data.tasks[0]["content"]

    asyncio.run(main())


def test_exactly_the_seventeen_keys_and_no_key_material(tmp_path: Path) -> None:
    """The record has the seed's keys in its order, reads back, and holds no reference to a key."""

    async def main() -> None:
        async with World().manager(*script()) as manager:
            await rich_session(manager, tmp_path / "ws")
            model = ModelSettings(provider="openai", model="gpt-x", key="env:SECRET_NAME")
            await manager.create_session("two", SessionConfig(model=model, extra={"colour": 1}))
            for id in ("one", "two"):
                text = await export_text(manager, id, "session_data")
                assert SESSION_DATA_KEYS == tuple(json.loads(text))
                assert "SECRET_NAME" not in text
                again = SessionData.from_json(text)
                assert text.rstrip("\n") == again.to_json()
            two = await to_session_data(manager, "two")
            assert {"provider": "openai", "model": "gpt-x"} == two.llm_config
            assert 1 == two.config["colour"]

    asyncio.run(main())


def test_ids_that_the_form_does_not_know_become_stable_ones(tmp_path: Path) -> None:
    """Seed E9's ids are a UUID and eight bytes; others are derived, always the same."""

    async def main() -> None:
        async with World().manager(*script()) as manager:
            await rich_session(manager, tmp_path / "ws")
            made = await manager.create_session()
            found = await to_serializable(manager, "one")
            assert found == await to_serializable(manager, "one")
            assert found.to_json() == SerializableSession.from_json(found.to_json()).to_json()
            assert re.fullmatch(r"[0-9a-f]{16}", found.user_id)
            assert made.id == "sess-" + (await to_serializable(manager, made.id)).id

    asyncio.run(main())


def test_prices_of_a_model_go_with_it() -> None:
    """Configured prices stand in `llm_config`, are read back, and survive an import (seed D15)."""

    async def main() -> None:
        async with World().manager() as manager:
            model = ModelSettings(provider="p", model="m", input_usd="0", output_usd="0.60")
            await manager.create_session("one", SessionConfig(model=model))
            text = await export_text(manager, "one", "session_data")
            expected = {"provider": "p", "model": "m", "input_usd": "0", "output_usd": "0.60"}
            assert expected == json.loads(text)["llm_config"]
            assert expected == SessionData.from_json(text).llm_config
            assert text.rstrip("\n") == SessionData.from_json(text).to_json()

    asyncio.run(main())


def test_an_imported_session_keeps_the_prices_of_its_file(tmp_path: Path) -> None:
    """What was imported is written again, prices included."""

    async def main() -> None:
        async with World().manager() as manager:
            data = json.loads((SEEDFILES / "session_data.json").read_text())
            data["llm_config"] = {"provider": "p", "model": "m", "input_usd": "1.5"}
            path = tmp_path / "priced.json"
            path.write_text(json.dumps(data))
            done = await import_file(manager, path)
            assert data["llm_config"] == (await to_session_data(manager, done.id)).llm_config
            data["llm_config"]["input_usd"] = 1.5
            path.write_text(json.dumps(data))
            with pytest.raises(ImportRefused, match=r"llm_config\.input_usd: not a string"):
                await import_file(manager, path)

    asyncio.run(main())
