"""The package's front door: few names, loaded when first used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import holdfast


def test_every_public_name_is_there() -> None:
    """The list is sorted, holds at most 40 names, and each can be had."""
    assert sorted(holdfast.__all__) == holdfast.__all__
    assert 40 >= len(holdfast.__all__)
    assert all(getattr(holdfast, name) is not None for name in holdfast.__all__)
    assert holdfast.__all__ == dir(holdfast)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """As with any module."""
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        holdfast.nothing  # noqa: B018 - reading it is the test


def test_importing_loads_nothing_heavy() -> None:
    """apsw and cryptography load when a store is opened, provider SDKs later still."""
    script = (
        "import sys, holdfast; print(sorted({m.split('.')[0] for m in sys.modules} & "
        "{'pydantic', 'apsw', 'cryptography', 'pydantic_ai', 'openai', 'anthropic', 'typer'}))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "[]\n" == ran.stdout
