"""Budgets end to end: what calls reserve and settle, questions, restarts, shared accounts."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from budgethelp import RESERVE, PricedModel, answers, paid
from holdfast import Budget, SessionConfig
from holdfast.adapters.store.memory import MemoryStore
from holdfast.bootstrap import SessionManager
from holdfast.core.errors import Cancelled, Denied, HoldfastError, InvalidInput, ProviderFailed
from holdfast.core.events import Asked, EffectEnded, EffectStarted, Event, Warned
from holdfast.core.quantities import Usage
from holdfast.core.settings import ModelSettings, StorageType
from holdfast.core.view import Question
from holdfast.ports.model import ModelRequest
from holdfast.ports.store import Append
from holdfast.runtime.budgets import AccountInfo
from holdfast.runtime.handle import Session
from holdfast.testing.provider_server import ProviderServer
from holdfast.testing.script import Turn, calls, fail, hang, make_call, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import memory, on_file, one_session, run, tool

OPEN = SessionConfig(unsafe_auto_approve=True, budget=Budget(usd=25_000))


async def account(session: Session, id: str = "s.m") -> AccountInfo:
    """One of the session's accounts."""
    return next(one for one in await session.budget() if one.id == id)


async def asked(session: Session) -> Question:
    """Wait until the session asks, and return its question."""
    while not (found := await session.questions()):
        await asyncio.sleep(0.002)
    return found[0]


def test_readme_example_has_a_budget() -> None:
    """`SessionConfig(budget=Budget(usd="2.00"))` limits the session to two dollars."""

    async def work() -> None:
        config = SessionConfig(budget=Budget(usd="2.00"))
        async with one_session(answers(1_234), config=config) as session:
            await session.generate("hello")
            found = await account(session)
            assert (2_000_000, 1_234, 0) == (found.limit, found.used, found.held)
            assert "session total micros" == found.name and 1_998_766 == found.left

    run(work())


def test_breach_parks_once_and_a_raise_goes_on() -> None:
    """A breach asks once, names the account, and a raised limit lets the same call run."""

    async def work() -> None:
        model = answers(10_000)
        async with one_session(model, config=OPEN) as session:
            await session.generate("one")
            await session.generate("two")
            third = asyncio.ensure_future(session.generate("three"))
            question = await asked(session)
            assert ("budget", ("raise", "deny")) == (question.about, question.choices)
            assert 2 == len(model.requests) and 1 == len(await session.questions())
            with pytest.raises(InvalidInput, match="session total micros"):
                await session.answer_approval(question.id, "raise", amount=24_999)
            await session.answer_approval(question.id, "raise", amount=30_000)
            assert "fine" == (await third).text
            found = await account(session)
            assert (30_000, 30_000, 0) == (found.limit, found.used, found.held)
            assert 30_000 == (await session.view()).settings.budget.micros

    run(work())


def test_denied_breach_names_the_account() -> None:
    """A breach that nobody raises fails the run and says which account was short (rulings 3.12)."""

    async def work() -> None:
        async with one_session(answers(20_000), config=OPEN) as session:
            await session.generate("one")
            second = asyncio.ensure_future(session.generate("two"))
            await session.answer((await asked(session)).id, "deny", "too dear")
            with pytest.raises(Denied, match="session total micros"):
                await second
            found = await account(session)
            assert (20_000, 0) == (found.used, found.held)

    run(work())


def test_unknown_bill_settles_in_full() -> None:
    """A call that failed or was cancelled after it started costs its whole reserve (1.6)."""

    async def work() -> None:
        model = PricedModel([fail(retryable=False), hang(), say("ok", usage=paid(7))])
        async with one_session(model) as session:
            with pytest.raises(ProviderFailed):
                await session.generate("one")
            assert 10_000 == (await account(session)).used
            second = asyncio.ensure_future(session.generate("two"))
            while len(model.requests) < 2:
                await asyncio.sleep(0.002)
            assert 10_000 == (await account(session)).held
            await session.cancel()
            with pytest.raises(Cancelled):
                await second
            assert (20_000, 0) == ((found := await account(session)).used, found.held)
            await session.generate("three")
            assert 20_007 == (await account(session)).used

    run(work())


def test_bill_above_the_reserve_counts_in_full() -> None:
    """A provider that charges more than was reserved is charged in full, and nothing more runs."""

    async def work() -> None:
        async with one_session(answers(40_000), config=OPEN) as session:
            await session.generate("one")
            found = await account(session)
            assert (40_000, 0, 0) == (found.used, found.held, found.left)
            more = asyncio.ensure_future(session.generate("two"))
            await session.answer((await asked(session)).id, "deny")
            with pytest.raises(Denied):
                await more

    run(work())


def test_warning_comes_once_an_account() -> None:
    """From the share on one warning is recorded, and none after it (T-20)."""

    async def work() -> None:
        config = SessionConfig(budget=Budget(usd=100_000))
        async with one_session(answers(35_000, most=1_000), config=config) as session:
            for text in ("one", "two", "three", "four"):
                if text == "four":
                    await session.set_budget(Budget(usd=200_000))
                await session.generate(text)
            events = [event async for event in _history(session)]
            warned = [event for event in events if isinstance(event, Warned)]
            assert [("budget", "s.m")] == [(one.about, one.subject) for one in warned]
            assert "session total micros" in warned[0].detail

    run(work())


async def _history(session: Session) -> AsyncIterator[Event]:
    journal = session.where.backend.journal(session.where.row)
    for version in range(1, (await session.view()).version + 1):
        yield (await journal.event_at(version)).event


def test_tool_calls_are_counted_if_they_ran() -> None:
    """A call that ran is one; the second is asked about, and a denied one costs nothing."""
    ran: list[str] = []

    def touch() -> str:
        """Do something."""
        ran.append("x")
        return "done"

    async def work() -> None:
        model = PricedModel(
            [
                calls(make_call("touch", id="a"), make_call("touch", id="b")),
                say("over", usage=paid(1)),
            ]
        )
        config = SessionConfig(unsafe_auto_approve=True, budget=Budget(calls=1, wall_s=60))
        async with one_session(model, tool(touch), config=config) as session:
            going = asyncio.ensure_future(session.generate("go"))
            question = await asked(session)
            assert 1 == len(ran) and "session total calls" in str(await _asked_text(session))
            assert (1, 0) == ((found := await account(session, "s.c")).used, found.held)
            await session.answer(question.id, "deny")
            assert "over" == (await going).text
            assert 1 == len(ran) and 1 == (await account(session, "s.c")).used
            wall = await account(session, "s.w")
            assert 0 == wall.held and wall.used < 60_000

    run(work())


async def _asked_text(session: Session) -> list[str]:
    return [event.text async for event in _history(session) if isinstance(event, Asked)]


def test_shared_account_of_two_sessions() -> None:
    """A workspace's limit holds for all its sessions; raised once, it is raised for all."""

    async def work(folder: Path) -> None:
        async with memory(answers(20_000)) as sessions:
            await sessions.set_budget("workspace", str(folder), Budget(usd=50_000))
            config = SessionConfig(workspace=str(folder))
            one = await sessions.create_session("one", config)
            two = await sessions.create_session("two", config)
            elsewhere = await sessions.create_session("three", SessionConfig())
            await one.generate("a")
            await two.generate("b")
            await elsewhere.generate("free")
            assert 40_000 == (await account(one, "w.m")).used
            await one.generate("c")
            short = asyncio.ensure_future(two.generate("d"))
            question = await asked(two)
            assert ("budget.exceeded", "account.w.m") == question.codes
            await two.answer_approval(question.id, "raise", amount=100_000)
            await short
            shared = await sessions.budget("workspace", str(folder))
            assert [(80_000, 100_000)] == [(found.used, found.limit) for found in shared]
            assert 100_000_000 == (await account(two)).limit, "the session's own limit stays"

    with tempfile.TemporaryDirectory() as folder:
        run(work(Path(folder)))


def test_new_limit_of_others_is_seen_at_once() -> None:
    """Room that others gave back is found before anybody is asked."""

    async def work() -> None:
        async with memory(answers(1_000, most=30_000)) as sessions:
            await sessions.set_budget("tenant", budget=Budget(usd=31_000, day_usd=40_000))
            one = await sessions.create_session("one", SessionConfig())
            await one.generate("a")
            await sessions.set_budget("tenant", budget=Budget(usd=33_000))
            for text in "bc":
                await one.generate(text)
            assert [] == await one.questions()
            found = {one.id: one for one in await sessions.budget("tenant")}
            assert (3_000, 33_000) == (found["t.m"].used, found["t.m"].limit)
            infos = await sessions.budget("tenant")
            assert {"total", "day"} == {one.period for one in infos}
            await sessions.set_budget("tenant", drop=("usd", "day_usd"))
            assert [] == await sessions.budget("tenant")

    run(work())


def test_restart_never_resets(tmp_path: Path) -> None:
    """What was spent before a restart is spent after it, and so are the limits."""

    async def work() -> None:
        async with on_file(tmp_path, answers(20_000)) as sessions:
            session = await sessions.create_session("one", OPEN)
            await session.generate("a")
        async with on_file(tmp_path, answers(20_000)) as sessions:
            session = await sessions.get_session("one")
            assert (20_000, 25_000) == ((found := await account(session)).used, found.limit)
            short = asyncio.ensure_future(session.generate("b"))
            await session.answer((await asked(session)).id, "deny")
            with pytest.raises(Denied):
                await short

    run(work())


def test_every_hold_is_settled() -> None:
    """Each reservation in the log has exactly one settlement of the same amount (AW-24)."""

    async def work() -> None:
        model = PricedModel(
            [fail(retryable=False), say("ok", usage=paid(3)), hang(), say("ok", usage=paid(4))]
        )
        async with one_session(model) as session:
            with pytest.raises(ProviderFailed):
                await session.generate("one")
            await session.generate("two")
            third = asyncio.ensure_future(session.generate("three"))
            while len(model.requests) < 3:
                await asyncio.sleep(0.002)
            await session.cancel()
            with pytest.raises(Cancelled):
                await third
            events = [event async for event in _history(session)]
            taken = [take for e in events if isinstance(e, EffectStarted) for take in e.takes]
            settled = [
                (id, held)
                for e in events
                if isinstance(e, EffectEnded)
                for id, held, _ in e.settles
            ]
            assert taken == settled and 3 == len(taken)

    run(work())


def test_set_budget_changes_and_ends_limits() -> None:
    """Further limits can be set and end; what was spent under them is not forgotten."""

    async def work() -> None:
        async with one_session(answers(1_000), config=SessionConfig()) as session:
            await session.set_budget(Budget(day_usd="0.02"))
            await session.generate("a")
            day = next(one for one in await session.budget() if one.period == "day")
            assert (20_000, 1_000) == (day.limit, day.used)
            await session.set_budget(Budget(), drop=("day_usd",))
            assert ["s.m"] == [one.id for one in await session.budget()]
            await session.generate("b")
            await session.set_budget(Budget(day_usd="0.05"))
            day = next(one for one in await session.budget() if one.period == "day")
            assert (50_000, 1_000) == (day.limit, day.used)
            with pytest.raises(InvalidInput):
                await session.set_budget(Budget(), drop=("usd",))

    run(work())


def test_child_draws_on_its_roots_accounts() -> None:
    """A child and its own child spend the root's money; none has a budget of its own (AW-16)."""

    async def work() -> None:
        async with memory(answers(10_000)) as sessions:
            root = await sessions.create_session("root", OPEN)
            await sessions.create_child_session("root", "child")
            child = await sessions.get_session("child")
            await sessions.create_child_session("child", "grandchild")
            grandchild = await sessions.get_session("grandchild")
            await child.generate("a")
            await grandchild.generate("b")
            for session in (root, child, grandchild):
                found = await account(session)
                assert (25_000, 20_000) == (found.limit, found.used)
            short = asyncio.ensure_future(root.generate("c"))
            await root.answer((await asked(root)).id, "deny")
            with pytest.raises(Denied):
                await short

    run(work())


@pytest.mark.parametrize("seed", range(6))
def test_no_interleaving_passes_the_limit(seed: int) -> None:
    """At every commit used and held together are within the limit, whatever runs when (IMP-19)."""
    chance = Random(seed)

    def answer(request: ModelRequest) -> Turn:
        kind = chance.choice(["say", "say", "fail", "hang"])
        if kind == "fail":
            return fail(retryable=False)
        return hang() if kind == "hang" else say("x", usage=paid(chance.randint(1, RESERVE)))

    async def one_run(sessions: SessionManager, name: str) -> None:
        session = await sessions.create_session(name, SessionConfig())
        for _ in range(4):
            run_ = asyncio.ensure_future(session.generate("go"))
            for _ in range(chance.randint(5, 60)):
                await asyncio.sleep(0)
            while not run_.done():
                for question in await session.questions():
                    await session.answer(question.id, "deny")
                await session.cancel()
                await asyncio.wait({run_}, timeout=0.005)
            assert isinstance(run_.exception(), HoldfastError | None)

    async def work() -> None:
        model = PricedModel(itertools.repeat(answer))
        async with memory(model) as sessions:
            await sessions.set_budget("user", budget=Budget(usd=95_000, day_usd=90_000))
            store = sessions.backends[StorageType.MEMORY].store
            assert isinstance(store, MemoryStore)
            seen: list[int] = []

            def check(_: Append) -> None:
                for counter in store.disk.counters.values():
                    assert counter.limit is None or counter.used + counter.held <= counter.limit
                    assert min(counter.used, counter.held) >= 0
                    seen.append(counter.used + counter.held)

            store.disk.after_commit = check
            await asyncio.gather(*(one_run(sessions, f"s{n}") for n in range(5)))
            assert max(seen) > 60_000
            found = await sessions.budget("user")
            assert [0, 0] == [one.held for one in found]
            assert 1 == len({one.used for one in found})

    run(work())


def test_client_without_prices_is_charged_afterwards() -> None:
    """Nothing is held for it, but its bill counts, and then nothing more runs."""

    async def work() -> None:
        model = ScriptedModel([say("a", usage=paid(30_000)), say("b", usage=paid(1))])
        async with one_session(model, config=OPEN) as session:
            await session.generate("one")
            found = await account(session)
            assert (30_000, 0, 25_000) == (found.used, found.held, found.limit)

    run(work())


def money(events: list[Event]) -> list[tuple[int, int]]:
    """What each model call held of the session's money, and what it was charged."""
    return [
        (held, used)
        for event in events
        if isinstance(event, EffectEnded)
        for id, held, used in event.settles
        if id == "s.m"
    ]


@pytest.mark.slow  # the first clients import the providers' libraries
@pytest.mark.parametrize("provider", ["local", "openai", "anthropic"])
def test_unknown_models_answer_unasked_under_the_defaults(
    provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model no price is known of answers a short and a long prompt, for no more than was held."""
    monkeypatch.setenv(f"{provider.upper()}_API_KEY", "sk-test")
    prompts = ("hello", "word " * 8_000)
    bills = [Usage(4_000, 1_000), Usage(14_500, 4_096)]
    script = [say("fine", usage=bill) for bill in bills]

    async def work() -> None:
        async with ProviderServer(script) as server, SessionManager() as sessions:
            model = ModelSettings(provider=provider, model="home-made", base_url=server.base_url)
            session = await sessions.create_session("one", SessionConfig(model=model))
            for prompt in prompts:
                result = await session.generate(prompt)
                assert "fine" == result.text and result.usage.estimated
            assert not await session.questions()
            assert [4_096] * 2 == [
                one.body["max_tokens"]
                if "max_tokens" in one.body
                else one.body["max_completion_tokens"]
                for one in server.received
            ]
            found = money([event async for event in _history(session)])
            assert 2 == len(found)
            assert all(0 < used <= held <= 10_000_000 for held, used in found)

    run(work())


def test_a_long_prompt_to_an_unknown_model_says_what_helps() -> None:
    """Over the limit of one action the question names the prices, and nothing is sent."""

    async def work() -> None:
        async with ProviderServer([say("fine")]) as server, SessionManager() as sessions:
            model = ModelSettings(provider="local", model="m", base_url=server.base_url)
            session = await sessions.create_session("one", SessionConfig(model=model))
            running = asyncio.create_task(session.generate("word " * 80_000))
            question = await asked(session)
            (text,) = await _asked_text(session)
            assert "the limit of one action is $10.00" in text
            assert "--input-usd, --output-usd" in text and "action_usd" in text
            assert not server.received
            await session.answer_approval(question.id, "raise")
            assert "fine" == (await running).text

    run(work())


def test_a_free_model_is_never_asked_about(tmp_path: Path) -> None:
    """Prices of nothing are durable: no prompt is too long and nothing is held or charged."""

    async def work() -> None:
        async with ProviderServer([say("fine"), say("again")]) as server:
            model = ModelSettings(
                provider="local",
                model="m",
                base_url=server.base_url,
                input_usd="0",
                output_usd="0",
            )
            async with on_file(tmp_path) as sessions:
                session = await sessions.create_session("one", SessionConfig(model=model))
                assert "fine" == (await session.generate("word " * 80_000)).text
            async with on_file(tmp_path) as sessions:
                session = await sessions.get_session("one")
                assert model == (await session.view()).settings.model
                result = await session.generate("and again")
                assert ("again", 0, False) == (
                    result.text,
                    result.usage.cost_micros,
                    result.usage.estimated,
                )
                assert (0, 0) == ((one := await account(session)).used, one.held)
            assert all("max_tokens" not in one.body for one in server.received)

    run(work())
