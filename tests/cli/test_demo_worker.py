"""The demo's runtime process."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.cli import demo_job, demo_worker


def test_it_does_the_job_and_asks_nothing_when_nobody_kills_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a kill the turn ends with one release; resuming then does nothing."""
    monkeypatch.setattr(
        demo_job, "RELEASE", demo_job.RELEASE.replace(f"sleep {demo_job.SLEEP_S}", "true")
    )
    demo_job.lay_out(tmp_path / demo_worker.WORKSPACE)
    assert 0 == demo_worker.main("begin", tmp_path, colour=False)
    assert 0 == demo_worker.main("resume", tmp_path, colour=False)
    out = capsys.readouterr().out
    assert (1, 1, False) == (
        demo_job.releases(tmp_path / demo_worker.WORKSPACE),
        out.count("All tests pass."),
        "?" in out,
    )
