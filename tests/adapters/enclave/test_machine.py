"""What a machine is: never more than is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.adapters.enclave.machine import DEVICES, detect_machine
from holdfast.ports.enclave import SecurityLevel


def test_a_file_of_a_devices_name_is_no_device(tmp_path: Path) -> None:
    """Only a device node counts."""
    for name in DEVICES:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    found = detect_machine(tmp_path)
    assert (SecurityLevel.PROCESS_ONLY, ()) == (found.level, found.devices)


def test_a_device_node_is_hardware(tmp_path: Path) -> None:
    """By a link to a node that is there everywhere."""
    (tmp_path / "dev").mkdir()
    (tmp_path / DEVICES[0]).symlink_to("/dev/null")
    found = detect_machine(tmp_path)
    assert SecurityLevel.TEE_HARDWARE is found.level
    assert (f"/{DEVICES[0]}",) == found.devices


@pytest.mark.parametrize(
    ("file", "text", "level"),
    [
        ("proc/cpuinfo", "flags\t: fpu hypervisor sse\n", SecurityLevel.VM_ISOLATION),
        ("proc/cpuinfo", "model name: hypervisor\nflags: fpu\n", SecurityLevel.PROCESS_ONLY),
        ("sys/class/dmi/id/sys_vendor", "QEMU\n", SecurityLevel.VM_ISOLATION),
        ("sys/class/dmi/id/product_name", "ThinkPad\n", SecurityLevel.PROCESS_ONLY),
    ],
)
def test_a_virtual_machine_is_told_from_a_real_one(
    file: str, text: str, level: SecurityLevel, tmp_path: Path
) -> None:
    """By the processor's flags or the firmware's names."""
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert level is detect_machine(tmp_path).level


def test_this_machine_is_something() -> None:
    """And says why."""
    found = detect_machine()
    assert found.reason and found.level.description
    assert bool(found.devices) is (found.level is SecurityLevel.TEE_HARDWARE)
