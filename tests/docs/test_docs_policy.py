"""The reference of the policy file says what the code reads."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from docs_pages import page

from holdfast.cli.policy import judged, read_cases
from holdfast.cli.trial import Trial
from holdfast.runtime.policyfile import parse_policy
from holdfast.runtime.policyschema import SECTIONS, SEVERAL

REFERENCE = "docs/reference/policy-file.md"
HOW_TO = "docs/how-to/policy-file.md"


def test_sections_are_listed() -> None:
    """Each as it is written, once or several times."""
    wanted = {f"[[{name}]]" if name in SEVERAL else f"[{name}]" for name in SECTIONS}
    assert wanted == {row["section"] for row in page(REFERENCE).rows("Sections")}


def test_keys_are_listed() -> None:
    """Every key with what it holds; shared limits are listed with the sessions' own."""
    rows = page(REFERENCE).rows("Keys")
    limits = SECTIONS["budget"]
    wanted = {
        f"{section}.{key}": kind
        for section, keys in SECTIONS.items()
        for key, kind in keys.items()
        if not (section.startswith("budget.") and key in limits)
    }
    assert wanted == {row["key"]: row["holds"] for row in rows}
    assert all(row["meaning"] for row in rows)


def test_the_how_tos_file_and_cases_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shown file is read, and every shown case is as expected under it."""
    texts = {block.comment("file"): block.text for block in page(HOW_TO).blocks("toml")}
    monkeypatch.chdir(tmp_path)
    for name in ("policy.toml", "cases.toml"):
        Path(str(name)).write_text(texts[name], encoding="utf-8")
        os.chmod(str(name), 0o600)
    assert parse_policy(texts["policy.toml"], "policy.toml").permission

    async def work() -> list[tuple[str, str]]:
        async with Trial(tmp_path / "s.db", tmp_path / "policy.toml") as trial:
            session = await trial.open_trial(tmp_path)
            cases = read_cases(Path("cases.toml"))
            return [
                (wanted, (await judged(trial, session, asked)).decision)
                for _, asked, wanted in cases
            ]

    found = asyncio.run(work())
    assert 3 == len(found)
    assert [] == [one for one in found if one[0] != one[1]]
