"""Permission rules through the handle and the manager: set, kept, explained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast import SessionConfig
from holdfast.core.commands import Configure
from holdfast.core.errors import InvalidInput, MalformedRule, NeverMatches, TooLarge
from holdfast.core.events import Configured
from holdfast.core.rules import Policy, PolicyMode, Rule, RuleEffect, parse_rule
from holdfast.core.tools import Nature
from holdfast.core.view import SessionView
from holdfast.runtime.handle import Session
from holdfast.testing.script import call, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import on_file, one_session, results, run, tool

HERE = {"what": "here"}


def act(what: str) -> str:
    """Do it."""
    return f"did {what}"


def look() -> str:
    """See."""
    return "seen"


TOOLS = (tool(act, params=["what"]), tool(look, nature=Nature.READ_ONLY))


async def decisions(session: Session, calls: Mapping[str, dict[str, object]]) -> list[str]:
    """What the gate says of calls."""
    return [await session.check_permission(name, args) for name, args in calls.items()]


def test_rules_take_effect_and_survive_a_restart(tmp_path: Path) -> None:
    """Each is a durable event; the next judgement sees it, in any process (seed D7, a3s#A4)."""

    async def work() -> None:
        calls: dict[str, dict[str, object]] = {"act": HERE, "look": {}, "ACT": {"what": "no"}}
        async with on_file(tmp_path, ScriptedModel([]), *TOOLS) as manager:
            session = await manager.create_session("s")
            assert ["ask", "allow", "ask"] == await decisions(session, calls)
            await session.add_allow_rule('Act({"what":"h*"})')
            await session.add_deny_rule("look")
            await manager.add_ask_rule("s", "act", always=False)
            assert ["allow", "deny", "ask"] == await decisions(session, calls)
        async with on_file(tmp_path, ScriptedModel([]), *TOOLS) as manager:
            again = await manager.get_session("s")
            assert ["allow", "deny", "ask"] == await decisions(again, calls)
            assert 3 == len((await manager.get_permission_policy("s")).rules)
            assert "deny" == await manager.check_permission("s", "look", {})

    run(work())


def test_a_denied_call_does_not_run() -> None:
    """The rule that was added is the one the turn is judged by; nobody is asked (a3s §14.1)."""

    async def work() -> None:
        model = ScriptedModel([call("act", {"what": "x"}), say("done")])
        async with one_session(model, *TOOLS, config=SessionConfig()) as session:
            await session.add_deny_rule("act")
            assert "done" == (await session.generate("q")).text
            assert "permission.rule" in results(await session.history())[0].content

    run(work())


def test_an_allowed_call_runs_unasked() -> None:
    """Where it would have been asked about."""

    async def work() -> None:
        model = ScriptedModel([call("act", {"what": "x"}), say("done")])
        async with one_session(model, *TOOLS, config=SessionConfig()) as session:
            await session.add_allow_rule("act")
            await session.generate("q")
            assert "did x" == results(await session.history())[0].content

    run(work())


@pytest.mark.parametrize(
    ("text", "error"),
    [("act(", MalformedRule), ("look(x)", NeverMatches), ("a b", MalformedRule), (7, InvalidInput)],
)
def test_what_is_no_rule_changes_nothing(text: str, error: type[Exception]) -> None:
    """`look` has no arguments that a pattern could be compared with."""

    async def work() -> None:
        async with one_session(ScriptedModel([]), *TOOLS, config=SessionConfig()) as session:
            before = await session.version()
            with pytest.raises(error):
                await session.add_deny_rule(text)
            with pytest.raises(MalformedRule):
                await session.add_allow_rule("act", always=True)
            assert before == await session.version()

    run(work())


def test_rules_have_a_limit() -> None:
    """The one too many is refused, and the others stay."""

    async def work() -> None:
        async with one_session(ScriptedModel([]), *TOOLS, config=SessionConfig()) as session:
            many = tuple(parse_rule("allow", f"t{n}") for n in range(256))
            await session.set_permission_policy(Policy(rules=many))
            with pytest.raises(TooLarge):
                await session.add_allow_rule("act")
            long = tuple(parse_rule("allow", f"t{n}({'x' * 1_000})") for n in range(17))
            with pytest.raises(TooLarge):
                await session.set_permission_policy(Policy(rules=long))
            assert 256 == len((await session.permission_policy()).rules)

    run(work())


def test_explain_names_what_decided() -> None:
    """The rule, its scope, all that hold, the codes; and nothing is recorded."""

    async def work() -> None:
        async with one_session(ScriptedModel([]), *TOOLS, config=SessionConfig()) as session:
            await session.add_allow_rule("act")
            await session.add_deny_rule('act({"what":"here"})')
            version = await session.version()
            said = await session.explain("Act", HERE)
            deny = parse_rule("deny", 'act({"what":"here"})')
            assert ("deny", deny, "session") == (said.decision, said.rule, said.scope)
            both = {("session", deny), ("session", parse_rule("allow", "act"))}
            assert both == {*said.matched}
            assert ("permission.rule",) == said.codes and "here" in said.details[0]
            free = await session.explain("act", {"what": "there"})
            assert ("allow", "act", ()) == (free.decision, free.rule and free.rule.text, free.codes)
            odd = await session.explain("act", {"nothing": 1})
            assert ("deny", None) == (odd.decision, odd.rule)
            assert "offer.bad_arguments" in odd.codes
            assert ("deny", ("offer.unknown",)) == (
                (await session.explain("nosuch", {})).decision,
                (await session.explain("nosuch", {})).codes,
            )
            with pytest.raises(InvalidInput):
                await session.explain("act", {"what": object()})
            await session.end()
            assert "deny" == await session.check_permission("act", HERE)
            assert version + 1 == await session.version()

    run(work())


def test_a_policy_in_the_configuration() -> None:
    """As a policy, a preset's name or the seeds' mapping (seed D3)."""

    async def work(policy: object, expected: list[str]) -> None:
        config = SessionConfig(permission_policy=policy)
        async with one_session(ScriptedModel([]), *TOOLS, config=config) as session:
            calls: dict[str, dict[str, object]] = {"act": HERE, "look": {}}
            assert expected == await decisions(session, calls)

    run(work(None, ["ask", "allow"]))
    run(work("strict", ["deny", "deny"]))
    run(work("unsafe_permissive", ["allow", "allow"]))
    run(work({"allow": ["Act"], "deny": ["Look"]}, ["allow", "deny"]))
    run(work(Policy(mode=PolicyMode.STRICT, rules=(parse_rule("ask", "act"),)), ["ask", "deny"]))
    with pytest.raises(MalformedRule):
        SessionConfig(permission_policy={"deny": ["a b"]}).to_settings("")


def test_set_and_get() -> None:
    """The manager's words for it; an unknown effect is refused (seed D7)."""

    async def work() -> None:
        async with one_session(ScriptedModel([]), *TOOLS, config=SessionConfig()) as session:
            manager = session._core
            await manager.set_permission_policy(session.id, "strict")
            for effect in ("allow", "deny", "ask"):
                await manager.add_permission_rule(session.id, effect, f"{effect}ed")
            await manager.add_allow_rule(session.id, "act")
            await manager.add_deny_rule(session.id, "look")
            with pytest.raises(InvalidInput):
                await manager.add_permission_rule(session.id, "perhaps", "x")
            with pytest.raises(InvalidInput):
                await session.set_permission_policy(None)
            policy = await manager.get_permission_policy(session.id)
            assert (PolicyMode.STRICT, 5) == (policy.mode, len(policy.rules))
            said = await manager.explain(session.id, "act", HERE)
            assert "allow" == said.decision

    run(work())


def test_two_who_add_rules_do_not_undo_each_other() -> None:
    """A rule is added to what is there when it is decided, not to what somebody had read."""

    async def work() -> None:
        async with one_session(ScriptedModel([]), *TOOLS, config=SessionConfig()) as session:
            one, two = parse_rule("deny", "act"), parse_rule("allow", "act")
            await session.submit(Configure(rules=(one,)))
            await session.submit(Configure(rules=(two, one)))
            assert (one, two) == (await session.permission_policy()).rules

    run(work())


def test_a_stored_rule_that_does_not_parse_denies_everything_and_is_listed() -> None:
    """The session says why, other changes go on, and a new policy mends it (a3s#A4)."""

    async def work() -> None:
        async with one_session(ScriptedModel([]), *TOOLS, config=SessionConfig()) as session:
            view = await session.view()
            engine = session._core.live(session.where.stream)
            assert engine is not None
            broken = Policy(rules=(Rule(effect=RuleEffect.DENY, tool="bash(rm"),))
            engine.view = _with(view, broken)
            assert "deny" == await session.check_permission("look", {})
            assert (await session.info()).damaged.startswith("malformed_rule: ")
            await session.set_title("still possible")
            await session.set_permission_policy("default")
            assert "allow" == await session.check_permission("look", {})
            assert "" == (await session.info()).damaged

    run(work())


def _with(view: SessionView, policy: Policy) -> SessionView:
    return replace(view, settings=replace(view.settings, permission=policy))


def test_a_file_brings_denials_but_no_permission(tmp_path: Path) -> None:
    """What allows waits for a person; all of it is written out again (seed D15, rulings E9)."""

    async def work() -> None:
        calls: dict[str, dict[str, object]] = {"act": HERE, "look": {}}
        async with on_file(tmp_path, ScriptedModel([]), *TOOLS) as manager:
            session = await manager.create_session("s")
            await session.add_allow_rule("act")
            await session.add_deny_rule("look")
            data = await manager.to_session_data("s")
            path, other_place = tmp_path / "s.jsonl", tmp_path / "b"
            other_place.mkdir()
            await manager.export_session("s", path)
        written = data.config["permission_policy"]
        assert (["act"], ["look"]) == (written["allow"], written["deny"])
        async with on_file(other_place, ScriptedModel([]), *TOOLS) as manager:
            first = await manager.restore_from_data(data)
            second = await manager.import_session(path, "t")
            for found in (first, second):
                assert any("act" in note for note in found.notes)
                assert "allow_rules" in found.inert_keys
                other = await manager.get_session(found.id)
                assert ["ask", "deny"] == await decisions(other, calls)
                again = (await manager.to_session_data(found.id)).config["permission_policy"]
                assert written == again
                assert (parse_rule("allow", "act"),) == await other.imported_rules()
                assert 1 == len(await other.accept_imported_rules())
                assert ["allow", "deny"] == await decisions(other, calls)
                assert () == await other.accept_imported_rules()
                touched = (await manager.to_session_data(found.id)).config["permission_policy"]
                assert (["act"], ["look"]) == (touched["allow"], touched["deny"])

    run(work())


def test_a_fork_has_the_denials_of_the_head() -> None:
    """However old the version it begins at (contract 1.4)."""

    async def work() -> None:
        async with one_session(ScriptedModel([]), *TOOLS, config=SessionConfig()) as session:
            version = await session.version()
            await session.add_deny_rule("look")
            fork = await session._core.fork_session(session.id, at_version=version)
            assert "deny" == await fork.check_permission("look", {})

    run(work())


def test_a_rule_is_an_event() -> None:
    """`Configured`, which every reader of the log must understand."""

    async def work() -> None:
        async with one_session(ScriptedModel([]), *TOOLS, config=SessionConfig()) as session:
            await session.add_deny_rule("look")
            journal = session.where.backend.journal(session.where.row)
            event = (await journal.event_at(await session.version())).event
            assert isinstance(event, Configured) and event.settings is not None
            assert event.settings.permission == Policy(rules=(parse_rule("deny", "look"),))

    run(work())
