"""Keys by reference, never by value."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from holdfast.adapters.models.secrets import default_variable, resolve_key, validate_reference
from holdfast.core.errors import InvalidInput, LiteralSecret, NotFound, Unavailable

LITERAL = "sk-live-0123456789abcdef"


def key_file(folder: Path, content: bytes = b"k-123\n", mode: int = 0o600) -> Path:
    """Write a key file."""
    path = folder / "key"
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("reference", ["env:NAME", "env:_a1", "file:/etc/key", "keyring:s/n/m"])
def test_references_are_accepted(reference: str) -> None:
    """The three forms are references."""
    validate_reference(reference)


@pytest.mark.parametrize(
    "text",
    [
        "",
        LITERAL,
        "env:",
        "env:1A",
        "env:A B",
        "env:A\n",
        "file:key",
        "file:",
        "keyring:s",
        "ENV:A",
    ],
)
def test_anything_else_is_a_literal_key(text: str) -> None:
    """What is no reference is refused, and not repeated."""
    with pytest.raises(LiteralSecret) as caught:
        validate_reference(text)
    assert LITERAL not in str(caught.value)
    with pytest.raises(LiteralSecret):
        resolve_key(text, "openai", {})


@pytest.mark.parametrize(
    ("provider", "variable"),
    [
        ("openai", "OPENAI_API_KEY"),
        ("anthropic", "ANTHROPIC_API_KEY"),
        ("my-own.llm", "MY_OWN_LLM_API_KEY"),
    ],
)
def test_default_variables(provider: str, variable: str) -> None:
    """Without a reference the provider's usual variable is read."""
    assert variable == default_variable(provider)
    assert "k" == resolve_key(None, provider, {variable: "k\n"})


@pytest.mark.parametrize("environ", [{}, {"A": ""}, {"A": "  "}])
def test_missing_variable(environ: dict[str, str]) -> None:
    """A variable that is not set or empty is named in the error."""
    with pytest.raises(NotFound, match="A is not set"):
        resolve_key("env:A", "openai", environ)


@pytest.mark.parametrize("value", ["two words", "k\u00e9y", "a\x00b", "a\nb"])
def test_what_is_no_key_is_refused(value: str) -> None:
    """A value no header can carry is refused and not repeated."""
    with pytest.raises(InvalidInput) as caught:
        resolve_key("env:A", "openai", {"A": value})
    assert value not in str(caught.value)


def test_key_file(tmp_path: Path) -> None:
    """A private file is read without its line end."""
    assert "k-123" == resolve_key(f"file:{key_file(tmp_path)}", "openai", {})


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o700, 0o622])
def test_a_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    """A file with any right beyond its owner's reading and writing is refused."""
    path = key_file(tmp_path, mode=mode)
    with pytest.raises(Unavailable, match="chmod 600"):
        resolve_key(f"file:{path}", "openai", {})


def test_files_that_are_no_key(tmp_path: Path) -> None:
    """A missing, empty, huge or special file is refused."""
    with pytest.raises(NotFound):
        resolve_key(f"file:{tmp_path}/none", "openai", {})
    with pytest.raises(InvalidInput):
        resolve_key(f"file:{key_file(tmp_path, b'')}", "openai", {})
    with pytest.raises(InvalidInput, match="too large"):
        resolve_key(f"file:{key_file(tmp_path, b'k' * 20_000)}", "openai", {})
    with pytest.raises(Unavailable, match="regular"):
        resolve_key(f"file:{tmp_path}", "openai", {})


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    """A named pipe is refused at once instead of being waited for."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    with pytest.raises(Unavailable, match="regular"):
        resolve_key(f"file:{pipe}", "openai", {})


def test_keyring_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package the error says what is missing."""
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(Unavailable, match="keyring package"):
        resolve_key("keyring:holdfast/openai", "openai", {})


def test_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the package the entry is read, and a missing entry is named."""
    entries = {("holdfast", "openai/work"): "k-9"}
    twin = ModuleType("keyring")
    twin.__dict__["get_password"] = lambda service, name: entries.get((service, name))
    monkeypatch.setitem(sys.modules, "keyring", twin)
    assert "k-9" == resolve_key("keyring:holdfast/openai/work", "openai", {})
    with pytest.raises(NotFound, match="holdfast/other"):
        resolve_key("keyring:holdfast/other", "openai", {})
