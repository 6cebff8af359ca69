"""The installation key: a small file outside the data directory (contract 1.1).

    {"format": 1, "installation": "<32 hex>", "stores": {"<store id>": {"<epoch>": "<64 hex>"}}}

Rules
- Mode 0600 in a directory of mode 0700, owned by whoever runs this; a symbolic
  link, another owner, or permissions for others are refused.
- Each key store has epochs of its own, so rotating one leaves the others alone.
- It is written beside itself, flushed, renamed and the directory flushed; what
  the replaced file held is then overwritten.
- It is read and written under `<file>.lock`.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from holdfast.adapters.keys.hierarchy import FailPoint, no_fail_point
from holdfast.adapters.keys.locks import file_lock
from holdfast.adapters.keys.wraps import SECRET_BYTES, Random, wipe
from holdfast.core.errors import NewerProgram, StoreReadOnly, Unavailable, WrongKey

FORMAT = 1
ID_BYTES = 16
FILE_BYTES_MAX = 4 * 1024 * 1024


def default_installation_key_path() -> Path:
    """Where the installation key is kept unless told otherwise.

    $HOLDFAST_INSTALLATION_KEY, else $XDG_CONFIG_HOME/holdfast/installation.key,
    else ~/.config/holdfast/installation.key.
    """
    given = os.environ.get("HOLDFAST_INSTALLATION_KEY")
    if given:
        return Path(given).expanduser()
    config = os.environ.get("XDG_CONFIG_HOME")
    base = Path(config) if config else Path.home() / ".config"
    return base / "holdfast" / "installation.key"


def check_private(facts: os.stat_result, what: str) -> None:
    """Refuse a file that somebody else owns, may read or has slipped in.

    Raises:
        Unavailable: it is no regular file of ours with mode 0600 or less.
    """
    if stat.S_ISLNK(facts.st_mode):
        raise Unavailable(f"{what} is a symbolic link; name the file itself")
    if not stat.S_ISREG(facts.st_mode):
        raise Unavailable(f"{what} is not a regular file")
    if facts.st_uid != os.geteuid():
        raise Unavailable(f"{what} belongs to another user")
    if facts.st_mode & 0o077:
        raise Unavailable(f"{what} can be opened by others; use mode 0600")


def private_directory(path: Path) -> None:
    """Make a directory (0700), or refuse one in which others can replace files.

    Raises:
        Unavailable: others may write to it, or it belongs to another user.
        StoreReadOnly: it cannot be made.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreReadOnly(f"cannot make the directory {path.name}") from error
    facts = path.stat()
    if facts.st_uid not in (os.geteuid(), 0):
        raise Unavailable(f"the directory {path.name} belongs to another user")
    if facts.st_mode & 0o022 and not facts.st_mode & stat.S_ISVTX:
        raise Unavailable(f"others may write to the directory {path.name}; use mode 0700")


def flush_directory(path: Path) -> None:
    """Make a rename or a new file in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(slots=True, kw_only=True)
class Content:
    """What the file says: the installation's id and, per store, its epochs."""

    installation: bytes
    stores: dict[str, dict[int, bytearray]] = field(default_factory=dict, repr=False)

    def encode(self) -> bytes:
        """Write it as JSON."""
        stores = {
            store: {str(epoch): secret.hex() for epoch, secret in epochs.items()}
            for store, epochs in self.stores.items()
        }
        document = {
            "format": FORMAT,
            "installation": self.installation.hex(),
            "stores": stores,
        }
        return json.dumps(document, indent=1).encode() + b"\n"

    def wipe(self) -> None:
        """Overwrite all keys."""
        for epochs in self.stores.values():
            for secret in epochs.values():
                wipe(secret)


def _sized(text: object, size: int) -> bytes:
    if not isinstance(text, str) or len(text) != 2 * size:
        raise WrongKey("the installation key file holds a key of a wrong length")
    value = bytes.fromhex(text)
    if len(value) != size:
        raise WrongKey("the installation key file holds a key of a wrong length")
    return value


def parse(data: bytes) -> Content:
    """Read the file's bytes, strictly.

    Raises:
        WrongKey: this is no installation key, or a damaged one.
        NewerProgram: its format is newer than this program.
    """
    try:
        document = json.loads(data)
        version = document["format"]
        if not isinstance(version, int) or version < 1:
            raise WrongKey("the installation key file is damaged")
        if version > FORMAT:
            raise NewerProgram("the installation key file was written by a newer program")
        stores = {
            _sized(store, ID_BYTES).hex(): {
                int(epoch): bytearray(_sized(secret, SECRET_BYTES))
                for epoch, secret in epochs.items()
            }
            for store, epochs in document["stores"].items()
        }
        return Content(installation=_sized(document["installation"], ID_BYTES), stores=stores)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        # Without its cause: that would quote the file.
        raise WrongKey("the installation key file is damaged") from None


def read(path: Path) -> Content | None:
    """Read the file; None if there is none. The caller holds its lock.

    Raises:
        Unavailable: it is a link, or not private.
        WrongKey: it is damaged.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        if path.is_symlink():
            raise Unavailable("the installation key file is a symbolic link") from error
        raise Unavailable("the installation key file cannot be read") from error
    try:
        check_private(os.fstat(descriptor), "the installation key file")
    except Unavailable:
        os.close(descriptor)
        raise
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(FILE_BYTES_MAX + 1)
    if len(data) > FILE_BYTES_MAX:
        raise WrongKey("the installation key file is too long")
    return parse(data)


def write(path: Path, content: Content, fail_point: FailPoint = no_fail_point) -> None:
    """Replace the file durably and overwrite what it held. The caller holds its lock.

    Raises:
        StoreReadOnly: it cannot be written; the file is what it was.
    """
    temporary = path.with_name(path.name + ".new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        # What a process that died here left holds keys too.
        _shred(temporary, lambda: temporary.unlink(missing_ok=True))
        with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
            file.write(content.encode())
            file.flush()
            os.fsync(file.fileno())
        fail_point("key-file-written")
        _shred(path, lambda: _put_in_place(temporary, path, fail_point))
        fail_point("key-file-shredded")
    except OSError as error:
        raise StoreReadOnly("the installation key file cannot be written") from error


def _put_in_place(temporary: Path, path: Path, fail_point: FailPoint) -> None:
    temporary.replace(path)
    fail_point("key-file-renamed")
    flush_directory(path.parent)


def _shred(path: Path, remove: Callable[[], None]) -> None:
    """Remove or replace a file, then overwrite the bytes that it held."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        remove()
        return
    try:
        remove()
        facts = os.fstat(descriptor)
        # A further link would be somebody's deliberate second name for it.
        if facts.st_nlink == 0:
            os.pwrite(descriptor, bytes(facts.st_size), 0)
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


class FileVault:
    """The epochs that one key store has in the installation key file.

    Args:
        path: the installation key file.
        store: the key store's random 16-byte id.
        random: source of unpredictable bytes.
        fail_point: called with a name between the steps of writing.

    Raises:
        WrongKey: there is no such file.
    """

    def __init__(
        self, path: Path, store: bytes, random: Random, fail_point: FailPoint = no_fail_point
    ) -> None:
        self._path = path
        self._store = store.hex()
        self._random = random
        self._fail_point = fail_point
        self._epochs: dict[int, bytearray] = {}
        self._installation = b""
        self._reload()

    @property
    def installation(self) -> bytes:
        """The installation's random 16-byte id."""
        return self._installation

    def key(self, epoch: int) -> bytearray:
        """Copy out an epoch's key, after another look at the file if need be."""
        if epoch not in self._epochs:
            self._reload()
        if epoch not in self._epochs:
            raise WrongKey(
                f"the installation key file has no epoch {epoch} for this key store: "
                "it is another installation's, or the key store is an old copy"
            )
        return bytearray(self._epochs[epoch])

    def holds(self, epoch: int) -> bool:
        """Whether the file still has an epoch's key."""
        self._reload()
        return epoch in self._epochs

    def add(self, epoch: int) -> None:
        """Draw an epoch's key and keep it durably, unless it is there already."""
        with self._locked():
            content = self._load()
            epochs = content.stores.setdefault(self._store, {})
            if epoch not in epochs:
                epochs[epoch] = bytearray(self._random(SECRET_BYTES))
                write(self._path, content, self._fail_point)
            self._take(content)

    def retire(self, below: int) -> None:
        """Destroy all epochs below this one, durably; idempotent."""
        if all(epoch >= below for epoch in self._epochs):
            return
        with self._locked():
            content = self._load()
            epochs = content.stores.get(self._store, {})
            old = [epoch for epoch in epochs if epoch < below]
            for epoch in old:
                wipe(epochs.pop(epoch))
            if old:
                write(self._path, content, self._fail_point)
            self._take(content)

    def close(self) -> None:
        """Forget what is in memory."""
        for secret in self._epochs.values():
            wipe(secret)
        self._epochs = {}

    def _locked(self) -> AbstractContextManager[None]:
        return file_lock(lock_path(self._path))

    def _reload(self) -> None:
        with reading_lock(self._path):
            self._take(self._load())

    def _load(self) -> Content:
        content = read(self._path)
        if content is None:
            raise WrongKey("the installation key file is missing; restore it from its backup")
        if self._installation not in (b"", content.installation):
            content.wipe()
            raise WrongKey("the installation key file is another installation's")
        return content

    def _take(self, content: Content) -> None:
        self.close()
        self._installation = content.installation
        self._epochs = content.stores.pop(self._store, {})
        content.wipe()


def lock_path(path: Path) -> Path:
    """The lock file beside an installation key file."""
    return path.with_name(path.name + ".lock")


@contextmanager
def reading_lock(path: Path) -> Iterator[None]:
    """Keep writers out while the file is read."""
    with ExitStack() as stack:
        # Where no lock file can be made (a read-only mount) nobody can write either.
        with suppress(StoreReadOnly):
            stack.enter_context(file_lock(lock_path(path), exclusive=False))
        yield


def ensure_installation(path: Path, random: Random) -> bytes:
    """Read the installation's id; make the file with a fresh one if there is none.

    Raises:
        Unavailable: the file or its directory is not private.
        WrongKey: the file is damaged.
    """
    private_directory(path.parent)
    with file_lock(lock_path(path)):
        content = read(path)
        if content is None:
            content = Content(installation=random(ID_BYTES))
            write(path, content)
        content.wipe()
        return content.installation
