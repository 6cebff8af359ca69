"""A page for keys: what it is made of is said, and it reads back as zero."""

from __future__ import annotations

import os

import pytest

from holdfast.adapters.enclave.secretpage import PageKind, SecretPage, secret_buffer


@pytest.mark.parametrize("size", [1, 64, 5000])
def test_it_holds_what_it_is_given_until_it_is_wiped(size: int) -> None:
    """At its size exactly."""
    page = SecretPage(size)
    secret = os.urandom(size)
    page.buffer[:] = secret
    assert secret == bytes(page.buffer)
    page.wipe()
    assert bytes(size) == bytes(page.buffer)


def test_a_secret_page_cannot_be_read_through_proc() -> None:
    """Not even by the process itself, where the kernel has such pages."""
    page = SecretPage(64)
    if page.kind is not PageKind.KERNEL:
        pytest.skip("this kernel has no memfd_secret")
    with open("/proc/self/maps") as maps:
        starts = [line.split("-")[0] for line in maps if "secretmem" in line]
    assert starts
    with open("/proc/self/mem", "rb", buffering=0) as memory, pytest.raises(OSError):
        memory.seek(int(starts[0], 16))
        memory.read(16)


def test_buffers_are_apart() -> None:
    """One for each channel."""
    one, other = secret_buffer(64), secret_buffer(64)
    one[:] = b"x" * 64
    assert bytes(64) == bytes(other)
