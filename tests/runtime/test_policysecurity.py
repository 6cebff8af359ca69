"""`[security]` of the policy file: its values, and that it binds every session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from holdfast.bootstrap import SessionManager
from holdfast.core.errors import Denied, InvalidInput, PolicyFileRefused
from holdfast.core.labels import Sensitivity
from holdfast.core.security import CustomRule, FlowMode, Security, Zone
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.policysecurity import Key, read_security
from holdfast.runtime.securing import SecurityConfig
from holdfast.testing.scripted import ScriptedModel, say
from sessionhelp import run


@contextmanager
def unnamed(key: Key) -> Iterator[None]:
    """Let errors pass as they are."""
    yield


def accepted(security: Security) -> None:
    """Take anything."""


def write(path: Path, text: str) -> Path:
    """A file that only its owner may write to."""
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def told(*answers: str) -> ScriptedModel:
    """A model that says something as often as it is asked."""
    return ScriptedModel([say(one) for one in answers], zone=Zone.PUBLIC)


def manager(path: Path, text: str, *answers: str) -> SessionManager:
    """A manager in memory under a policy file."""
    return SessionManager(told(*answers), policy=write(path / "p.toml", text))


RULE = """
[[security.rules]]
name = "project_code"
pattern = "PRJ-[0-9]{4}"
level = "critical"
"""


def test_what_is_not_said_is_as_by_default() -> None:
    """A section with one key changes one value; a rule without a level is sensitive."""
    assert Security() == read_security({}, [], {}, unnamed, accepted)
    strict = read_security({"flow": "strict"}, [], {}, unnamed, accepted)
    assert Security(flow=FlowMode.STRICT) == strict
    rules = [(1, {"name": "a", "pattern": "b"})]
    found = read_security({}, rules, {}, unnamed, accepted)
    assert (CustomRule(name="a", pattern="b", level=Sensitivity.SENSITIVE),) == found.rules


def test_the_classifier_of_all_of_it_is_made() -> None:
    """Of each pack, of the rules up to each, and of everything together; then of its kinds."""
    seen: list[Security] = []
    rules = [(1, {"name": "a", "pattern": "b"}), (2, {"name": "c", "pattern": "d"})]
    read_security({"packs": ["gdpr"]}, rules, {}, unnamed, seen.append)
    wanted = [(1, 0), (0, 1), (0, 2), (1, 2), (1, 2)]
    assert wanted == [(len(one.packs), len(one.rules)) for one in seen]


def test_a_type_rule_for_a_kind_that_nothing_finds_is_refused(tmp_path: Path) -> None:
    """By its line; a kind of a pack, of the file's own rules, or of the classifier is known."""
    known = "email = 'reject', project_code = 'reject', passport = 'reject'"
    good = f"{RULE}\n[security.data]\ntype_rules = {{ {known} }}\n"

    async def work() -> None:
        place = write(tmp_path / "p.toml", good)
        async with SessionManager(told("a"), policy=place) as sessions:
            await sessions.reload_policy()
            write(place, good.replace("passport", "pasport"))
            with pytest.raises(PolicyFileRefused, match=r"'pasport'") as caught:
                await sessions.reload_policy()
            assert f"p.toml:{good[: good.index('type_rules')].count(chr(10)) + 1}" in str(
                caught.value
            )
            for kind, fine in (("project_code", True), ("emial", False)):
                own = SecurityConfig(data_policy={"type_rules": {kind: "reject"}})
                config = SessionConfig(security_config=own)
                if fine:
                    session = await sessions.create_session(kind, config)
                    continue
                with pytest.raises(InvalidInput, match="'emial'"):
                    await sessions.create_session(kind, config)
                with pytest.raises(InvalidInput, match="'emial'"):
                    await session.set_security(own)

    run(work())


def test_it_binds_every_session(tmp_path: Path) -> None:
    """A rule of the file finds what the session's own settings do not look for."""

    async def work() -> None:
        async with manager(tmp_path, RULE, "fine") as sessions:
            off = SessionConfig(security_config=SecurityConfig(enabled=False))
            session = await sessions.create_session("one", off)
            with pytest.raises(Denied, match="project_code"):
                await session.generate("It is about PRJ-1234.")
            await session.generate("It is about PRX-1234.")

    run(work())


def test_a_reload_binds_living_sessions(tmp_path: Path) -> None:
    """From the next message on; a file that is refused changes nothing."""

    async def work() -> None:
        async with manager(tmp_path, "", "fine", "fine") as sessions:
            session = await sessions.create_session("one")
            await session.generate("It is about PRJ-1234.")
            write(tmp_path / "p.toml", RULE)
            await sessions.reload_policy()
            with pytest.raises(Denied, match="project_code"):
                await session.generate("It is about PRJ-1235.")
            write(tmp_path / "p.toml", "[security]\npacks = ['hippa']")
            with pytest.raises(PolicyFileRefused, match=r"security\.packs\[1\]"):
                await sessions.reload_policy()
            with pytest.raises(Denied, match="project_code"):
                await session.generate("It is about PRJ-1236.")
            write(tmp_path / "p.toml", "")
            await sessions.reload_policy()
            await session.generate("It is about PRJ-1237.")

    run(work())


def test_a_session_may_only_tighten(tmp_path: Path) -> None:
    """What is laxer in a session does nothing; what is stricter holds."""

    async def work() -> None:
        text = "[security.data]\ntype_rules = { email = 'reject' }\n"
        async with manager(tmp_path, text, "fine") as sessions:
            lax = SecurityConfig(warn_kinds=0, reject_kinds=0, data_policy={"type_rules": {}})
            one = await sessions.create_session("one", SessionConfig(security_config=lax))
            with pytest.raises(Denied, match="email"):
                await one.generate("Write to ann@example.org.")
            strict = SecurityConfig(data_policy={"type_rules": {"phone": "reject"}})
            two = await sessions.create_session("two", SessionConfig(security_config=strict))
            for text in ("Write to ann@example.org.", "Call +49 30 901820."):
                with pytest.raises(Denied):
                    await two.generate(text)

    run(work())


def test_a_session_with_rules_that_cannot_be_used_is_refused() -> None:
    """When it is made and when its settings change; nothing of the attempt remains."""
    wrong = [
        SecurityConfig(classification_rules=[CustomRule(name="a", pattern="(")]),
        SecurityConfig(compliance=["hippa"]),
    ]

    async def work() -> None:
        async with SessionManager(told()) as sessions:
            for config in wrong:
                with pytest.raises(InvalidInput):
                    await sessions.create_session("one", SessionConfig(security_config=config))
            session = await sessions.create_session("one")
            for config in wrong:
                with pytest.raises(InvalidInput):
                    await session.set_security(config)
            assert Security() == (await session.view()).settings.security
            child = SessionConfig(security_config=wrong[0])
            with pytest.raises(InvalidInput):
                await sessions.create_child_session("one", "two", child)

    run(work())


def test_a_rule_of_the_files_name_is_the_files(tmp_path: Path) -> None:
    """Two rules of one name could not be told apart in what is found."""

    async def work() -> None:
        async with manager(tmp_path, RULE) as sessions:
            own = SecurityConfig(classification_rules=[{"name": "project_code", "pattern": "x"}])
            session = await sessions.create_session("one", SessionConfig(security_config=own))
            found = sessions.trust.joined((await session.view()).settings.security)
            assert found is not None
            assert [("project_code", False)] == [(r.name, r.pattern == "x") for r in found.rules]

    run(work())
