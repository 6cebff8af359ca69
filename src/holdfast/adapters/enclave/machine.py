"""What this machine is, found by looking: never more than can be seen."""

from __future__ import annotations

from pathlib import Path

from holdfast.ports.enclave import Machine, SecurityLevel

DEVICES = ("dev/sev-guest", "dev/tdx_guest", "dev/nsm")
"""Device nodes of confidential machines: AMD SEV-SNP, Intel TDX, AWS Nitro Enclaves."""
_DMI = ("sys/class/dmi/id/product_name", "sys/class/dmi/id/sys_vendor")
_VIRTUAL = ("kvm", "qemu", "vmware", "virtualbox", "xen", "bochs", "virtual machine", "amazon ec2")
_READ_BYTES_MAX = 64 * 1024


def detect_machine(root: str | Path = "/") -> Machine:
    """Look what the machine is; a device node alone proves nothing to anybody else.

    Args:
        root: where `dev`, `proc` and `sys` are.
    """
    base = Path(root)
    devices = tuple(f"/{name}" for name in DEVICES if (base / name).is_char_device())
    if devices:
        there = f"{', '.join(devices)} is there"
        return Machine(level=SecurityLevel.TEE_HARDWARE, devices=devices, reason=there)
    if any(
        "hypervisor" in line.split()
        for line in _text(base / "proc/cpuinfo").splitlines()
        if line.startswith(("flags", "Features"))
    ):
        reason = "no enclave device; the processor says that a hypervisor runs it"
        return Machine(level=SecurityLevel.VM_ISOLATION, reason=reason)
    for name in _DMI:
        text = _text(base / name).casefold()
        if any(word in text for word in _VIRTUAL):
            reason = "no enclave device; the firmware names a virtual machine"
            return Machine(level=SecurityLevel.VM_ISOLATION, reason=reason)
    reason = "no enclave device and no sign of a virtual machine"
    return Machine(level=SecurityLevel.PROCESS_ONLY, reason=reason)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_READ_BYTES_MAX).decode("utf-8", "replace")
    except OSError:
        return ""
