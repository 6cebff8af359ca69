"""An enclave's own program: evidence by a command, seeds by a file."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest
from enclavekit import SEED

from holdfast.adapters.enclave.listening import (
    EVIDENCE_BYTES_MAX,
    ask_command,
    make_server,
    read_evidence,
    serve_socket,
)
from holdfast.adapters.enclave.roots import Sealing, open_files
from holdfast.adapters.enclave.software import measure
from holdfast.adapters.enclave.worker import EnclaveProgram
from holdfast.core.errors import InvalidInput, SealRefused, TeeUnavailable
from holdfast.ports.attestation import Evidence, EvidenceKind
from holdfast.ports.counting import Count

SAYS = (
    "import base64, json, sys; b = bytes.fromhex(sys.stdin.read());"
    "print(json.dumps({'kind': 'snp', 'document': base64.b64encode(b).decode(),"
    " 'chain': ['bGVhZg=='], 'collateral': 'e30='}))"
)


def test_a_command_makes_evidence_of_a_binding() -> None:
    """It is a real process that is told the binding."""
    binding = bytes(range(32))
    found = asyncio.run(ask_command([sys.executable, "-c", SAYS], binding))
    assert (
        Evidence(kind=EvidenceKind.SNP, document=binding, chain=(b"leaf",), collateral=b"{}")
        == found
    )


@pytest.mark.parametrize(
    "command",
    [
        ["/nonexistent/program"],
        [sys.executable, "-c", "print('{}')"],
        [sys.executable, "-c", SAYS + "; sys.exit(1)"],
    ],
)
def test_a_command_that_fails_makes_none(command: list[str]) -> None:
    """And the connection gets none."""
    with pytest.raises(TeeUnavailable):
        asyncio.run(ask_command(command, bytes(32)))


@pytest.mark.parametrize(
    "printed",
    [b"", b"[]", b"null", b'{"kind":"magic","document":""}', b'{"kind":"snp"}',
     b'{"kind":"snp","document":"@@"}', b'{"kind":"snp","document":"","chain":[1]}',
     b"[" * 100_000, b" " * EVIDENCE_BYTES_MAX + b"{}"],
)  # fmt: skip
def test_what_is_no_evidence_is_refused(printed: bytes) -> None:
    """Typed."""
    with pytest.raises(TeeUnavailable):
        read_evidence(printed)


def test_a_seed_is_private_and_of_its_size(tmp_path: Path) -> None:
    """Else nothing is served."""
    path = tmp_path / "seed"
    with pytest.raises(InvalidInput):
        make_server({}, (), path)
    path.write_bytes(SEED)
    path.chmod(0o644)
    with pytest.raises(InvalidInput):
        make_server({}, (), path)
    path.chmod(0o600)
    assert make_server({}, (), path)._facts.simulated
    assert not make_server({}, ("evidence",), None)._facts.simulated
    path.write_bytes(SEED + b"x")
    with pytest.raises(InvalidInput):
        make_server({}, (), path)
    with pytest.raises(InvalidInput):
        make_server(json.loads('{"model": 1}'), ("evidence",), None)


def test_a_sealed_key_and_its_places_go_together(tmp_path: Path) -> None:
    """One without the other, or under no name, is not served; both are, and say where it stands."""
    seed = tmp_path / "seed"
    seed.touch(0o600)
    seed.write_bytes(SEED)
    places = Sealing(
        directory=tmp_path / "sealed", counter=tmp_path / "counts", root=tmp_path / "root"
    )
    for fields, given in (({}, places), ({"key": "sealed:a"}, None), ({"key": "sealed:A"}, places)):
        with pytest.raises(InvalidInput):
            make_server(fields, (), seed, given)
    server = make_server({"key": "sealed:a"}, (), seed, places)
    assert server._kept is not None and Count() == server._kept.count
    asyncio.run(server.aclose())


def test_what_is_sealed_is_looked_at_before_anybody_is_served(tmp_path: Path) -> None:
    """Another program has another key, and says so as it starts."""
    places = Sealing(
        directory=tmp_path / "sealed", counter=tmp_path / "counts", root=tmp_path / "root"
    )
    command = ("evidence",)
    open_files(places, measure(EnclaveProgram(key="sealed:a").to_json())).write("a", b"key")
    assert make_server({"key": "sealed:a"}, command, None, places)
    with pytest.raises(SealRefused) as caught:
        make_server({"key": "sealed:a", "calls": 3}, command, None, places)
    assert "foreign" == caught.value.code


def test_a_socket_replaces_nothing(tmp_path: Path) -> None:
    """Whatever lies at its path stays."""
    path = tmp_path / "there"
    path.write_text("mine")
    with pytest.raises(InvalidInput):
        asyncio.run(serve_socket(make_server({}, ("evidence",), None), path, bool))
    assert "mine" == path.read_text()
    with pytest.raises(TeeUnavailable):
        asyncio.run(serve_socket(make_server({}, ("e",), None), tmp_path / "no" / "socket", bool))
