"""The page of the client says what the code says."""

from __future__ import annotations

import dataclasses

from docs_pages import page

from holdfast.client import ClientSettings


def test_the_settings_of_a_client_are_listed() -> None:
    """Every field stands in the table, in order, with its default."""
    rows = page("docs/how-to/client.md").rows("What is tried again")
    assert [(one.name, repr(one.default)) for one in dataclasses.fields(ClientSettings)] == [
        (row["field"], row["default"]) for row in rows
    ]
