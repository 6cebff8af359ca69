"""Where an enclave's sealing root comes from, and the files that it opens.

- A machine that is an enclave derives the root in its hardware, for what was measured:
  a command of the operator's asks it, and prints 64 hex digits.
- A simulated enclave keeps it in a file of its own, drawn once. Whoever can read that
  file opens what is sealed: it is simulated, and nothing else.
- The counter lies elsewhere than what is sealed, so that putting back the one is found.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from holdfast.adapters.enclave.counting import FileCounter, read_file, write_private
from holdfast.adapters.enclave.sealedfiles import SealedFiles, derive
from holdfast.adapters.keys.installation import (
    check_private,
    flush_directory,
    private_directory,
)
from holdfast.adapters.keys.locks import file_lock
from holdfast.core.errors import InvalidInput, SealRefused, StoreReadOnly, TeeUnavailable

ROOT_BYTES = 32
COMMAND_S_MAX = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing:
    """Where an enclave keeps what it seals.

    Args:
        directory: of the sealed files.
        counter: the file that counts their versions.
        root: the file of a simulated enclave's root; None where `command` asks the machine.
        command: asks the machine for its root; `()` for a simulated enclave.
        renew: what is refused is given up, and the root drawn anew if it is lost.
    """

    directory: Path
    counter: Path
    root: Path | None = None
    command: tuple[str, ...] = ()
    renew: bool = False


def open_files(sealing: Sealing, measurement: str) -> SealedFiles:
    """Open the sealed files of a program.

    Args:
        measurement: of the program, in lower-case hex.

    Raises:
        InvalidInput: the counter or the root lies with what is sealed.
        SealRefused: missing: the root is gone, and what it sealed is not.
        TeeUnavailable: the machine gives no root.
        Unavailable: a file is not private.
    """
    inside = sealing.directory.resolve()
    for path in (sealing.counter, sealing.root):
        if path is not None and path.resolve().is_relative_to(inside):
            raise InvalidInput("the counter and the root lie outside of the sealed directory")
    root = _asked(sealing.command) if sealing.root is None else _kept(sealing, sealing.root)
    try:
        counter = FileCounter(sealing.counter, derive(root, "counter"), renew=sealing.renew)
        return SealedFiles(sealing.directory, root, measurement, counter, renew=sealing.renew)
    finally:
        root[:] = bytes(len(root))


def _kept(sealing: Sealing, path: Path) -> bytearray:
    """The root of a simulated enclave, drawn where nothing can depend on a lost one."""
    private_directory(path.parent)
    with file_lock(path.with_name(path.name + ".lock")):
        try:
            facts, data = read_file(path, ROOT_BYTES + 1)
        except FileNotFoundError:
            return _drawn(sealing, path)
        except OSError as error:
            raise InvalidInput(f"the sealing root cannot be read: {error.strerror}") from None
    check_private(facts, "the sealing root")
    root = bytearray(data)
    if len(root) != ROOT_BYTES:
        raise InvalidInput(f"a sealing root is {ROOT_BYTES} bytes")
    return root


def _drawn(sealing: Sealing, path: Path) -> bytearray:
    sealed = sealing.directory.is_dir() and any(sealing.directory.glob("*.*"))
    if (sealed or sealing.counter.exists()) and not sealing.renew:
        raise SealRefused("the sealing root is not there, and what it sealed is", code="missing")
    root = bytearray(os.urandom(ROOT_BYTES))
    temporary = path.with_name(path.name + ".new")
    try:
        temporary.unlink(missing_ok=True)
        write_private(temporary, bytes(root))
        temporary.replace(path)
        flush_directory(path.parent)
    except OSError as error:
        raise StoreReadOnly("the sealing root cannot be written") from error
    return root


def _asked(command: Sequence[str]) -> bytearray:
    """The root that a command prints, in hex."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=COMMAND_S_MAX,
            check=True,
        )
        root = bytearray.fromhex(done.stdout.decode("ascii").strip())
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        name = type(error).__name__  # never what it printed
        raise TeeUnavailable(f"the machine gives no sealing root: {name}") from None
    if len(root) != ROOT_BYTES or not any(root):
        raise TeeUnavailable(f"the machine gives no sealing root of {ROOT_BYTES} bytes")
    return root
