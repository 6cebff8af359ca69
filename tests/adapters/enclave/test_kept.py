"""A key that is handed over is kept, and used by every later run."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import ClassVar

import pytest
from enclavekit import all_of, asked

from holdfast.adapters.enclave.echo import EchoModel
from holdfast.adapters.enclave.kept import KeptModel
from holdfast.adapters.enclave.roots import Sealing, open_files
from holdfast.core.errors import InvalidInput, ProviderFailed, SealRefused
from holdfast.ports.counting import Count
from holdfast.ports.model import ModelClient, ZonedClient


class Keyed(EchoModel):
    """Says its key, and whether it was closed."""

    made: ClassVar[list[Keyed]] = []

    def __init__(self, key: str) -> None:
        super().__init__()
        if " " in key:
            raise InvalidInput("that is no key")
        self.key = key
        self.closed = False
        self.made.append(self)

    async def aclose(self) -> None:
        """It was closed."""
        self.closed = True


@pytest.fixture(autouse=True)
def _none_made() -> None:
    Keyed.made.clear()


def kept(folder: Path) -> KeptModel:
    """What a run of the enclave has inside."""
    places = Sealing(directory=folder / "sealed", counter=folder / "counts", root=folder / "root")
    return KeptModel(open_files(places, "ab" * 32), "provider", Keyed, EchoModel())


def test_nothing_is_called_before_there_is_a_key(tmp_path: Path) -> None:
    """And it says what it will be."""

    async def work() -> None:
        model = kept(tmp_path)
        assert isinstance(model, ModelClient) and isinstance(model, ZonedClient)
        assert ("echo", "holdfast", 200_000) == (
            model.model,
            model.provider,
            model.context_tokens,
        )
        assert Count() == await model.refresh()
        with pytest.raises(ProviderFailed):
            await all_of(model.stream(asked("hello")))
        assert [] == Keyed.made

    asyncio.run(work())


def test_a_key_is_kept_over_runs_and_replaced(tmp_path: Path) -> None:
    """The client of the former one is closed; a run that did not do it finds out."""

    async def work() -> None:
        first, second = kept(tmp_path), kept(tmp_path)
        one = await first.keep("one", above=0)
        assert one == await second.refresh() == await second.refresh() == second.count
        assert ["one", "one"] == [client.key for client in Keyed.made]
        assert "hello" == (await all_of(second.stream(asked("hello"))))[-1].parts[0].text
        two = await second.keep("two", above=7)
        assert (1, 8) == (one.version, two.version)
        assert two == await first.refresh()
        assert [True, True, False, False] == [client.closed for client in Keyed.made]
        await first.aclose()
        await second.aclose()
        assert all(client.closed for client in Keyed.made)

    asyncio.run(work())


@pytest.mark.parametrize("key", ["", "no key"])
def test_what_is_no_key_replaces_nothing(key: str, tmp_path: Path) -> None:
    """The one that was kept is used."""

    async def work() -> None:
        model = kept(tmp_path)
        count = await model.keep("one", above=0)
        with pytest.raises(InvalidInput):
            await model.keep(key, above=0)
        assert count == await model.refresh() == model.count
        assert "hello" == (await all_of(model.stream(asked("hello"))))[-1].parts[0].text

    asyncio.run(work())


def test_what_cannot_be_written_is_not_used(tmp_path: Path) -> None:
    """Its client is closed, and the former one goes on."""

    async def work() -> None:
        model = kept(tmp_path)
        count = await model.keep("one", above=0)
        with pytest.raises(InvalidInput):
            await model.keep("two", above=2**62)
        assert [("one", False), ("two", True)] == [(c.key, c.closed) for c in Keyed.made]
        assert count == model.count

    asyncio.run(work())


def test_a_key_that_is_put_back_is_used_no_more(tmp_path: Path) -> None:
    """Also by a run that had it in memory."""

    async def work() -> None:
        model = kept(tmp_path)
        await model.keep("one", above=0)
        (path,) = (tmp_path / "sealed").glob("*.sealed")
        older = path.read_bytes()
        await model.keep("two", above=0)
        (newer,) = (tmp_path / "sealed").glob("*.sealed")
        newer.write_bytes(older)
        with pytest.raises(SealRefused) as caught:
            await model.refresh()
        assert "rollback" == caught.value.code
        with pytest.raises(ProviderFailed):
            await all_of(model.stream(asked("hello")))

    asyncio.run(work())
