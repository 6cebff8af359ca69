"""The index row: no plaintext, found by whole words without regard to case."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.events import Details
from holdfast.core.lifecycle import SessionState
from holdfast.core.settings import Settings
from holdfast.core.view import SessionView
from holdfast.runtime.index import blind, fold_text, tag_tokens, title_tokens, tokens_of

KEY = b"k" * 32
VIEW = SessionView(user_id="u", settings=Settings(name="Name"), state=SessionState.ACTIVE)


def test_tokens_find_and_do_not_find() -> None:
    """Words of the title, tags and the user find a session; parts and others do not."""
    view = replace(VIEW, details=Details(title="Fix the  TESTS", tags=("Red",)))
    tokens = tokens_of(view, KEY)
    assert title_tokens(KEY, "tests fix") <= tokens
    assert not title_tokens(KEY, "test") <= tokens
    assert tag_tokens(KEY, ["RED"]) <= tokens
    assert not tag_tokens(KEY, ["fix"]) <= tokens
    assert blind(KEY, "user", "u") in tokens
    assert not title_tokens(b"x" * 32, "tests") <= tokens


def test_the_name_stands_in_for_a_title() -> None:
    """Without a title a session is found by its name."""
    assert title_tokens(KEY, "name") <= tokens_of(VIEW, KEY)


@given(st.text(max_size=30))
def test_folding_ignores_white_space_around_and_between(text: str) -> None:
    """However a text is spaced, it is found by its words."""
    assert fold_text(text) == fold_text(f"  {text}\t")
    assert title_tokens(KEY, text) == title_tokens(KEY, text.replace(" ", "  "))
