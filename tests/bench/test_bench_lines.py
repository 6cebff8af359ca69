"""The benchmark's result lines have the form that readers of a run rely on."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(scope="module")
def common() -> ModuleType:
    """The module that makes the lines; bench/ is no package."""
    spec = importlib.util.spec_from_file_location("bench_common", BENCH / "common.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_line_is_one_json_object_with_all_fields(common: ModuleType) -> None:
    """Name, value, unit, bar, ok and against are always there."""
    line = common.result_line("append", 15_123.4567, "events/s", at_least=15_000, against="raw")
    assert line.startswith("RESULT {")
    assert "\n" not in line
    expected = {
        "name": "append",
        "value": 15123.5,
        "unit": "events/s",
        "bar": ">= 15000",
        "ok": True,
        "against": "raw",
    }
    assert expected == json.loads(line.removeprefix("RESULT "))
    assert expected == common.parse_line(line)


@pytest.mark.parametrize(
    ("value", "bars", "ok"),
    [
        (3.0, {"at_most": 3}, True),
        (3.1, {"at_most": 3}, False),
        (10.0, {"at_least": 10}, True),
        (9.9, {"at_least": 10}, False),
        (None, {"at_least": 10}, None),
        (1.0, {}, None),
        (1.0, {"bar": "one of two", "ok": True}, True),
    ],
)
def test_ok_says_whether_the_bar_is_met(
    common: ModuleType, value: float | None, bars: dict[str, float], ok: bool | None
) -> None:
    """True or false where there is a bar and a figure, else null."""
    row = common.parse_line(common.result_line("x", value, "ms", **bars))
    assert ok is row["ok"]


def test_a_figure_that_could_not_be_taken_says_why(common: ModuleType) -> None:
    """The line is there with its reason; nothing is left out in silence."""
    row = common.parse_line(common.result_line("peer", None, "ms", note="exit 1: no module"))
    assert row["value"] is None
    assert "exit 1: no module" == row["note"]


def test_other_lines_are_no_results(common: ModuleType) -> None:
    """What a script prints besides is passed over."""
    assert common.parse_line("the window holds 942 messages") is None


def test_figures_are_found_by_later_scripts(
    common: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ratios are taken against figures of the same run, and of no other."""
    assert {} == common.facts()
    monkeypatch.setenv("BENCH_FACTS", str(tmp_path / "facts.json"))
    common.remember("peer append 128: A", 100.0)
    common.remember("peer append 128: B", 200.0)
    assert {"peer append 128: A": 100.0, "peer append 128: B": 200.0} == common.facts()
