"""What the enclave port says of machines."""

from __future__ import annotations

from holdfast.ports.enclave import Machine, SecurityLevel


def test_every_level_is_described_without_a_promise() -> None:
    """Each in its own words; a device is only something to attest."""
    texts = [level.description for level in SecurityLevel]
    assert len(texts) == len(set(texts)) == 3
    assert "attest it" in SecurityLevel.TEE_HARDWARE.description
    assert () == Machine(level=SecurityLevel.PROCESS_ONLY).devices
