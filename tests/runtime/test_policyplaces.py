"""Where the policy file is looked for, and what is refused there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.bootstrap import SessionManager
from holdfast.core.errors import PolicyFileRefused
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.policyplaces import BYTES_MAX, Origin, Place, candidates, find, read
from sessionhelp import echo, run

OPEN = '[permissions]\nmode = "unsafe_permissive"\n'


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cwd").mkdir(mode=0o700)
    monkeypatch.chdir(tmp_path / "cwd")
    monkeypatch.delenv("HOLDFAST_POLICY", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def put(path: Path, text: str = OPEN, mode: int = 0o600) -> Path:
    """A file below folders of the user's own."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def opened(root: Path, **options: object) -> SessionManager:
    """A manager on a store of its own folder."""
    (root / "data").mkdir(exist_ok=True, mode=0o700)
    key = root / "key" / "installation.key"
    return SessionManager.open(
        root / "data" / "s.db", llm_client=echo(), installation_key=key, **options
    )


def test_the_order_of_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Argument, environment, beside the store, configuration directory."""
    store = tmp_path / "data" / "s.db"
    assert find(None, store) is None
    config = put(tmp_path / "config" / "holdfast" / "holdfast.toml")
    assert Place(config, Origin.CONFIG) == find(None, store)
    beside = put(tmp_path / "data" / "holdfast.toml")
    assert Place(beside, Origin.STORE) == find(None, store)
    named = put(tmp_path / "named.toml")
    monkeypatch.setenv("HOLDFAST_POLICY", str(named))
    assert Place(named, Origin.ENVIRONMENT) == find(None, store)
    given = put(tmp_path / "given.toml")
    assert Place(given, Origin.ARGUMENT) == find(given, store)


def test_a_repository_does_not_configure_the_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files in the workspace, the current directory and above them are never looked at."""
    deep = tmp_path / "repo" / "src"
    deep.mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "repo", deep, tmp_path / "repo" / ".holdfast"):
        put(folder / "holdfast.toml")
    monkeypatch.chdir(deep)

    async def work() -> None:
        async with opened(tmp_path) as sessions:
            assert sessions.policy is None
            session = await sessions.create_session("one", SessionConfig(workspace=str(deep)))
            call = {"file_path": "a", "content": "x"}
            assert "ask" == await session.check_permission("write", call)

    run(work())


@pytest.mark.parametrize("workspace", ["data", "data/repo", "."])
def test_beside_the_store_is_no_place_in_a_workspace(workspace: str, tmp_path: Path) -> None:
    """A store in or below a repository, or a repository below it: the session is refused."""

    async def work() -> None:
        put(tmp_path / "data" / "holdfast.toml")
        (tmp_path / "data" / "repo").mkdir()
        async with opened(tmp_path) as sessions:
            assert sessions.policy is not None
            folder = str(tmp_path / workspace)
            with pytest.raises(PolicyFileRefused) as refused:
                await sessions.create_session("one", SessionConfig(workspace=folder))
            assert "in_workspace" == refused.value.problem
            assert [] == await sessions.get_all_sessions()
            elsewhere = str(tmp_path / "cwd")
            await sessions.create_session("two", SessionConfig(workspace=elsewhere))

    run(work())


def test_a_session_is_not_led_by_a_file_of_its_workspace(tmp_path: Path) -> None:
    """It came later, for example by a pull: nothing runs, and no hook of it either."""

    async def work() -> None:
        async with opened(tmp_path) as sessions:
            config = SessionConfig(workspace=str(tmp_path / "data"))
            await sessions.create_session("one", config)
        mark = tmp_path / "ran"
        hooks = [
            f'[[hooks]]\nevent = "{event}"\ncommand = ["touch", "{mark}"]\n'
            for event in ("pre_prompt", "session_start")
        ]
        put(tmp_path / "data" / "holdfast.toml", "".join(hooks))
        async with opened(tmp_path) as sessions:
            session = await sessions.get_session("one")
            with pytest.raises(PolicyFileRefused):
                await session.generate("go")
            with pytest.raises(PolicyFileRefused):
                await sessions.fork_session("one", "two")
        assert not mark.exists()

    run(work())


def test_beside_a_store_in_the_current_directory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not skipped, which would drop rules, but has to be named."""
    file = put(tmp_path / "data" / "holdfast.toml")
    (tmp_path / "data" / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "data" / "deep")
    with pytest.raises(PolicyFileRefused, match="--policy"):
        find(None, tmp_path / "data" / "s.db")
    assert Place(file, Origin.ARGUMENT) == find(file, tmp_path / "data" / "s.db")


def _missing(path: Path) -> None:
    path.unlink()


def _group(path: Path) -> None:
    path.chmod(0o660)


def _world(path: Path) -> None:
    path.chmod(0o602)


def _folder(path: Path) -> None:
    path.parent.chmod(0o777)


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _binary(path: Path) -> None:
    path.write_bytes(b"\xff\xfe")


def _long(path: Path) -> None:
    path.write_text("#" * (BYTES_MAX + 1))


def _dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (_missing, "missing"),
        (_group, "not_private"),
        (_world, "not_private"),
        (_folder, "not_private"),
        (_directory, "unreadable"),
        (_binary, "not_toml"),
        (_long, "unreadable"),
        (_dangling, "missing"),
        (_pipe, "unreadable"),
    ],
)
def test_what_cannot_be_trusted_is_refused(
    spoil: Callable[[Path], None], problem: str, tmp_path: Path
) -> None:
    """A file that is there and cannot be used does not open a store."""
    file = put(tmp_path / "etc" / "holdfast.toml")
    spoil(file)
    with pytest.raises(PolicyFileRefused) as refused:
        read(Place(file, Origin.ARGUMENT))
    assert (problem, str(file)) == (refused.value.problem, refused.value.file)

    async def work() -> None:
        with pytest.raises(PolicyFileRefused):
            async with opened(tmp_path, policy=file):
                raise AssertionError("it opened")

    run(work())


def test_a_dangling_link_in_a_searched_place_is_refused(tmp_path: Path) -> None:
    """Not taken for a file that is not there."""
    place = tmp_path / "config" / "holdfast" / "holdfast.toml"
    place.parent.mkdir(parents=True, mode=0o700)
    place.symlink_to("nowhere")
    found = find(None, None)
    assert found is not None
    with pytest.raises(PolicyFileRefused):
        read(found)


def test_a_link_to_a_private_file_is_followed(tmp_path: Path) -> None:
    """What counts is the file that it leads to."""
    file = put(tmp_path / "real" / "p.toml")
    link = tmp_path / "link.toml"
    link.symlink_to(file)
    assert OPEN == read(Place(link, Origin.ARGUMENT))
    file.chmod(0o666)
    with pytest.raises(PolicyFileRefused):
        read(Place(link, Origin.ARGUMENT))


def test_a_relative_path_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would mean another file in every directory."""
    put(Path("holdfast.toml"))
    monkeypatch.setenv("HOLDFAST_POLICY", "holdfast.toml")
    with pytest.raises(PolicyFileRefused, match="absolute"):
        find(None, None)
    monkeypatch.setenv("HOLDFAST_POLICY", "")
    monkeypatch.setenv("XDG_CONFIG_HOME", ".")
    assert all(place.path.is_absolute() for place in candidates(None, Path("s.db")))


def test_no_tool_gets_to_the_file(tmp_path: Path) -> None:
    """Neither to the one that is there nor to one that would be found next time."""

    async def work() -> None:
        here = tmp_path / "cwd"
        file = put(here / "mine.toml")
        config = tmp_path / "config" / "holdfast" / "holdfast.toml"
        space = SessionConfig(workspace=str(tmp_path), unsafe_auto_approve=True)
        async with SessionManager(echo(), policy=file) as sessions:
            session = await sessions.create_session("one", space)
            for tool in ("write", "read"):
                call = {"file_path": "cwd/mine.toml", "content": "x"}
                call = call if tool == "write" else {"file_path": "cwd/mine.toml"}
                assert "deny" == await session.check_permission(tool, call)
        async with SessionManager(echo()) as sessions:
            session = await sessions.create_session("two", space)
            call = {"file_path": str(config.relative_to(tmp_path)), "content": OPEN}
            assert "deny" == await session.check_permission("write", call)

    run(work())
