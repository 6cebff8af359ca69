"""The policy file in force: it binds every session of a manager."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.bootstrap import SessionManager
from holdfast.core.errors import ApprovalStale, InvalidInput, PolicyFileRefused
from holdfast.core.guards import lifecycle
from holdfast.core.judge import GUARDS, judge
from holdfast.core.messages import ToolUse
from holdfast.core.rules import Policy, PolicyMode
from holdfast.core.settings import ConfirmationPolicy, TimeoutAction
from holdfast.core.tools import Nature
from holdfast.ports.telemetry import NO_TELEMETRY, NoTelemetry
from holdfast.runtime.budgets import Budget
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.explaining import word_of
from holdfast.testing.scripted import ScriptedModel, call, say
from sessionhelp import UNSAFE, echo, memory, on_file, registry, results, run, tool, until_async

KEY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    monkeypatch.delenv("HOLDFAST_POLICY", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def write(path: Path, text: str) -> Path:
    """A file that only its owner may write to."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def acting(done: list[str]) -> object:
    """A tool that does something."""

    def act(what: str = "") -> str:
        done.append(what)
        return "acted"

    return tool(act, params=["what"])


def test_a_pattern_for_a_tool_without_arguments_is_refused(tmp_path: Path) -> None:
    """The registry says which patterns could never match."""

    async def work() -> None:
        file = write(tmp_path / "p.toml", '[permissions]\ndeny = ["now(x)"]')
        with pytest.raises(PolicyFileRefused, match="no arguments"):
            async with memory(echo(), _now(), policy=file):
                pass

    run(work())


def _now() -> object:
    def now() -> str:
        return "noon"

    return tool(now, nature=Nature.READ_ONLY)


# --- binding --------------------------------------------------------------------------


def asks(mode: str = "default", **lists: list[str]) -> str:
    """The text of a file with rules."""
    lines = [f"{name} = {json.dumps(rules)}" for name, rules in lists.items()]
    return "\n".join(["[permissions]", f'mode = "{mode}"', *lines, ""])


@pytest.mark.parametrize(
    ("text", "config", "expected"),
    [
        (asks(), UNSAFE, "ask"),
        (asks(), SessionConfig(permission_policy="unsafe_permissive"), "ask"),
        (asks(), SessionConfig(permission_policy={"allow": ["act"]}), "ask"),
        (asks(ask=["act"]), SessionConfig(permission_policy={"allow": ["act"]}), "ask"),
        (asks(always_ask=["act"], mode="unsafe_permissive"), UNSAFE, "ask"),
        (asks(deny=["act"], mode="unsafe_permissive"), UNSAFE, "deny"),
        (asks("strict"), SessionConfig(permission_policy={"allow": ["act"]}), "deny"),
        (asks(allow=["act"]), SessionConfig(), "allow"),
        (asks(allow=["act"]), SessionConfig(permission_policy={"ask": ["act"]}), "ask"),
        (asks(allow=["act"]), SessionConfig(permission_policy={"deny": ["act"]}), "deny"),
        (asks(allow=["act"]), SessionConfig(permission_policy="strict"), "deny"),
        (asks("unsafe_permissive"), SessionConfig(), "allow"),
        ("[budget]\ncalls = 3", UNSAFE, "allow"),
        ("[budget]\ncalls = 3", SessionConfig(), "ask"),
        (
            asks(),
            SessionConfig(confirmation_policy={"unsafe_auto_approve": ["execute"]}),
            "ask",
        ),
    ],
)
def test_a_session_tightens_and_never_loosens(
    text: str, config: SessionConfig, expected: str, tmp_path: Path
) -> None:
    """Whatever a session says of itself, the installation's rules hold."""

    async def work() -> None:
        file = write(tmp_path / "p.toml", text)
        async with memory(echo(), acting([]), policy=file) as sessions:
            session = await sessions.create_session("one", config)
            assert expected == await session.check_permission("act", {})

    run(work())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (asks(), "ask"),
        (asks(ask=["act"]), "ask"),
        (asks(always_ask=["act"], mode="unsafe_permissive"), "ask"),
        (asks(deny=["act"], mode="unsafe_permissive"), "deny"),
        (asks("strict"), "deny"),
    ],
)
def test_a_session_cannot_add_what_loosens(text: str, expected: str, tmp_path: Path) -> None:
    """Neither a rule, nor a policy, nor another way of asking; a person's grant can, of an ask."""

    async def work() -> None:
        file = write(tmp_path / "p.toml", text)
        async with memory(echo(), acting([]), policy=file) as sessions:
            session = await sessions.create_session("one")
            await session.add_allow_rule("act")
            assert expected == await session.check_permission("act", {})
            await session.set_permission_policy("unsafe_permissive")
            await session.add_allow_rule("act")
            assert expected == await session.check_permission("act", {})

    run(work())


def test_a_child_is_bound_too(tmp_path: Path) -> None:
    """An allow of its parent does not widen the installation's rules for it."""

    async def work() -> None:
        file = write(tmp_path / "p.toml", asks(ask=["act"]))
        async with memory(echo(), acting([]), policy=file) as sessions:
            allowed = SessionConfig(permission_policy={"allow": ["act"]})
            await sessions.create_session("up", allowed)
            child = await sessions.create_child_session("up", "down", allowed)
            assert "ask" == await child.check_permission("act", {})
            found = await child.explain("act", {})
            assert "installation" == found.scope

    run(work())


def test_a_call_is_refused_by_the_file(tmp_path: Path) -> None:
    """Not only explained: the tool does not run."""
    done: list[str] = []

    async def work() -> None:
        file = write(tmp_path / "p.toml", asks(deny=["act"]))
        model = ScriptedModel([call("act"), say("ok")])
        async with memory(model, acting(done), policy=file) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            await session.generate("go")
            (result,) = results(await session.history())
            assert "installation" in result.content
        assert [] == done

    run(work())


def test_explain_is_what_judge_does(tmp_path: Path) -> None:
    """For 100 random commands the explanation is the gate's verdict."""
    draw = random.Random(4)
    words = [
        "ls",
        "rm -rf x",
        "git status",
        "git push",
        "cat a.txt",
        "make",
        "echo $(id)",
        "sudo ls",
    ]
    text = asks(allow=["bash(ls:*)", "bash(git:*)"], deny=["bash(rm:*)"], ask=["bash(make:*)"],
                always_ask=["bash(git push:*)"])  # fmt: skip

    async def work() -> None:
        file = write(tmp_path / "p.toml", text)
        async with SessionManager(echo(), policy=file) as sessions:
            config = SessionConfig(workspace=str(tmp_path / "cwd"))
            session = await sessions.create_session("one", config)
            engine = sessions.live(session.where.stream)
            assert engine is not None
            guards = tuple(one for one in GUARDS if one[0] != lifecycle.NAME)
            seen = set()
            for _ in range(100):
                line = draw.choice([" && ", " | ", "; "]).join(draw.choices(words, k=2))
                said = await session.explain("bash", {"command": line})
                view, facts = await session._facts()
                use = ToolUse("x", "bash", json.dumps({"command": line}))
                action = engine.workers.make.prepare(use).action
                verdict = judge(view, facts, action, guards)
                assert word_of(verdict) == said.decision
                seen.add(said.decision)
                each = {one.decision for one in said.segments}
                assert said.decision != "allow" or each == {"allow"}
            assert {"allow", "ask", "deny"} == seen

    run(work())


def test_explain_is_the_same_when_nobody_leads(tmp_path: Path) -> None:
    """A reader parses command lines as the leader does."""

    async def work() -> None:
        file = write(tmp_path / "p.toml", asks(allow=["bash(ls:*)"]))
        folder = tmp_path / "data"
        folder.mkdir(mode=0o700)
        key = tmp_path / "key"
        async with SessionManager.open(
            folder / "s.db", installation_key=key, policy=file
        ) as sessions:
            config = SessionConfig(workspace=str(tmp_path / "cwd"))
            await sessions.create_session("one", config)
        async with SessionManager.open(
            folder / "s.db", installation_key=key, policy=file
        ) as sessions:
            session = await sessions.get_session("one")
            assert "allow" == await session.check_permission("bash", {"command": "ls -l"})
            assert sessions.live(session.where.stream) is None

    run(work())


# --- defaults, limits, keys, hooks --------------------------------------------------------


def test_sessions_that_say_nothing_have_its_defaults(tmp_path: Path) -> None:
    """Confirmation as a whole, limits one by one."""
    text = '[confirmation]\nattended_s = 7\n[budget]\nusd = "2.00"\ncalls = 5'

    async def work() -> None:
        file = write(tmp_path / "p.toml", text)
        async with memory(echo(), policy=file) as sessions:
            quiet = (await (await sessions.create_session("a")).view()).settings
            assert (7, 2_000_000) == (quiet.confirmation.attended_s, quiet.budget.micros)
            own = SessionConfig(
                confirmation_policy=ConfirmationPolicy(attended_s=9), budget=Budget(usd="1.00")
            )
            loud = (await (await sessions.create_session("b", own)).view()).settings
            assert (9, 1_000_000) == (loud.confirmation.attended_s, loud.budget.micros)
            assert [5] == [one.amount for one in loud.budget.limits]
            assert TimeoutAction.REJECT is loud.confirmation.timeout_action

    run(work())


def test_shared_limits_are_in_the_store(tmp_path: Path) -> None:
    """Of users and the tenant; a session draws on them at once."""
    text = '[budget.tenant]\ncalls = 1\n[[budget.user]]\nname = "ann"\nusd = "3"'
    done: list[str] = []

    async def work() -> None:
        file = write(tmp_path / "p.toml", text)
        model = ScriptedModel([call("act"), call("act"), say("ok")])
        async with memory(model, acting(done), policy=file) as sessions:
            (tenant,) = await sessions.budget("tenant")
            (user,) = await sessions.budget("user", "ann")
            assert (1, 3_000_000) == (tenant.limit, user.limit)
            session = await sessions.create_session("one", UNSAFE)
            turn = asyncio.create_task(session.generate("go"))

            async def asked() -> bool:
                return bool(await session.questions())

            await until_async(asked)
            assert 1 == len(done)
            turn.cancel()

    run(work())


def test_limits_that_are_there_are_not_written_again(tmp_path: Path) -> None:
    """Opening a store is no news for the other processes; a changed limit is."""

    async def work() -> None:
        file = write(tmp_path / "p.toml", "[budget.tenant]\ncalls = 1")
        async with on_file(tmp_path, echo(), policy=file) as sessions:
            _, backend = sessions.distinct_backends()[0]
            before = await backend.store.counter("t:default.c")
            assert before is not None and 1 == before.limit
            await sessions.reload_policy()
            assert before == await backend.store.counter("t:default.c")
            write(file, "[budget.tenant]\ncalls = 2")
            await sessions.reload_policy()
            assert 2 == (await sessions.budget("tenant"))[0].limit

    run(work())


def test_its_keys_are_trusted_until_they_are_gone(tmp_path: Path) -> None:
    """A reload that no longer lists a key ends the trust; one told in code stays."""
    other = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"

    async def work() -> None:
        file = write(tmp_path / "p.toml", f'[capabilities]\ntrusted_keys = ["{KEY.upper()}"]')
        async with memory(echo(), policy=file) as sessions:
            sessions.trust_issuers(other)
            assert {KEY, other} == sessions.trust.issuers
            write(file, "")
            await sessions.reload_policy()
            assert {other} == sessions.trust.issuers

    run(work())


def hook_file(path: Path, event: str, program: str, **more: str) -> Path:
    """A file with one hook that runs Python."""
    command = json.dumps([sys.executable, "-c", program])
    lines = [f"{key} = {value}" for key, value in more.items()]
    return write(
        path, "\n".join(["[[hooks]]", f'event = "{event}"', f"command = {command}", *lines, ""])
    )


def test_hooks_of_the_file_are_asked(tmp_path: Path) -> None:
    """A program blocks a call, and a reload without it lets the next one through."""
    done: list[str] = []
    block = "import sys, os; print(os.environ['WHY'], file=sys.stderr); sys.exit(2)"

    async def work() -> None:
        file = hook_file(
            tmp_path / "p.toml", "pre_tool_use", block, match='"act"', env='{ WHY = "not today" }'
        )
        model = ScriptedModel([call("act"), say("1"), call("act"), say("2")])
        async with memory(model, acting(done), policy=file) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            await session.generate("go")
            assert "not today" in results(await session.history())[0].content
            assert ([], []) == (done, sessions.hooks.hooks())
            write(file, "")
            await sessions.reload_policy()
            await session.generate("go")
            assert 1 == len(done)

    run(work())


def test_a_hook_of_the_file_that_fails_blocks(tmp_path: Path) -> None:
    """Closed by default before something happens, open if the file says so."""
    done: list[str] = []

    async def work(fail_open: str) -> None:
        file = hook_file(tmp_path / "p.toml", "pre_tool_use", "1/0", fail_open=fail_open)
        async with memory(ScriptedModel([call("act"), say("1")]), acting(done), policy=file) as s:
            session = await s.create_session("one", UNSAFE)
            await session.generate("go")

    run(work("false"))
    assert [] == done
    run(work("true"))
    assert 1 == len(done)


# --- reloading --------------------------------------------------------------------------


def test_a_reload_holds_in_running_sessions(tmp_path: Path) -> None:
    """Without a restart, in all sessions; a file that is refused changes nothing."""

    async def work() -> None:
        file = write(tmp_path / "p.toml", asks(allow=["act"]))
        async with memory(echo(), acting([]), policy=file) as sessions:
            several = [await sessions.create_session(name) for name in "abc"]
            for session in several:
                assert "allow" == await session.check_permission("act", {})
            write(file, asks(deny=["act"]))
            found = await sessions.reload_policy()
            assert sessions.policy is found
            write(file, "[permissions]\nalow = []")
            with pytest.raises(PolicyFileRefused):
                await sessions.reload_policy()
            file.unlink()
            with pytest.raises(PolicyFileRefused, match="no such policy file"):
                await sessions.reload_policy()
            assert sessions.policy is found
            for session in several:
                assert "deny" == await session.check_permission("act", {})

    run(work())


def test_a_file_that_is_gone_ends_nothing(tmp_path: Path) -> None:
    """One that was found by searching, too: its rules end by writing, not by deleting."""

    async def work() -> None:
        file = write(tmp_path / "config" / "holdfast" / "holdfast.toml", asks(deny=["act"]))
        async with memory(echo(), acting([])) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            file.unlink()
            with pytest.raises(PolicyFileRefused, match="is gone"):
                await sessions.reload_policy()
            assert "deny" == await session.check_permission("act", {})

    run(work())


def test_an_answer_given_under_other_rules_does_not_count(tmp_path: Path) -> None:
    """The file changes between question and answer: nothing runs on the old yes."""
    done: list[str] = []

    async def work() -> None:
        file = write(tmp_path / "p.toml", asks())
        model = ScriptedModel([call("act"), say("ok")])
        async with memory(model, acting(done), policy=file) as sessions:
            session = await sessions.create_session("one")
            turn = asyncio.create_task(session.generate("go"))
            await until_async(_asked(session))
            (question,) = await session.questions()
            write(file, asks(ask=["act"]))
            await sessions.reload_policy()
            with pytest.raises(ApprovalStale):
                await session.answer(question.id, "once")
            await until_async(_asked(session))
            assert [] == done
            (again,) = await session.questions()
            assert again.id != question.id
            await session.answer(again.id, "once")
            await turn
            assert 1 == len(done)

    run(work())


def _asked(session: object) -> Callable[[], object]:
    async def asked() -> bool:
        return bool(await session.questions())  # type: ignore[attr-defined]  # a Session

    return asked


def test_the_policy_version_covers_the_file(tmp_path: Path) -> None:
    """Two files give two versions, the same file the same in every process."""

    async def version(text: str) -> str:
        file = write(tmp_path / "p.toml", text)
        async with memory(echo(), policy=file) as sessions:
            _, facts = await (await sessions.create_session("one"))._facts()
            return facts.authority.version

    one, other = asks(allow=["act"]), asks(deny=["act"])
    assert run(version(one)) == run(version(one)) != run(version(other))
    assert "" == run(version(""))


def test_policies_are_for_embedding_programs_too(tmp_path: Path) -> None:
    """A manager on a store of one's own is bound by the file in the environment."""

    async def work() -> None:
        write(tmp_path / "config" / "holdfast" / "holdfast.toml", asks("strict"))
        async with SessionManager(echo(), registry()) as sessions:
            assert sessions.policy is not None
            assert Policy(mode=PolicyMode.STRICT) == sessions.policy.permission

    run(work())


def test_a_store_opens_without_a_file(tmp_path: Path) -> None:
    """Nobody needs one."""

    async def work() -> None:
        async with on_file(tmp_path, echo()) as sessions:
            assert sessions.policy is None
            assert await sessions.reload_policy() is None

    run(work())


@pytest.mark.parametrize(
    ("variables", "told", "content"),
    [
        ({}, True, True),
        ({"HOLDFAST_TELEMETRY_CONTENT": "no"}, True, False),
        ({"HOLDFAST_TELEMETRY_ENABLED": "off"}, False, False),
    ],
)
def test_the_file_and_the_environment_say_what_telemetry_is_told(
    variables: dict[str, str],
    told: bool,
    content: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A variable stands above the file; what the program gave stands above both."""
    file = write(tmp_path / "policy.toml", "[telemetry]\ncontent = true\n")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    async def work() -> None:
        async with on_file(tmp_path, echo(), policy=file) as sessions:
            found = sessions.telemetry
            assert (told, content) == (found is not NO_TELEMETRY, found.content)
        own = NoTelemetry()
        again = on_file(tmp_path, echo(), policy=file)
        again.telemetry = own
        async with again:
            assert again.telemetry is own
        monkeypatch.setenv("HOLDFAST_TELEMETRY_ENABLED", "perhaps")
        with pytest.raises(InvalidInput):
            await on_file(tmp_path, echo(), policy=file)

    run(work())
