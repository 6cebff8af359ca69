"""Lock files exclude other processes, wait for a bounded time and die with their holder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.adapters.keys.locks import file_lock
from holdfast.core.errors import StoreBusy, StoreReadOnly

HOLDER = (
    "import sys\n"
    "from pathlib import Path\n"
    "from holdfast.adapters.keys.locks import file_lock\n"
    "with file_lock(Path(sys.argv[1]), exclusive=sys.argv[2] == 'alone'):\n"
    "    print('held', flush=True)\n"
    "    sys.stdin.readline()\n"
)


def holder(path: Path, how: str) -> subprocess.Popen[str]:
    """Another process that holds the lock until it is told to end."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert "held\n" == child.stdout.readline()
    return child


def test_lock_held_by_another_process_is_busy_until_it_dies(tmp_path: Path) -> None:
    """While another process holds it we are refused in time; its death frees it."""
    path = tmp_path / "a.lock"
    child = holder(path, "alone")
    with pytest.raises(StoreBusy), file_lock(path, wait_s_max=0.05):
        pass
    with pytest.raises(StoreBusy), file_lock(path, exclusive=False, wait_s_max=0.05):
        pass
    child.kill()
    child.communicate()
    with file_lock(path, wait_s_max=0.0):
        assert 0o600 == path.stat().st_mode & 0o777


def test_readers_share(tmp_path: Path) -> None:
    """Readers hold it together and keep writers out."""
    path = tmp_path / "a.lock"
    child = holder(path, "shared")
    with file_lock(path, exclusive=False, wait_s_max=0.0):
        pass
    with pytest.raises(StoreBusy), file_lock(path, wait_s_max=0.0):
        pass
    child.communicate("end\n")
    assert 0 == child.returncode


def test_lock_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A missing directory or a link in its place is `StoreReadOnly`."""
    with pytest.raises(StoreReadOnly), file_lock(tmp_path / "none" / "a.lock"):
        pass
    (tmp_path / "a.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreReadOnly), file_lock(tmp_path / "a.lock"):
        pass
    assert not (tmp_path / "elsewhere").exists()
