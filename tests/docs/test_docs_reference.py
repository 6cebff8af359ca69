"""The reference's tables say what the code says, no more and no less."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
from collections.abc import Iterator

import apsw
import pytest
from docs_pages import ROOT, page

import holdfast
from holdfast import Session, SessionManager, gate, security
from holdfast.adapters.keys import file as key_file
from holdfast.adapters.store.sqlite_schema import MIGRATIONS
from holdfast.core import errors, events, lifecycle, settings
from holdfast.core.errors import HoldfastError
from holdfast.core.labels import Sensitivity
from holdfast.core.routing import ZONES
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.stream import EVENT_TYPES

# --- settings ---------------------------------------------------------------------


def default_of(field: dataclasses.Field[object]) -> str:
    """A field's default as the tables write it; empty when it must be given."""
    if field.default_factory is not dataclasses.MISSING:
        made = field.default_factory()
        return f"{type(made).__name__}()" if dataclasses.is_dataclass(made) else repr(made)
    if field.default is dataclasses.MISSING:
        return ""
    value = field.default
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, str):
        return value if value == "{}" else repr(value)
    return repr(value)


@pytest.mark.parametrize(
    "kind",
    [
        SessionConfig,
        settings.Limits,
        settings.ModelSettings,
        settings.Settings,
        security.SecurityConfig,
        security.Features,
        security.DataPolicy,
        security.TeeConfig,
        security.TeeAttestation,
    ],
)
def test_settings_are_listed_with_their_defaults(kind: type) -> None:
    """Every field stands in its class's table, in order, with its default."""
    rows = page("docs/reference/settings.md").rows(kind.__name__)
    written = [(row["field"], row["default"]) for row in rows]
    assert [(field.name, default_of(field)) for field in dataclasses.fields(kind)] == written


def test_later_settings_are_the_refused_ones() -> None:
    """A field is marked as later if and only if setting it is refused."""
    rows = page("docs/reference/settings.md").rows("SessionConfig")
    marked = {row["field"] for row in rows if row["meaning"] == "*later*"}
    refused = set()
    for field in dataclasses.fields(SessionConfig):
        try:
            SessionConfig(**{field.name: True}).to_settings("")
        except errors.NotYetSupported:
            refused.add(field.name)
        except (HoldfastError, TypeError, AttributeError):
            continue
    assert refused == marked


def test_open_is_listed_with_its_arguments() -> None:
    """Every argument of `SessionManager.open` stands in its table with its default."""
    rows = page("docs/reference/settings.md").rows("The manager")
    found = inspect.signature(SessionManager.open).parameters.values()
    wanted = [
        (one.name, "" if one.default is inspect.Parameter.empty else repr(one.default))
        for one in found
    ]
    assert wanted == [(row["argument"], row["default"]) for row in rows]


# --- events -----------------------------------------------------------------------


def test_events_are_listed() -> None:
    """Every kind stands in the table with its code, its marks and its fields."""
    rows = page("docs/reference/events.md").rows("Events")
    written = [
        (
            row["event"],
            int(row["code"]),
            row["must understand"],
            row["in clear"],
            tuple(re.findall(r"\w+", row["fields"].replace("`", ""))),
        )
        for row in rows
    ]
    wanted = [
        (
            kind.__name__,
            code & ~events.MUST_UNDERSTAND,
            "yes" if code & events.MUST_UNDERSTAND else "no",
            "yes" if kind in events.IN_CLEAR else "no",
            tuple(field.name for field in dataclasses.fields(kind)),
        )
        for kind, code in events.KIND_OF.items()
    ]
    assert wanted == written


def test_stream_events_are_listed() -> None:
    """Every type stands in the table in order, durable or live, with its meaning."""
    rows = page("docs/reference/stream-events.md").rows("Stream events")
    wanted = []
    for name, text in EVENT_TYPES.items():
        live, body = text.startswith("live: "), text.removeprefix("live: ")
        kind = "live" if live else "durable"
        wanted.append((name, kind, f"{body[0].upper()}{body[1:]}."))
    written = [(row["type"], row["durable or live"], row["meaning and fields"]) for row in rows]
    assert wanted == written


# --- errors -----------------------------------------------------------------------


def kinds_of_error() -> Iterator[type[HoldfastError]]:
    """Every class of error."""
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, HoldfastError):
            yield kind


def test_errors_are_listed() -> None:
    """Every reason stands in the table with its class, status and exit code."""
    rows = page("docs/reference/errors.md").rows("Errors")
    written = [
        (row["reason"], row["class"], int(row["http status"]), int(row["exit code"]))
        for row in rows
    ]
    wanted = [
        (kind.reason, kind.__name__, kind.status, kind.exit_code) for kind in kinds_of_error()
    ]
    assert sorted(wanted) == sorted(written)
    assert all(row["what to do"] for row in rows)


def test_every_error_is_raised_somewhere() -> None:
    """A reason that no code can give is not kept in reserve."""
    sources = (ROOT / "src").rglob("*.py")
    used = "\n".join(path.read_text() for path in sources if path.name != "errors.py")
    kinds = list(kinds_of_error())
    bases = {base.__name__ for kind in kinds for base in kind.__bases__}
    assert [] == [
        kind.__name__
        for kind in kinds
        if kind.__name__ not in used and (kind.__name__ not in bases)
    ]


# --- storage ----------------------------------------------------------------------


def columns_of(script: str) -> dict[str, list[str]]:
    """Tables and their columns as SQLite understands a schema."""
    database = apsw.Connection(":memory:")
    database.execute(script)
    tables = database.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).get
    names = tables if isinstance(tables, list) else [tables]
    return {
        str(name): [str(row[1]) for row in database.execute(f"PRAGMA table_info({name})")]
        for name in names
    }


@pytest.mark.parametrize(
    ("heading", "script"),
    [
        ("The store", "".join(MIGRATIONS)),
        ("The key store", key_file._SCHEMA),
    ],
)
def test_tables_are_listed(heading: str, script: str) -> None:
    """Every table stands in the page with all of its columns, in order."""
    rows = page("docs/reference/storage.md").rows(heading)
    written = {row["table"]: re.findall(r"\w+", row["columns"]) for row in rows}
    assert columns_of(script) == written


def test_every_column_is_said_to_be_clear_or_sealed() -> None:
    """The security page says of every column of the store how it is protected."""
    rows = page("docs/security.md").rows("What stays in clear")
    written = {
        f"{row['table']}.{name}" for row in rows for name in re.findall(r"\w+", row["columns"])
    }
    wanted = {
        f"{table}.{column}"
        for table, columns in columns_of("".join(MIGRATIONS)).items()
        for column in columns
    }
    assert wanted == written


# --- Python -----------------------------------------------------------------------


def test_names_are_listed() -> None:
    """Every name of `holdfast.__all__` stands in the page, in order."""
    rows = page("docs/reference/python.md").rows("Names")
    assert holdfast.__all__ == [row["name"] for row in rows]


def test_names_of_the_gate_are_listed() -> None:
    """Every name of `holdfast.gate.__all__` stands in the page, in order."""
    rows = page("docs/reference/python.md").rows("The gate")
    assert gate.__all__ == [row["name"] for row in rows]


def test_names_of_content_security_are_listed() -> None:
    """Every name of `holdfast.security.__all__` stands in the page, in order."""
    rows = page("docs/reference/python.md").rows("Content security")
    assert security.__all__ == [row["name"] for row in rows]


def test_the_fields_of_a_manifest_are_listed() -> None:
    """The how-to names every field of a `Flow`, in order."""
    rows = page("docs/how-to/content-security.md").rows("Say what your tools do")
    assert [field.name for field in dataclasses.fields(security.Flow)] == [
        row["field"] for row in rows
    ]


def test_the_zones_are_those_of_the_code() -> None:
    """The how-to says of every zone what it may see, in clear, swapped, and once asked."""

    def spoken(level: Sensitivity) -> str:
        return level.name.lower().replace("_", " ")

    written = {
        zone.strip(" `"): row
        for row in page("docs/how-to/content-security.md").rows("Zones")
        for zone in row["zone"].split(",")
    }
    assert {zone.value for zone in ZONES} == set(written)
    for zone, limits in ZONES.items():
        row = written[zone.value]
        clear = row["in clear up to"]
        swapped = row["as pseudonyms up to"] or clear
        asked = row["after a yes up to"] or swapped
        wanted = (spoken(limits.clear), spoken(limits.swapped), spoken(limits.asked))
        assert wanted == (clear, swapped, asked)
        assert ("refused" if limits.asked < Sensitivity.CRITICAL else "") == row["above"]


@pytest.mark.parametrize("kind", [SessionManager, Session])
def test_methods_are_listed(kind: type) -> None:
    """Every public method stands in its class's table or in that of the deeper ones."""
    found = page("docs/reference/python.md")
    public = {name for name, _ in inspect.getmembers(kind) if not name.startswith("_")}
    written = {row["method"] for row in found.rows(kind.__name__)}
    deeper = {
        row["method"].partition(".")[2]
        for row in found.rows("Deeper")
        if row["method"].startswith(f"{kind.__name__}.")
    }
    assert public == written | deeper
    assert set() == written & deeper


# --- the lifecycle ------------------------------------------------------------------


def test_the_lifecycle_diagram_is_the_table_of_the_code() -> None:
    """The concepts page holds exactly the diagram that the code draws."""
    blocks = page("docs/concepts.md").blocks("mermaid")
    assert [lifecycle.diagram()] == [block.text for block in blocks]
