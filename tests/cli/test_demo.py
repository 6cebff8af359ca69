"""`holdfast demo`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NO_SANDBOX = (
    "from holdfast.adapters.sandbox import launcher, status\n"
    "launcher.landlock_abi = lambda: 0\n"
    "status.shutil.which = lambda name: None\n"
)


def run_demo(tmp_path: Path, *args: str, **more: str) -> subprocess.CompletedProcess[str]:
    """The demo in its own process, with its temporary directory here."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HOLDFAST_")}
    return subprocess.run(
        [sys.executable, "-m", "holdfast", "demo", *args],
        env={**environment, "TMPDIR": str(tmp_path), **more},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )


@pytest.mark.slow
def test_the_demo_keeps_what_it_claims(tmp_path: Path) -> None:
    """Every claim holds, the kill and the question are shown, nothing stays behind."""
    ran = run_demo(tmp_path)
    assert (0, "") == (ran.returncode, ran.stderr)
    wanted = (
        "kill -9",
        "nobody knows whether it happened",
        "in a person's place",
        "the release happened once: releases.txt has 1 line",
        "What to notice",
    )
    assert [] == [part for part in wanted if part not in ran.stdout]
    assert (9, False, []) == (ran.stdout.count("✓ ") - ran.stdout.count("✓ ok"),
                              "NOT SO" in ran.stdout, list(tmp_path.iterdir()))  # fmt: skip


@pytest.mark.slow
def test_the_demo_works_without_a_sandbox(tmp_path: Path) -> None:
    """It says so, and finishes all the same."""
    places = tmp_path / "site"
    places.mkdir()
    (places / "sitecustomize.py").write_text(NO_SANDBOX)
    ran = run_demo(tmp_path, "--json", PYTHONPATH=str(places))
    assert (0, True) == (ran.returncode, "UNSANDBOXED" in ran.stderr), ran.stderr
    report = json.loads(ran.stdout)
    assert (True, {True}) == (report["ok"], {claim["holds"] for claim in report["claims"]})
