"""Memory for keys that other processes cannot look into, where the kernel has it.

`memfd_secret` (Linux 5.14 and later, where it is switched on) gives pages that are
taken out of the kernel's own map: they are in no core file and no swap, and cannot be
read through `/proc/PID/mem`, not even by root. Elsewhere it is ordinary memory, and
`kind` says so.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from contextlib import suppress
from enum import StrEnum

_MEMFD_SECRET = {"x86_64": 447, "aarch64": 447, "riscv64": 447}


class PageKind(StrEnum):
    """What the page is made of."""

    KERNEL = "memfd_secret"
    ORDINARY = "memory"


class SecretPage:
    """A buffer that is overwritten when it is closed.

    Args:
        size: in bytes.
    """

    def __init__(self, size: int) -> None:
        self._map = _secret_map(size)
        self.kind = PageKind.ORDINARY if self._map is None else PageKind.KERNEL
        whole = memoryview(self._map) if self._map is not None else memoryview(bytearray(size))
        self.buffer = whole[:size]

    def wipe(self) -> None:
        """Overwrite it; it reads back as zero."""
        self.buffer[:] = bytes(len(self.buffer))


def _secret_map(size: int) -> mmap.mmap | None:
    number = _MEMFD_SECRET.get(os.uname().machine)
    if number is None:
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    fd = int(libc.syscall(ctypes.c_long(number), ctypes.c_uint(os.O_CLOEXEC)))
    if fd < 0:
        return None
    try:
        with suppress(OSError, ValueError):  # no memory may be locked
            os.ftruncate(fd, max(size, mmap.PAGESIZE))
            return mmap.mmap(fd, max(size, mmap.PAGESIZE), mmap.MAP_SHARED)
    finally:
        os.close(fd)
    return None


def secret_buffer(size: int) -> memoryview:
    """A buffer for keys, in a page of its own."""
    return SecretPage(size).buffer
