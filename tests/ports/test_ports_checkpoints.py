"""The port for places of checkpoints."""

from __future__ import annotations

import inspect

from holdfast.adapters.checkpoints.directory import CheckpointDirectory
from holdfast.ports.checkpoints import CheckpointSink


def test_the_directory_has_what_the_port_asks_for() -> None:
    """Every method, with the same arguments, and each of them is awaited."""
    sink: CheckpointSink = CheckpointDirectory("somewhere")
    for name, wanted in inspect.getmembers(CheckpointSink, inspect.isfunction):
        if not name.startswith("_"):
            found = getattr(sink, name)
            assert inspect.iscoroutinefunction(found)
            assert [*inspect.signature(wanted).parameters][1:] == [
                *inspect.signature(found).parameters
            ]
