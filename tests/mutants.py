"""Plant one bug at a time in a copy of the package and see whether tests notice.

    python tests/mutants.py [WORDS IN A NAME]

The tests of a mutant run in a child process whose path begins with the copy.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from mutants_list import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parent.parent


def plant(mutant: Mutant, place: Path) -> Path:
    """Copy the package to `place` with the bug in it; returns the path to import from.

    Bytecode comes along: it holds for every file whose time and size are what they were.
    """
    source = place / "src"
    shutil.copytree(ROOT / "src" / "holdfast", source / "holdfast")
    file = source / "holdfast" / mutant.file
    text = file.read_text()
    assert 1 == text.count(mutant.old), f"{mutant.name}: its text is not in {mutant.file} once"
    for compiled in file.parent.glob(f"__pycache__/{file.stem}.*"):
        compiled.unlink()
    file.write_text(text.replace(mutant.old, mutant.new))
    return source


def notice(mutant: Mutant, place: Path) -> tuple[bool, str]:
    """Run the mutant's tests against it: whether they fail, and what they said."""
    source = plant(mutant, place)
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider"]
    command += ["-m", "not slow", "--override-ini", f"pythonpath={source} {ROOT / 'tests'}"]
    command += [str(ROOT / "tests" / name) for name in mutant.tests]
    environment = {**os.environ, "PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    # 1: tests failed. Anything else (a typo in a path, no tests found) proves nothing.
    return done.returncode == 1, done.stdout[-2_000:] + done.stderr[-2_000:]


def main(words: list[str]) -> int:
    """Print what became of each mutant; returns how many lived."""
    lived = 0
    for mutant in MUTANTS:
        if all(word in mutant.name for word in words):
            with tempfile.TemporaryDirectory() as place:
                noticed, said = notice(mutant, Path(place))
            print("killed" if noticed else "LIVED ", mutant.file, "-", mutant.name, flush=True)
            if not noticed:
                lived += 1
                print(said)
    return lived


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
