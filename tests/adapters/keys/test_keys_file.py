"""`FileKeys`: private, crash-safe, and an old copy opens nothing after a rotation."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path

import apsw
import pytest

from holdfast.adapters.keys import file
from holdfast.adapters.keys.file import FileKeys
from holdfast.adapters.keys.installation import read
from holdfast.adapters.keys.locks import file_lock
from holdfast.adapters.keys.wraps import Kind, Wrap, open_wrap
from holdfast.core.errors import (
    CorruptStore,
    HoldfastError,
    KeyDestroyed,
    KeyMissing,
    NewerProgram,
    NotFound,
    StoreBusy,
    StoreFull,
    Unavailable,
    WrongKey,
)
from holdfast.testing.keys_conformance import CHECKS, Check

HERE = Path(__file__).parent
STREAMS = range(1, 7)


class Place:
    """A data directory and, apart from it, a directory for the installation key."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = root / "data" / "holdfast.keys"
        self.key = root / "config" / "installation.key"

    def open(self, **options: object) -> FileKeys:
        """Open the key store, as a new process would."""
        return FileKeys.open(self.store, installation_key=self.key, **options)

    @contextmanager
    def opened(self) -> Iterator[FileKeys]:
        """Open it for a while."""
        keys = self.open()
        try:
            yield keys
        finally:
            keys.close()

    def copy(self, name: str) -> Place:
        """Copy everything elsewhere."""
        other = Place(self.root.parent / name)
        shutil.copytree(self.root, other.root)
        return other

    def fill(self) -> dict[int, bytes]:
        """Make some sessions of several tenants and users."""
        with self.opened() as keys:
            return {
                stream: bytes(
                    keys.create_session_key(
                        tenant=f"tenant-{stream % 2}", user=f"user-{stream % 3}", stream=stream
                    ).secret
                )
                for stream in STREAMS
            }

    def secrets(self) -> dict[int, bytes]:
        """All living session keys, by a fresh opening."""
        with self.opened() as keys:
            return {s: bytes(keys.session_key(s).secret) for s in keys.living_streams()}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty place."""
    (tmp_path / "place").mkdir()
    return Place(tmp_path / "place")


def run_child(place: Place, work: str, where: str) -> int:
    """Work on the key store in another process that dies somewhere."""
    command = [sys.executable, str(HERE / "dying_keys.py"), str(place.store), str(place.key)]
    done = subprocess.run([*command, work, where], capture_output=True, text=True, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Check, place: Place) -> None:
    """The file keys do what the port says."""
    check(place.open)


# --- who may open it -------------------------------------------------------------


def test_files_are_private(place: Place) -> None:
    """All files are 0600 and both directories 0700, whatever the umask."""
    before = os.umask(0)
    try:
        place.fill()
    finally:
        os.umask(before)
    files = [path for path in place.root.rglob("*") if path.is_file()]
    assert {"holdfast.keys", "installation.key"} <= {path.name for path in files}
    assert {0o600} == {path.stat().st_mode & 0o777 for path in files}
    assert {0o700} == {path.parent.stat().st_mode & 0o777 for path in files}


def test_other_installation_key_is_wrong(place: Place, tmp_path: Path) -> None:
    """Another installation's key is refused and neither file is changed."""
    place.fill()
    other = Place(tmp_path / "other")
    other.fill()
    before = place.store.read_bytes(), other.key.read_bytes()
    with pytest.raises(WrongKey):
        FileKeys.open(place.store, installation_key=other.key)
    assert before == (place.store.read_bytes(), other.key.read_bytes())


def test_missing_installation_key_is_wrong_and_never_made_anew(place: Place) -> None:
    """Without its installation key a key store is refused; no new key appears."""
    place.fill()
    place.key.unlink()
    with pytest.raises(WrongKey):
        place.open()
    assert not place.key.exists()


def test_altered_epoch_key_is_wrong(place: Place) -> None:
    """A key file with the right names and another secret does not open the store."""
    place.fill()
    content = read(place.key)
    assert content is not None
    (epochs,) = content.stores.values()
    text = place.key.read_text()
    place.key.write_text(text.replace(epochs[1].hex(), "ab" * 32))
    with pytest.raises(WrongKey):
        place.open()


def test_key_store_of_others_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key store that others may read, or own, or that is a link, is not opened."""
    place.fill()
    place.store.chmod(0o640)
    with pytest.raises(Unavailable, match="0600"):
        place.open()
    place.store.chmod(0o600)
    real = place.store.rename(place.store.with_name("real"))
    place.store.symlink_to(real)
    with pytest.raises(Unavailable, match="link"):
        place.open()
    place.store.unlink()
    place.store.mkdir()
    with pytest.raises(Unavailable, match="regular"):
        place.open()
    place.store.rmdir()
    real.rename(place.store)
    monkeypatch.setattr(os, "geteuid", lambda: place.store.stat().st_uid + 1)
    with pytest.raises(Unavailable, match="another user"):
        place.open(create=False)


def test_missing_store_is_not_made_unless_allowed(place: Place) -> None:
    """With create=False nothing is made."""
    with pytest.raises(NotFound):
        place.open(create=False)
    assert [] == list(place.root.rglob("*"))


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 300])
def test_damaged_store_is_never_begun_anew(place: Place, content: bytes) -> None:
    """An emptied or overwritten key store is an error and stays as it is."""
    place.fill()
    place.store.write_bytes(content)
    with pytest.raises(CorruptStore):
        place.open()
    assert content == place.store.read_bytes()


def test_another_database_or_a_newer_one_is_refused(place: Place) -> None:
    """A foreign SQLite file is no key store; a newer layout is not touched."""
    place.fill()
    db = apsw.Connection(str(place.store))
    db.execute("PRAGMA user_version = 2").fetchall()
    with pytest.raises(NewerProgram):
        place.open()
    db.execute("PRAGMA application_id = 7").fetchall()
    with pytest.raises(CorruptStore):
        place.open()
    db.close()


def test_altered_rows_do_not_open(place: Place) -> None:
    """A wrap that was altered, or moved to another session, is damage."""
    place.fill()
    db = apsw.Connection(str(place.store))
    first, second = b"\0" * 7 + b"\1", b"\0" * 7 + b"\2"
    swap = "UPDATE wraps SET body = (SELECT body FROM wraps WHERE scope = ?) WHERE scope = ?"
    db.execute(swap, (first, second)).fetchall()
    db.execute("UPDATE wraps SET epoch = 2 WHERE scope = ?", (first,)).fetchall()
    db.close()
    with place.opened() as keys:
        for stream in (1, 2):
            with pytest.raises(CorruptStore):
                keys.session_key(stream)
        assert 32 == len(keys.session_key(3).secret)


# --- what is in the file ----------------------------------------------------------


def test_no_key_and_no_user_is_in_any_file(place: Place) -> None:
    """Another process that knows every key finds none of them, and no user's name."""
    secrets = place.fill()
    with place.opened() as keys:
        known = [*secrets.values(), keys.blind_key("tenant-0"), keys.tenant_secret("tenant-0")]
        keys.rotate(now_ms=1)
    needles = [*known, *(s.hex().encode() for s in known), b"user-0", b"user-1", b"user-2"]
    script = (
        "import sys, pathlib\n"
        "needles = [bytes.fromhex(line) for line in sys.stdin.read().split()]\n"
        "files = [p for p in pathlib.Path(sys.argv[1]).rglob('*') if p.is_file()]\n"
        "data = b''.join(p.read_bytes() for p in files)\n"
        "assert b'tenant-0' in data\n"
        "print(sum(needle in data for needle in needles), len(needles))\n"
    )
    command = [sys.executable, "-c", script, str(place.root)]
    text = "\n".join(needle.hex() for needle in needles)
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    assert f"0 {len(needles)}" == done.stdout.strip()


def wraps_of(place: Place) -> list[Wrap]:
    """Every wrap in the file."""
    db = apsw.Connection(str(place.store), flags=apsw.SQLITE_OPEN_READONLY)
    rows = db.execute("SELECT kind, scope, key_id, parent, parent_id, epoch, body FROM wraps")
    names = ("kind", "scope", "key_id", "parent", "parent_id", "epoch", "body")
    wraps = [Wrap(**dict(zip(names, row, strict=True))) for row in rows]
    db.close()
    return [
        Wrap(**{name: getattr(w, name) for name in names} | {"kind": Kind(w.kind)}) for w in wraps
    ]


def test_destroyed_wrap_leaves_the_file(place: Place) -> None:
    """After destruction the wrap's bytes are in no file, and the receipt is durable."""
    place.fill()
    (wrap,) = [wrap for wrap in wraps_of(place) if wrap.scope == (1).to_bytes(8, "big")]
    assert wrap.body in place.store.read_bytes()
    with place.opened() as keys:
        keys.destroy_session(1, now_ms=9)
    for path in place.root.rglob("*"):
        assert path.is_dir() or wrap.body[12:] not in path.read_bytes()
    with place.opened() as keys:
        receipt = keys.receipt(1)
    assert receipt is not None
    assert (1, 9, 1) == (receipt.stream, receipt.destroyed_at_ms, receipt.epoch)


# --- rotation makes old copies useless ---------------------------------------------


def test_old_copy_beside_todays_key_decrypts_nothing(place: Place) -> None:
    """A backup of the key store from before a rotation is refused as a whole."""
    place.fill()
    old = place.copy("old")
    with place.opened() as keys:
        keys.destroy_session(1, now_ms=1)
        keys.rotate(now_ms=2)
    shutil.copy(place.key, old.key)
    with pytest.raises(WrongKey):
        old.open()


def test_wiped_wrap_opens_under_none_of_todays_keys(place: Place) -> None:
    """A wrap kept from before fails under every key that exists after the rotation."""
    secrets = place.fill()
    kept = [wrap for wrap in wraps_of(place) if wrap.scope == (1).to_bytes(8, "big")]
    with place.opened() as keys:
        owner = keys._shelf.find(Kind.USER, kept[0].parent)
        assert owner is not None
        with keys._reading():
            then = keys._secret(owner)
        # The wrap is good: with the user's key of that time it opens.
        assert secrets[1] == open_wrap(kept[0], then, keys.installation)
        keys.destroy_session(1, now_ms=1)
        keys.rotate(now_ms=2)
        content = read(place.key)
        assert content is not None
        today = [key for epochs in content.stores.values() for key in epochs.values()]
        with keys._reading():
            today += [keys._secret(wrap) for wrap in wraps_of(place)]
        assert len(today) > len(STREAMS)
        for key in today:
            with pytest.raises(CorruptStore):
                open_wrap(kept[0], key, keys.installation)


def test_old_epoch_leaves_the_key_file_and_is_dated(place: Place) -> None:
    """After rotation only the new epoch exists, and the old one's end is on record."""
    place.fill()
    before = read(place.key)
    assert before is not None
    ((old,),) = (epochs.values() for epochs in before.stores.values())
    with place.opened() as keys:
        assert keys.retired_ms(1) is None
        assert 2 == keys.rotate(now_ms=77)
        assert 77 == keys.retired_ms(1)
        assert keys.retired_ms(2) is None
    for path in place.root.rglob("*"):
        assert path.is_dir() or old.hex().encode() not in path.read_bytes()


def test_rotating_one_store_leaves_another_alone(place: Place) -> None:
    """Two key stores under one installation key rotate apart."""
    one, two = place, Place(place.root)
    two.store = place.root / "second" / "holdfast.keys"
    kept, other = one.fill(), two.fill()
    with one.opened() as keys:
        keys.rotate(now_ms=1)
        assert keys.rotate(now_ms=2) == 3
    assert kept == one.secrets()
    assert other == two.secrets()


# --- processes that die ------------------------------------------------------------

FAIL_POINTS = [
    "rotate-begun",
    "key-file-written",
    "key-file-renamed",
    "key-file-shredded",
    "epoch-added",
    "tenant-renewed",
    "before-commit",
    "committed",
    "retired",
]


@pytest.mark.parametrize("step", FAIL_POINTS)
def test_killed_rotation_loses_nothing_and_can_be_run_again(place: Place, step: str) -> None:
    """SIGKILL between any two steps: all keys open, and the next rotation completes."""
    secrets = place.fill()
    old = place.copy("old")
    assert -signal.SIGKILL == run_child(place, "rotate", step)
    assert secrets == place.secrets()
    with place.opened() as keys:
        keys.rotate(now_ms=5)
    assert secrets == place.secrets()
    assert [] == [path.name for path in place.root.rglob("*.new")]
    content = read(place.key)
    assert content is not None
    assert [1] == [len(epochs) for epochs in content.stores.values()]
    shutil.copy(place.key, old.key)
    with pytest.raises(WrongKey):
        old.open()


@pytest.mark.parametrize("step", ["committed", "key-file-written"])
def test_opening_finishes_a_rotation_that_was_committed(place: Place, step: str) -> None:
    """What was left to do after the transaction is done by whoever opens next."""
    place.fill()
    old = place.copy("old")
    if step == "committed":
        run_child(place, "rotate", step)
    else:
        with place.opened() as keys, pytest.raises(InterruptedError):
            keys._fail_point = interrupt_at("committed")
            keys.rotate(now_ms=1)
        run_child(place, "create", step)
    place.open().close()
    content = read(place.key)
    assert content is not None
    assert [[2]] == [list(epochs) for epochs in content.stores.values()]
    shutil.copy(place.key, old.key)
    with pytest.raises(WrongKey):
        old.open()


def interrupt_at(step: str) -> Callable[[str], None]:
    """A fail point that raises at one step."""

    def fail_point(name: str) -> None:
        if name == step:
            raise InterruptedError(name)

    return fail_point


def test_file_is_synchronised_and_forgets(place: Place) -> None:
    """The rollback journal, full synchronisation and secure deletion are on."""
    with place.opened() as keys:
        asked = ("journal_mode", "synchronous", "secure_delete", "trusted_schema")
        assert ["delete", 3, 1, 0] == [keys._shelf._db.pragma(name) for name in asked]


def test_writers_take_turns_on_the_lock_file(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever holds the lock file keeps writers out, and only writers."""
    secrets = place.fill()
    lock = place.store.with_name("holdfast.keys.lock")
    with place.opened() as keys:
        monkeypatch.setattr(file, "file_lock", partial(file_lock, wait_s_max=0.0))
        with file_lock(lock):
            with pytest.raises(StoreBusy):
                keys.destroy_session(1, now_ms=1)
            assert secrets[1] == keys.session_key(1).secret
        assert 1 == keys.destroy_session(1, now_ms=1).epoch


@pytest.mark.slow
@pytest.mark.parametrize("work", ["rotate", "create", "destroy"])
def test_killed_at_every_change_of_the_file(place: Place, work: str) -> None:
    """SIGKILL at each write, flush and removal: the work is done or it is not."""
    secrets = place.fill()
    outcomes = set()
    for step in count(1):
        trial = place.copy(f"trial-{step}")
        ended = run_child(trial, work, str(step))
        after = trial.secrets()
        late = after.pop(99, None)
        outcomes.add((late is not None, 1 in after))
        assert {s: k for s, k in secrets.items() if s in after} == after
        assert len(secrets) - len(after) == (1 not in after)
        with trial.opened() as keys:
            assert (1 in after) == (keys.receipt(1) is None)
            keys.rotate(now_ms=5)
        assert after == {s: k for s, k in trial.secrets().items() if s != 99}
        shutil.rmtree(trial.root)
        if ended == 0:
            break
    assert step > 5
    expected = {
        "rotate": {(False, True)},
        "create": {(False, True), (True, True)},
        "destroy": {(False, True), (False, False)},
    }
    assert expected[work] == outcomes


@pytest.mark.slow
def test_two_processes_create_and_destroy_at_once(place: Place) -> None:
    """Two processes at work at the same time lose nothing and see each other."""
    place.fill()
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from holdfast.adapters.keys.file import FileKeys\n"
        "start = int(sys.argv[3])\n"
        "keys = FileKeys.open(Path(sys.argv[1]), installation_key=Path(sys.argv[2]))\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "for n in range(start, start + 40):\n"
        "    made = keys.create_session_key(tenant='t', user=f'u{n % 4}', stream=n)\n"
        "    if n % 2:\n"
        "        keys.destroy_session(n, now_ms=n)\n"
        "    else:\n"
        "        print(n, made.secret.hex())\n"
        "    if n % 16 == 0:\n"
        "        keys.rotate(now_ms=n)\n"
        "keys.close()\n"
    )
    command = [sys.executable, "-c", script, str(place.store), str(place.key)]
    children = [
        subprocess.Popen(
            [*command, str(start)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for start in (100, 200)
    ]
    for child in children:
        assert child.stdout is not None
        assert "ready\n" == child.stdout.readline()
    lines: list[str] = []
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        lines += child.communicate(timeout=60)[0].split("\n")
        assert 0 == child.returncode
    printed = dict(line.split() for line in lines if line)
    living = {stream: key for stream, key in place.secrets().items() if stream >= 100}
    assert 40 == len(printed)
    assert {int(n): bytes.fromhex(key) for n, key in printed.items()} == living
    with place.opened() as keys:
        for stream in (101, 239):
            with pytest.raises(KeyDestroyed):
                keys.session_key(stream)


def test_two_openings_of_a_new_place_make_one_store(place: Place) -> None:
    """Threads that all open a place that is new get one installation and one store."""
    opened: list[FileKeys] = []
    failed: list[BaseException] = []
    barrier = threading.Barrier(4)

    def work() -> None:
        barrier.wait()
        try:
            opened.append(place.open())
        except HoldfastError as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == failed
    assert 1 == len({keys.audit_public_key for keys in opened})
    secret = opened[0].create_session_key(tenant="t", user="u", stream=1).secret
    assert [secret] * 4 == [keys.session_key(1).secret for keys in opened]
    for keys in opened:
        keys.close()


def test_one_opening_serves_many_threads(place: Place) -> None:
    """Threads that share one opening do not disturb each other."""
    with place.opened() as keys:
        made: dict[int, bytes] = {}

        def work(first: int) -> None:
            for stream in range(first, first + 10):
                key = keys.create_session_key(tenant="t", user="u", stream=stream)
                made[stream] = bytes(key.secret)

        threads = [threading.Thread(target=work, args=(n,)) for n in (100, 200, 300)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 30 == len(made)
        assert made == {s: bytes(keys.session_key(s).secret) for s in made}


def test_interrupted_making_leaves_no_half_store(place: Place) -> None:
    """Leftovers of a process that died while it made the store are cleared away."""
    place.store.parent.mkdir(mode=0o700)
    place.store.with_name("holdfast.keys.new").write_bytes(b"half")
    place.store.with_name("holdfast.keys.new-journal").write_bytes(b"half")
    secrets = place.fill()
    assert secrets == place.secrets()
    names = {path.name for path in place.store.parent.iterdir()}
    assert {"holdfast.keys", "holdfast.keys.lock"} == names


def test_full_store_changes_nothing(place: Place) -> None:
    """When there is no room, creation and rotation fail as `StoreFull`, and nothing is lost."""
    secrets = place.fill()
    with place.opened() as keys:
        pages = keys._shelf._db.pragma("page_count")
        keys._shelf._db.pragma("max_page_count", pages)
        stream = 1000
        with pytest.raises(StoreFull):
            for stream in range(1000, 2000):
                keys.create_session_key(tenant="t" * 500, user=str(stream), stream=stream)
        with pytest.raises(KeyMissing):
            keys.session_key(stream)
        assert secrets == {s: bytes(keys.session_key(s).secret) for s in secrets}
        keys._shelf._db.pragma("max_page_count", 10 * pages)
        made = keys.create_session_key(tenant="t" * 500, user="u", stream=stream)
        assert made.secret == keys.session_key(stream).secret
    assert bytes(made.secret) == place.secrets()[stream]
