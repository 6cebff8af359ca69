"""A counter in a file: what an enclave's sealed files are held against, and an anchor.

    {"counts":{"NAME":[VERSION,"DIGEST"]},"format":1}
    HMAC-SHA-256 of the line above, in hex

Rules
- Mode 0600 in a directory where others cannot write; a symbolic link is refused.
- It is written beside itself, flushed, renamed, and the directory flushed: a crash
  leaves the old counts or the new ones.
- Whoever has the key can write it. Without a key it shows damage only, for a side
  that nobody attacks.
- It can be put back as a whole, with its own older content: that is found by
  whoever holds the next count (the anchor on Holdfast's side), not by the file.
"""

from __future__ import annotations

import hmac
import json
import os
from pathlib import Path

from holdfast.adapters.keys.hierarchy import FailPoint, no_fail_point
from holdfast.adapters.keys.installation import (
    check_private,
    flush_directory,
    private_directory,
)
from holdfast.adapters.keys.locks import file_lock
from holdfast.core.errors import InvalidInput, SealRefused, StoreReadOnly
from holdfast.ports.counting import Count

FORMAT = 1
FILE_BYTES_MAX = 64 * 1024
NAMES_MAX = 16
NAME_CHARS_MAX = 64

Counts = dict[str, Count]


class FileCounter:
    """Implements `ports.counting.MonotonicCounter` with a file.

    Args:
        path: the file; it is made by the first `advance`.
        key: what the file is authenticated with.
        renew: what cannot be believed counts as nothing, until it was written once.
        fail_point: called with a name between the steps of writing.
    """

    def __init__(
        self,
        path: Path,
        key: bytes = b"",
        *,
        renew: bool = False,
        fail_point: FailPoint = no_fail_point,
    ) -> None:
        self._path = path
        self._key = key
        self._renew = renew
        self._fail_point = fail_point

    def read(self, name: str) -> Count:
        """Where a name stands; see the port."""
        return self._load().get(name, Count())

    def advance(self, name: str, to: Count) -> None:
        """Go forward, durably; see the port.

        Raises:
            InvalidInput: that is no count, or no name.
        """
        if not to.sound or not to.version or not 0 < len(name) <= NAME_CHARS_MAX:
            raise InvalidInput("a counter counts names to a version and its digest")
        private_directory(self._path.parent)
        with file_lock(self._path.with_name(self._path.name + ".lock")):
            counts = self._load()
            if to.version <= counts.get(name, Count()).version:
                raise SealRefused("the counter stands there already, or farther", code="rollback")
            counts[name] = to
            if len(counts) > NAMES_MAX:
                raise InvalidInput(f"a counter's file counts at most {NAMES_MAX} names")
            self._write(counts)
        self._renew = False

    def _load(self) -> Counts:
        try:
            facts, data = read_file(self._path, FILE_BYTES_MAX + 1)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise _unbelieved(f"cannot be read: {error.strerror}") from None
        check_private(facts, "the counter's file")
        try:
            return self._parse(data)
        except SealRefused:
            if not self._renew:
                raise
            return {}

    def _parse(self, data: bytes) -> Counts:
        body, _, mac = data.partition(b"\n")
        if len(data) > FILE_BYTES_MAX or not hmac.compare_digest(mac, self._mac(body) + b"\n"):
            raise _unbelieved("is damaged, or not of this key")
        try:
            found = json.loads(body)
            counts = {
                name: Count(version=version, digest=digest)
                for name, (version, digest) in found["counts"].items()
            }
            known = found["format"] == FORMAT and all(one.sound for one in counts.values())
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            known = False
        if not known:
            raise _unbelieved("is not of this program")
        return counts

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256").hex().encode()

    def _write(self, counts: Counts) -> None:
        told = {name: [count.version, count.digest] for name, count in counts.items()}
        document = {"counts": told, "format": FORMAT}
        body = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
        temporary = self._path.with_name(self._path.name + ".new")
        try:
            temporary.unlink(missing_ok=True)
            write_private(temporary, body + b"\n" + self._mac(body) + b"\n")
            self._fail_point("counter-written")
            temporary.replace(self._path)
            self._fail_point("counter-renamed")
            flush_directory(self._path.parent)
        except OSError as error:
            raise StoreReadOnly("the counter's file cannot be written") from error


def _unbelieved(what: str) -> SealRefused:
    return SealRefused(f"the counter's file {what}", code="counter")


def read_file(path: Path, bytes_max: int) -> tuple[os.stat_result, bytes]:
    """What a file is, and so many of its first bytes; a link is not followed.

    Raises:
        OSError: it is not there, a link or a directory, or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        return os.fstat(descriptor), os.read(descriptor, bytes_max)
    finally:
        os.close(descriptor)


def write_private(path: Path, data: bytes) -> None:
    """Make a file that only its owner can open, and flush it.

    Raises:
        OSError: it is there already, or cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
