"""Export, import and fork."""

from __future__ import annotations

import stat

import pytest
from clihelp import Place


def history(place: Place, id: str) -> list[str]:
    """What the model sees, as text."""
    found = place.cli("sessions", "show", id, "--history", "--json").json()
    assert isinstance(found, dict)
    return [part.get("text") for message in found["history"] for part in message["parts"]]


@pytest.mark.parametrize("form", ["jsonl", "session_data"])
def test_export_and_import(place: Place, form: str) -> None:
    """What is exported can be taken over; the file is its owner's only."""
    place.say("one", "hello")
    file = place.root / "one.file"
    done = place.cli("sessions", "export", "one", "--format", form, "-o", str(file))
    assert (0, 0o600) == (done.code, stat.S_IMODE(file.stat().st_mode))
    plain = place.cli("sessions", "export", "one", "--format", form)
    assert file.read_text("utf-8") == plain.out
    taken = place.cli("sessions", "import", str(file), "--id", "two")
    assert (0, "two\n", True) == (taken.code, taken.out, "not trusted" in taken.err)
    assert ["go", "hello"] == history(place, "two")
    again = place.cli("sessions", "import", str(file), "--json").json()
    assert 2 == again["messages"]


def test_what_cannot_be_exported_or_imported(place: Place) -> None:
    """A wrong format, a missing session, a missing or foreign file are refused."""
    place.say("one")
    (place.root / "foreign").write_text("hello")
    codes = [
        place.cli("sessions", *args).code
        for args in (
            ("export", "one", "--format", "xml"),
            ("export", "none"),
            ("export", "one", "-o", "/does/not/exist/x"),
            ("import", "/does/not/exist"),
            ("import", str(place.root / "foreign")),
        )
    ]
    assert [2, 3, 2, 2, 2] == codes


def test_fork(place: Place) -> None:
    """A fork has the conversation of a version; the source stays."""
    place.say("one", "hello")
    assert "two\n" == place.cli("sessions", "fork", "one", "two").out
    made = place.cli("sessions", "fork", "one", "--at", "1", "--json").json()
    id = made["session"]
    assert (["go", "hello"], []) == (history(place, "two"), history(place, str(id)))
    assert 4 == place.cli("sessions", "fork", "one", "two").code
