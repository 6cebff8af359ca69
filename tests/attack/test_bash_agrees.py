"""Real bash and the parser see the same: what runs is among what was parsed.

Bash runs lines made of commands that do not exist; a handler notes the words of
each. Whatever ran for a line that the parser called clear has to be one of its
segments, word for word.
"""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest
from attackhelp import benign

from holdfast.adapters.shell.parser import BashParser

BASH = shutil.which("bash")
pytestmark = pytest.mark.skipif(BASH is None, reason="there is no bash here")
_RUN = r"""
export PATH=/nonexistent HOME=/home/me; cd "$1/w"
command_not_found_handle() {
  local IFS=; local x y=; for x in "$@"; do y+="$x"$'\001'; done
  printf '%s\002' "$y" >> "$LOG.$BASHPID"
}
for f in "$1"/*.in; do
  LOG=$f.log
  ( T=$(<"$f"); IFS=$' \t\n'; exec </dev/null >/dev/null 2>&1; eval "$T"; wait )
done
"""
_WORDS = [
    "a", "b", "-r", "--k=v", "a=b", "'q r'", '"d s"', "\\;", "\\ ", "''", '""', "$'n\\nx'",
    "$'\\x41'", "$'\\'y'", "{p,q}", "z{1,2}w", "{s", "t}", "{}", "#h", "g#", "[k]", "!", "'#'",
    '"\'"', '"\\""', '"\\a"', "é", "\\\\", '"a\nb"', "]", "=", "1", "%", "^", "@", "{a,b}{c,d}",
    "{'a,b',c}", '"{a,b}"', "do", "done", "if", "in", "time", "}", "{", "fi", "case", "esac",
]  # fmt: skip
_JOINS = [";", "&", "|", "&&", "||", "|&", "\n", ";\n", " # c; a\n", " \\\n", " "]
_FILES = [">/dev/null", "2>&1", "</dev/null", "&>/dev/null", ">&2", "<<<a", "<<< 'b c'", "3>&1"]
_HERE = ["<<E\nbody; c x\nE\n", "<<'E'; c\n$b `x`\nE\n", "<<-E | b\nx\n\tE\n", "<<\\E\n(\nE\n"]
_AROUND = [
    ("(", ")"), ("{ ", "; }"), ("! ", ""), ("if ", "; then b; fi"), ("for i in a b; do ", "; done"),
    ("case x in x) ", ";; esac"), ("until true; do ", "; done"), ("X=1 ", ""),
]  # fmt: skip
_NOISE = "'\"\\;&|()<>{} \n\t#=$!,a~*?["


def _command(dice: random.Random) -> str:
    words = [dice.choice(["a", "b", "'c'", "d''"]), *dice.choices(_WORDS, k=dice.randrange(4))]
    if dice.random() < 0.3:
        words.insert(dice.randrange(len(words) + 1), dice.choice(_FILES))
    line = dice.choice([" ", "  ", "\t", " \\\n"]).join(words)
    return f"{line} {dice.choice(_HERE)}" if dice.random() < 0.15 else line


def _line(dice: random.Random, depth: int = 0) -> str:
    line = ""
    for _ in range(dice.randrange(1, 4)):
        if dice.random() < 0.2 and depth < 3:
            before, behind = dice.choice(_AROUND)
            line += before + _line(dice, depth + 1) + behind
        else:
            line += _command(dice)
        line += dice.choice(_JOINS)
    return line


def _mutated(dice: random.Random, line: str) -> str:
    place = dice.randrange(len(line) + 1)
    if dice.random() < 0.5:
        return line[:place] + line[place + 1 :]
    return line[:place] + dice.choice(_NOISE) + line[place:]


def _ran(folder: Path, lines: list[str]) -> list[list[tuple[str, ...]]]:
    """What bash ran for each line."""
    (folder / "w").mkdir()
    for number, line in enumerate(lines):
        (folder / f"{number:06}.in").write_text(line, encoding="utf-8")
    (folder / "run.sh").write_text(_RUN, encoding="utf-8")
    assert BASH is not None
    subprocess.run(
        [BASH, "--norc", "--noprofile", str(folder / "run.sh"), str(folder)],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=300,
    )
    ran: list[list[tuple[str, ...]]] = [[] for _ in lines]
    for log in folder.glob("*.in.log.*"):
        for record in log.read_text(encoding="utf-8").split("\2")[:-1]:
            words = tuple(word.replace("/home/me", "~") for word in record.split("\1")[:-1])
            ran[int(log.name[:6])].append(words)
    return ran


def _compared(folder: Path, count: int, seed: int) -> tuple[int, list[str]]:
    """How many commands of clear lines bash ran, and the lines it read otherwise."""
    dice = random.Random(seed)
    lines = [_line(dice) for _ in range(count)]
    lines = [_mutated(dice, line) if at % 2 else line for at, line in enumerate(lines)]
    lines = [line.rstrip("\n") for line in lines if not set("*?[") & set(line)]
    total, wrong = 0, []
    for line, ran in zip(lines, _ran(folder, lines), strict=True):
        found = BashParser().parse(line)
        if found.unclear:
            continue
        parsed = {(segment.program, *segment.argv[1:]) for segment in found.segments}
        total += len(ran)
        wrong += [f"{line!r}: {words}" for words in ran if words not in parsed]
    return total, wrong


def test_bash_runs_what_was_parsed(tmp_path: Path) -> None:
    """No command of a clear line runs otherwise than it was parsed (seed E5)."""
    total, wrong = _compared(tmp_path, 400, 7)
    assert 100 < total
    assert [] == wrong


@pytest.mark.slow
def test_bash_runs_what_was_parsed_of_many(tmp_path: Path) -> None:
    """The same for many lines, half of them damaged."""
    total, wrong = _compared(tmp_path, 4_000, 11)
    assert 1_000 < total
    assert [] == wrong


def test_bash_takes_what_is_clear() -> None:
    """Every benign line is one that bash accepts, and what it refuses is unclear."""
    assert BASH is not None
    lines = benign("benign.txt")
    script = "\n".join(f"bash_line() {{\n{line}\n}}" for line in lines)
    command = [BASH, "-n"]
    checked = subprocess.run(command, check=True, input=script, capture_output=True, text=True)
    assert "" == checked.stderr
    for line in ("ls ;; x", "ls &&", "| ls", "fi", "}", "ls )", "if ls", "{ ls }", "ls 'x"):
        command = [BASH, "-n", "-c", line]
        refused = subprocess.run(command, check=False, capture_output=True)
        assert refused.returncode and BashParser().parse(line).unclear
