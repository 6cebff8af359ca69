"""The reference of the configuration says what the table of settings says."""

from __future__ import annotations

from docs_pages import page

from holdfast.core.principals import ROLES
from holdfast.runtime.configuration import OPTIONS
from holdfast.runtime.policyfile import parse_policy

REFERENCE = "docs/reference/configuration.md"


def shown(default: object) -> str:
    """A default as the table has it."""
    return str(default) if default not in ("", ()) else ""


def test_the_settings_of_the_file_are_listed() -> None:
    rows = page(REFERENCE).rows("The file and its variables")
    wanted = [(o.name, o.variable, o.kind, shown(o.default)) for o in OPTIONS if o.section]
    assert wanted == [(r["key"], r["variable"], r["holds"], r["default"]) for r in rows]
    assert all(row["meaning"] for row in rows)


def test_the_other_variables_are_listed() -> None:
    rows = page(REFERENCE).rows("Variables alone")
    assert [o.variable for o in OPTIONS if not o.section] == [row["variable"] for row in rows]


def test_the_example_is_read_and_the_built_in_roles_are_named() -> None:
    blocks = list(page(REFERENCE).blocks("toml"))
    assert "auditor" in parse_policy(blocks[0].text, "holdfast.toml").serving.roles.own
    assert all(f"`{name}`" in "\n".join(page(REFERENCE).lines) for name in ROLES)
