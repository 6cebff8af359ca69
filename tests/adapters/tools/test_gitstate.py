"""Reading a workspace's branch and commit."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from holdfast.adapters.sandbox.status import SandboxKind, detect
from holdfast.adapters.tools import gitstate
from holdfast.core.gitstate import GitState

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture(params=list(SandboxKind), autouse=True)
def _tier(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    found = detect(request.param)
    if found.kind is not request.param:
        pytest.skip(f"no {request.param} here: {found.reason}")
    monkeypatch.setattr(gitstate, "ready", lambda: found)


def _git(directory: Path, *arguments: str) -> str:
    env = {"PATH": os.environ["PATH"], "HOME": str(directory), "GIT_CONFIG_NOSYSTEM": "1"}
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=directory, env=env, check=True, capture_output=True
    )
    return done.stdout.decode().strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit on `main`."""
    directory = tmp_path / "repository"
    directory.mkdir()
    _git(directory, "init", "-q", "-b", "main")
    (directory / "f").write_text("x")
    _git(directory, "add", "f")
    _git(directory, "commit", "-q", "-m", "first")
    return directory


def _captured(directory: Path) -> GitState | None:
    return asyncio.run(gitstate.capture(str(directory)))


def test_a_branch_and_its_commit(repository: Path) -> None:
    """The branch's name and the full commit id, from the top and from below."""
    commit = _git(repository, "rev-parse", "HEAD")
    assert GitState("main", commit) == _captured(repository)
    (repository / "sub").mkdir()
    assert GitState("main", commit) == _captured(repository / "sub")


def test_a_detached_head(repository: Path) -> None:
    """Without a branch it is HEAD."""
    _git(repository, "checkout", "-q", "--detach")
    assert GitState("HEAD", _git(repository, "rev-parse", "HEAD")) == _captured(repository)


def test_before_the_first_commit(tmp_path: Path) -> None:
    """A new repository has a branch and no commit."""
    _git(tmp_path, "init", "-q", "-b", "start")
    assert GitState("start", None) == _captured(tmp_path)


def test_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path) -> None:
    """Outside one, in a broken one, without git and nowhere there is no state."""
    outside = tmp_path / "outside"
    (outside / ".git").mkdir(parents=True)
    assert _captured(outside) is None
    assert _captured(tmp_path) is None
    assert _captured(tmp_path / "missing") is None
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert _captured(repository) is None


def test_a_linked_working_tree(repository: Path, tmp_path: Path) -> None:
    """It is followed to its repository, which knows of it."""
    linked = tmp_path / "linked"
    _git(repository, "worktree", "add", "-q", "-b", "other", str(linked))
    assert GitState("other", _git(linked, "rev-parse", "HEAD")) == _captured(linked)


def test_a_forged_link_is_not_followed(repository: Path, tmp_path: Path) -> None:
    """A repository that does not name the workspace back is not read."""
    forged = tmp_path / "forged"
    forged.mkdir()
    (forged / ".git").write_text(f"gitdir: {repository}/.git\n")
    assert _captured(forged) is None


def test_a_hostile_configuration_runs_nothing(repository: Path, tmp_path: Path) -> None:
    """Monitors, hooks, pagers and aliases of the repository stay unused."""
    trace = tmp_path / "ran"
    script = repository / "evil.sh"
    script.write_text(f"#!/bin/sh\ntouch {trace} {repository}/ran\n")
    script.chmod(0o755)
    for name in ("core.fsmonitor", "core.pager", "core.editor", "alias.rev-parse", "gpg.program"):
        _git(repository, "config", name, str(script))
    _git(repository, "config", "log.showSignature", "true")
    for hook in ("post-checkout", "reference-transaction", "pre-auto-gc"):
        shutil.copy(script, repository / ".git" / "hooks" / hook)
    state = _captured(repository)
    assert state is not None
    assert "main" == state.branch
    assert not trace.exists()
    assert not (repository / "ran").exists()


def test_another_owner_does_not_matter(repository: Path) -> None:
    """A repository that belongs to somebody else is read all the same."""
    if os.geteuid() != 0:
        pytest.skip("giving files away needs root")
    for path in (repository, *repository.rglob("*")):
        os.chown(path, 54_321, 54_321)
    state = _captured(repository)
    assert state is not None
    assert "main" == state.branch


def test_it_takes_no_longer_than_its_limit(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A git that hangs is given up and ended."""
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    real = gitstate.command_line

    def slowly(argv: tuple[str, ...], *rest: object, **more: object) -> object:
        return real((str(slow), *argv[1:]), *rest, **{**more, "extra_read": (str(slow.parent),)})

    monkeypatch.setattr(gitstate, "command_line", slowly)
    monkeypatch.setattr(gitstate, "LIMIT_SECONDS", 0.3)
    begun = time.perf_counter()
    assert _captured(repository) is None
    assert 1.5 > time.perf_counter() - begun
