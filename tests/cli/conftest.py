"""A place of its own for each test of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from clihelp import Place


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "HOLDFAST_STORE",
        "HOLDFAST_INSTALLATION_KEY",
        "HOLDFAST_MODEL",
        "HOLDFAST_POLICY",
        "HOLDFAST_SERVER",
        "HOLDFAST_TOKEN",
        "HOLDFAST_TOKEN_FILE",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Place]:
    """An empty store's place."""
    yield Place(tmp_path, capsys)
