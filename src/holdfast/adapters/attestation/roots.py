"""The vendors' roots, which come with the package.

A root counts by the SHA-256 that stands here; a file that differs is no root.
Intel's is also inside of the library that verifies quotes, which does not compare it
with the one that a quote brings along; we do.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from cryptography import x509

from holdfast.adapters.attestation.certificates import fingerprint, read_chain
from holdfast.core.errors import AttestationFailed

AMD = {
    "amd_ark_milan.pem": "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd",
    "amd_ark_genoa.pem": "4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1",
    "amd_ark_turin.pem": "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a",
}
"""AMD's root keys (ARK): Milan, Genoa, Turin."""

NITRO = {
    "aws_nitro.pem": "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b",
}
"""The root of AWS Nitro Enclaves."""

INTEL = {
    "intel_sgx.pem": "44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3",
}
"""The root of TDX and SGX."""


@cache
def amd_roots() -> tuple[x509.Certificate, ...]:
    """AMD's roots.

    Raises:
        AttestationFailed: chain: a file of the package is not what was pinned.
    """
    return tuple(load(name, pinned) for name, pinned in AMD.items())


@cache
def nitro_roots() -> tuple[x509.Certificate, ...]:
    """The root of AWS Nitro Enclaves.

    Raises:
        AttestationFailed: chain: the file of the package is not what was pinned.
    """
    return tuple(load(name, pinned) for name, pinned in NITRO.items())


@cache
def intel_roots() -> tuple[x509.Certificate, ...]:
    """The root of TDX and SGX.

    Raises:
        AttestationFailed: chain: the file of the package is not what was pinned.
    """
    return tuple(load(name, pinned) for name, pinned in INTEL.items())


def load(name: str, pinned: str) -> x509.Certificate:
    """Read a root of the package.

    Args:
        name: its file.
        pinned: its SHA-256 in lower-case hex.

    Raises:
        AttestationFailed: chain: it is missing or another certificate.
    """
    try:
        text = files("holdfast.adapters.attestation").joinpath("roots", name).read_bytes()
    except OSError:
        raise AttestationFailed(f"the root {name} is missing", code="chain") from None
    [found] = read_chain([text])
    if fingerprint(found) != pinned:
        raise AttestationFailed(f"the root {name} is not the one that is pinned", code="chain")
    return found
