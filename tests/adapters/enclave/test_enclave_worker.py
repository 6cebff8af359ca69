"""What an enclave's process is told to be, and how it secludes itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

from holdfast.adapters.enclave.echo import EchoModel
from holdfast.adapters.enclave.worker import EnclaveProgram, program_of
from holdfast.core.errors import InvalidInput, LiteralSecret


def test_a_program_comes_out_as_it_was_written() -> None:
    """And builds what it names."""
    program = EnclaveProgram(delay_ms=3, calls=2)
    assert program == program_of(program.to_json())
    assert isinstance(program.client(), EchoModel)


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{", b'{"more":1}', b'{"model":1}', b'{"model":""}', b'{"calls":0}',
     b'{"calls":true}', b'{"delay_ms":-1}', b'{"key":1}', b"\xff"],
)  # fmt: skip
def test_what_describes_no_enclave_is_refused(data: bytes) -> None:
    """Each field has its type."""
    with pytest.raises(InvalidInput):
        program_of(data)


def test_a_literal_key_is_refused() -> None:
    """A program is measured and may be seen."""
    with pytest.raises(LiteralSecret):
        EnclaveProgram(provider="openai", model="m", key="sk-1234").client()


@pytest.mark.parametrize(
    ("key", "name"),
    [(None, None), ("env:KEY", None), ("sealed", None), ("sealed:", ""), ("sealed:a", "a")],
)
def test_a_key_may_be_kept_sealed(key: str | None, name: str | None) -> None:
    """Then it has a name instead of a place, from which no client is built."""
    assert name == EnclaveProgram(key=key).sealed_name
    if name:
        with pytest.raises(LiteralSecret):
            EnclaveProgram(provider="openai", model="m", key=key).client()


def test_a_secluded_process_cannot_be_looked_into() -> None:
    """No core file; its memory is closed to others of the same user."""
    code = (
        "import resource, ctypes; from holdfast.adapters.enclave.worker import seclude; seclude();"
        "print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "(0, 0) 0" == done.stdout.strip()
