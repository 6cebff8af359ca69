"""What a log says of a failure: never its message, which may quote content."""

from __future__ import annotations

import traceback
from pathlib import Path


def place_of(error: BaseException) -> str:
    """The type of a failure and where it was raised."""
    name = type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return name
    last = frames[-1]
    return f"{name} in {last.name} ({Path(last.filename).name}:{last.lineno})"
