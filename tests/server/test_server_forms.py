"""Directories that are offered, levels and messages as JSON."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.core.errors import Denied, InvalidInput
from holdfast.core.labels import Sensitivity
from holdfast.core.messages import Message, Role, Text, ToolUse
from holdfast.server.forms import level_name, message_form, offered_directory


def test_directories(tmp_path: Path) -> None:
    """Below the root's folder of the workspace, by whatever path; nowhere else."""
    for name in ("ours/a", "theirs", "ours-2"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "ours" / "link").symlink_to(tmp_path / "theirs")
    roots = (str(tmp_path),)
    inside = str(tmp_path / "ours" / "a")
    assert inside == offered_directory(f"{inside}/../a", "ours", roots)
    assert "" == offered_directory("", "ours", ())
    for path in ("/", str(tmp_path), f"{inside}/../../theirs", str(tmp_path / "ours-2")):
        with pytest.raises(Denied):
            offered_directory(path, "ours", roots)
    for path in (str(tmp_path / "ours" / "link"), "relative"):
        with pytest.raises(Denied):
            offered_directory(path, "ours", roots)
    with pytest.raises(InvalidInput):
        offered_directory("\0", "ours", roots)


def test_messages_and_levels() -> None:
    """Parts by their type; levels as the seeds write them."""
    found = message_form(Message(Role.ASSISTANT, (Text("a"), ToolUse("1", "look", "{}"))))
    assert ["text", "tool_use"] == [one["type"] for one in found.parts]
    assert ("assistant", "a", True, "Normal") == (
        found.role,
        found.text,
        found.trusted,
        found.sensitivity,
    )
    assert "HighlySensitive" == level_name(Sensitivity.HIGHLY_SENSITIVE)
