"""What an enclave keeps between its runs: files that only this enclave can open.

A file is `HFS1`, the key's mark (16 bytes), its version (8) and length (4), a nonce
(12), and AES-256-GCM over the content; all before the nonce, and the file's own name,
are authenticated with it.

Rules
- The key is derived (HKDF) from a root that the machine gives, and from the measured
  program: another program, or the same one with other settings, has another key.
- Each writing has a version; the counter says which is the newest, and its digest.
  Whatever else is found under a name is refused: an older file, another enclave's or
  another name's, one that is cut or altered, none at all, or a counter that stands
  behind what is there.
- A crash leaves the former content or the new one. Steps: the new file under a name
  of its own (`.new`), flushed; the counter, which is the moment it counts; its rename;
  the removal of what came before. What a crash left is read past, and removed by the
  next writing.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from holdfast.adapters.enclave.counting import read_file, write_private
from holdfast.adapters.enclave.secretpage import SecretPage
from holdfast.adapters.keys.hierarchy import FailPoint, no_fail_point
from holdfast.adapters.keys.installation import flush_directory, private_directory
from holdfast.adapters.keys.locks import file_lock
from holdfast.core.errors import InvalidInput, SealRefused, StoreReadOnly, TooLarge
from holdfast.ports.counting import VERSION_MAX, Count, MonotonicCounter

DOMAIN = b"holdfast enclave sealed v1"
KEY_BYTES = 32
MARK_BYTES = 16
CONTENT_BYTES_MAX = 64 * 1024
LEAP_MAX = 2**20
"""How far a writing may go beyond its counter, so that nobody uses up all versions."""
_MAGIC = b"HFS1"
_HEAD = struct.Struct(f">4s{MARK_BYTES}sQI")
_NONCE_BYTES, _TAG_BYTES = 12, 16
FILE_BYTES_MAX = _HEAD.size + _NONCE_BYTES + CONTENT_BYTES_MAX + _TAG_BYTES
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_FILE = re.compile(r"([0-9a-f]{32})\.([1-9][0-9]{0,18})\.(sealed|new)")
_MINE = "lock"

Root = bytes | bytearray | memoryview


def derive(root: Root, purpose: str) -> bytes:
    """Derive a key from the root, for one purpose."""
    info = DOMAIN + b" " + purpose.encode()
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(root)


def check_name(name: str) -> None:
    """Refuse what is no name of a sealed file.

    Raises:
        InvalidInput: it is none.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInput("a sealed file's name is a-z, 0-9 and -, at most 63 of them")


class SealedFiles:
    """The files of one enclave in a directory.

    Args:
        directory: where they lie; it is made by the first writing.
        root: what the machine gives to derive keys from; it is not kept.
        measurement: of the program, in lower-case hex.
        counter: what they are held against.
        renew: what is refused counts as not there, until its name was written once.
        fail_point: called with a name between the steps of writing.
    """

    def __init__(
        self,
        directory: Path,
        root: Root,
        measurement: str,
        counter: MonotonicCounter,
        *,
        renew: bool = False,
        fail_point: FailPoint = no_fail_point,
    ) -> None:
        self._directory = directory
        self._page = SecretPage(KEY_BYTES)
        self._page.buffer[:] = derive(root, f"key {measurement}")
        self._mark = derive(root, f"mark {measurement}")[:MARK_BYTES]
        self._counter = counter
        self._renew = renew
        self._written: set[str] = set()
        self._fail_point = fail_point

    def close(self) -> None:
        """Overwrite the key; nothing is opened or sealed any more."""
        self._page.wipe()
        self._mark = b""

    def _cipher(self) -> AESGCM:
        assert self._mark, "it is open"
        return AESGCM(self._page.buffer)

    def read(self, name: str) -> tuple[Count, bytes]:
        """The newest content of a name, and where it stands; `Count()` if there is none.

        Raises:
            SealRefused: what is there is not what was written last.
            StoreBusy: somebody writes for too long.
        """
        check_name(name)
        if not self._directory.is_dir():
            return self._accepted(name, {})
        with file_lock(self._directory / _MINE, exclusive=False):
            try:
                there = self._there(name)
            except OSError as error:
                raise _unread(error) from None
            return self._accepted(name, there)

    def write(self, name: str, content: bytes, *, above: int = 0) -> Count:
        """Seal content as the newest of a name, durably; returns where it stands then.

        Args:
            above: a version that is to be passed: what somebody else knows it stood at.

        Raises:
            TooLarge: the content is over 64 KiB.
            InvalidInput: `above` is out of reach.
            StoreReadOnly: it cannot be written; what was there is there.
            SealRefused: the counter cannot be believed.
        """
        check_name(name)
        if len(content) > CONTENT_BYTES_MAX:
            raise TooLarge(f"an enclave seals at most {CONTENT_BYTES_MAX} bytes under a name")
        private_directory(self._directory)
        with file_lock(self._directory / _MINE):
            own = self._counter.read(name).version
            if not 0 <= above <= min(own + LEAP_MAX, VERSION_MAX - 1):
                raise InvalidInput("that version is out of reach")
            try:
                count = self._replace(name, content, max(own, above) + 1)
            except OSError as error:
                raise StoreReadOnly("the sealed files cannot be written") from error
        self._written.add(name)
        return count

    def _replace(self, name: str, content: bytes, version: int) -> Count:
        sealed = self._sealed(name, version, content)
        count = Count(version=version, digest=hashlib.sha256(sealed).hexdigest())
        fresh, final = self._path(name, version, "new"), self._path(name, version, "sealed")
        fresh.unlink(missing_ok=True)
        write_private(fresh, sealed)
        flush_directory(self._directory)
        self._fail_point("file-written")
        self._counter.advance(name, count)
        self._fail_point("counter-advanced")
        fresh.replace(final)
        flush_directory(self._directory)
        self._fail_point("file-renamed")
        for path in self._there(name).values():
            if path != final:
                path.unlink(missing_ok=True)
        flush_directory(self._directory)
        return count

    # --- what is there ---------------------------------------------------------------

    def _accepted(self, name: str, there: dict[tuple[int, str], Path]) -> tuple[Count, bytes]:
        try:
            return self._newest(name, there)
        except SealRefused:
            if not self._renew or name in self._written:
                raise
            return Count(), b""

    def _newest(self, name: str, there: dict[tuple[int, str], Path]) -> tuple[Count, bytes]:
        count = self._counter.read(name)
        final = {version for version, kind in there if kind == "sealed"}
        if any(version > count.version for version in final):
            raise SealRefused("the counter stands behind what is sealed", code="rollback")
        if not count.version:
            return count, b""
        kinds = [kind for version, kind in there if version == count.version]
        found = [_bytes_of(there[count.version, kind]) for kind in kinds]
        for data in found:
            if hashlib.sha256(data).hexdigest() == count.digest:
                return count, self._opened(name, data)[1]
        if found:
            raise self._why(name, found[-1], count)
        if final:
            raise SealRefused("what is sealed is older than the counter says", code="rollback")
        raise SealRefused("what the counter counts is not there", code="missing")

    def _why(self, name: str, data: bytes, count: Count) -> SealRefused:
        """Why a file that the counter does not know is refused."""
        try:
            version, _ = self._opened(name, data)
        except SealRefused as error:
            return error
        older = "older than" if version <= count.version else "ahead of what"
        return SealRefused(f"what is sealed is {older} the counter says", code="rollback")

    def _there(self, name: str) -> dict[tuple[int, str], Path]:
        mine = _stem(name)
        return {
            (int(match[2]), match[3]): self._directory / match[0]
            for match in self._files()
            if match[1] == mine
        }

    def _files(self) -> Iterator[re.Match[str]]:
        return (match for one in os.listdir(self._directory) if (match := _FILE.fullmatch(one)))

    def _path(self, name: str, version: int, kind: str) -> Path:
        return self._directory / f"{_stem(name)}.{version}.{kind}"

    # --- one file ---------------------------------------------------------------------

    def _sealed(self, name: str, version: int, content: bytes) -> bytes:
        head = _HEAD.pack(_MAGIC, self._mark, version, len(content))
        nonce = os.urandom(_NONCE_BYTES)
        return head + nonce + self._cipher().encrypt(nonce, content, _bound(name, head))

    def _opened(self, name: str, data: bytes) -> tuple[int, bytes]:
        """The version and content of a file, whatever the counter says."""
        if len(data) < _HEAD.size + _NONCE_BYTES + _TAG_BYTES:
            raise SealRefused("what is sealed was cut", code="truncated")
        head, rest = data[: _HEAD.size], data[_HEAD.size :]
        magic, mark, version, length = _HEAD.unpack(head)
        if magic != _MAGIC:
            raise SealRefused("what is sealed is no sealed file", code="altered")
        if mark != self._mark:
            raise SealRefused("it was sealed by another program or machine", code="foreign")
        if len(rest) < _NONCE_BYTES + length + _TAG_BYTES:
            raise SealRefused("what is sealed was cut", code="truncated")
        nonce, sealed = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
        try:
            content = self._cipher().decrypt(nonce, sealed, _bound(name, head))
        except InvalidTag:
            raise SealRefused("what is sealed was altered", code="altered") from None
        return version, content


def _bound(name: str, head: bytes) -> bytes:
    return DOMAIN + bytes((len(name),)) + name.encode() + head


def _stem(name: str) -> str:
    return hashlib.sha256(DOMAIN + name.encode()).hexdigest()[:32]


def _bytes_of(path: Path) -> bytes:
    """A file's content, and one byte more than any has where it is too long."""
    try:
        return read_file(path, FILE_BYTES_MAX + 1)[1]
    except OSError as error:
        raise _unread(error) from None


def _unread(error: OSError) -> SealRefused:
    return SealRefused(f"what is sealed cannot be read: {error.strerror}")
