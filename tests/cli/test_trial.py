"""The manager that only judges."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from holdfast.cli.trial import Trial


def test_it_judges_beside_a_store_it_does_not_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file beside the store counts; no store is made, no hook asked, no enclave started."""
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("HOLDFAST_POLICY", raising=False)
    file = tmp_path / "data" / "holdfast.toml"
    hook = '[[hooks]]\nevent = "session_start"\ncommand = ["false"]\n'
    enclave = '[tee]\nenabled = true\nrequired = true\nmode = "production"\n'
    file.write_text(f'[permissions]\ndeny = ["bash"]\n{hook}{enclave}', encoding="utf-8")
    file.chmod(0o600)

    async def work() -> str:
        async with Trial(tmp_path / "data" / "s.db", None) as trial:
            assert trial.tee_runtime.configured and not trial.is_tee_enabled()
            session = await trial.open_trial(None)
            return await session.check_permission("bash", {"command": "ls"})

    assert "deny" == asyncio.run(work())
    assert ["holdfast.toml"] == [path.name for path in (tmp_path / "data").iterdir()]
