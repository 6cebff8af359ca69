"""Empty, default and short passphrases are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from holdfast.bootstrap import SessionManager
from holdfast.core.errors import InvalidInput
from holdfast.core.passphrases import check_passphrase

BAD = ["", " " * 20, "short", "elevenchars", "a" * 40, "abababababab", "PasswordPassword", None]


@pytest.mark.parametrize("text", BAD)
def test_what_anybody_tries_is_refused(text: Any, tmp_path: Path) -> None:
    """Also when a store is opened, and nothing is made then."""
    with pytest.raises(InvalidInput):
        check_passphrase(text)
    if text is not None:
        with pytest.raises(InvalidInput):
            SessionManager.open(tmp_path / "s.db", passphrase=text)
    assert [] == list(tmp_path.iterdir())


def test_a_good_one_is_taken_as_it_is() -> None:
    """Spaces and all."""
    assert " four words of mine " == check_passphrase(" four words of mine ")
