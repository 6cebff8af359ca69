"""From a line to segments: operators, quotes, wrappers, redirections, limits."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.shell.parser import BRACES_MAX, LINE_BYTES_MAX, SEGMENTS_MAX, BashParser
from holdfast.core.commandline import CommandLine


def parse(line: str) -> CommandLine:
    """Parse one line."""
    return BashParser().parse(line)


def argvs(line: str) -> list[tuple[str, ...]]:
    """The words of each segment of a line that has to be clear."""
    found = parse(line)
    assert "" == found.unclear
    return [segment.argv for segment in found.segments]


@pytest.mark.parametrize("operator", [";", "&", "&&", "||", "|", "|&", "\n"])
def test_operators_split(operator: str) -> None:
    """Each operator stands between two commands (a3s#A5)."""
    assert [("ls",), ("rm", "x")] == argvs(f"ls {operator} rm x")
    assert [("ls",), ("rm", "x")] == argvs(f"ls{operator}rm x")


@pytest.mark.parametrize(
    "line", ["rm x", "'rm' x", '"rm" x', "r\\m x", "r''m x", "$'rm' x", "$'\\x72m' x", 'r"m" x']
)
def test_quotes_are_removed(line: str) -> None:
    """However its name is quoted, the program is the same (astrid#AW-5)."""
    assert [("rm", "x")] == argvs(line)


def test_the_program_is_its_base_name_and_is_kept_as_written() -> None:
    """`/bin/rm` is `rm`, and where it lies is not lost."""
    (segment,) = parse("/bin/rm -rf /").segments
    assert ("rm", "-rf", "/") == segment.argv
    assert "/bin/rm" == segment.program


@pytest.mark.parametrize(
    ("line", "inner"),
    [
        ("env CI=1 ls -l", ("ls", "-l")),
        ("env -u X -- ls", ("ls",)),
        ("nice -n 5 ls", ("ls",)),
        ("timeout -k 5 10 ls", ("ls",)),
        ("timeout --signal KILL 10 ls", ("ls",)),
        ("stdbuf -oL ls", ("ls",)),
        ("nohup ls", ("ls",)),
        ("time -p ls", ("ls",)),
        ("command ls", ("ls",)),
        ("sh -c 'ls'", ("ls",)),
        ("bash -euo pipefail -c ls", ("ls",)),
        ("eval ls", ("ls",)),
        ("find . -exec ls {} +", ("ls", "{}")),
        ("find a -delete", ("rm", "-r", "a")),
        ("xargs -n 1 cat", ("cat", "{}")),
        ("busybox ls", ("ls",)),
        ("python -m pytest -q", ("pytest", "-q")),
        ("nice env timeout 1 ls", ("ls",)),
    ],
)
def test_wrappers_are_taken_off(line: str, inner: tuple[str, ...]) -> None:
    """What a wrapper runs stands beside it, and both are to be allowed (a3s#A5)."""
    found = parse(line)
    assert "" == found.unclear
    assert inner in [segment.argv for segment in found.segments if segment.wrapped or inner]
    assert 2 <= len(found.segments)


@pytest.mark.parametrize(
    "line",
    ["echo $(rm x)", "echo `rm x`", 'echo "$(rm x)"', "cat <(rm x)", "tee >(rm x)",
     "echo ${a:-$(rm x)}", "echo $((1+$(rm x)))", "cat <<E\n$(rm x)\nE", "a=$(rm x)",
     "[[ -n $(rm x) ]]", "for i in $(rm x); do ls; done", "case $(rm x) in a) ls;; esac"],
)  # fmt: skip
def test_substitutions_are_seen_and_unclear(line: str) -> None:
    """A command inside of a word is a segment, and the line is asked about."""
    found = parse(line)
    assert ("rm", "x") in [segment.argv for segment in found.segments]
    assert "" != found.unclear


@pytest.mark.parametrize(
    "line",
    ["$X ls", "ls $X", "l? x", "~/ls", "{ls,x}", "ls -[a]", "ls ~root", "PATH=. ls", "FOO=1 ls",
     "a[1;2]=3 ls",
     "ls 'x", "ls (", "ls ;; x", "f() { ls; }", "coproc ls", "((1))", "ls\r\nrm x", "ls\0",
     "ls \u202e", "l\u00a0s", "ls > $X", "ls > *", "cat <<E\nx", "echo $\\\nHOME", "x\\\ny",
     "echo $'\\xff'", "echo $\"x\"", "echo {1..3}", "{,ls}", "ls {fd}>x", "find {-delete,x}", ""],
)  # fmt: skip
def test_what_is_not_certain_is_unclear(line: str) -> None:
    """Nothing of this is read one way or the other."""
    assert "" != parse(line).unclear


def test_redirections_are_files_of_their_command() -> None:
    """Files read and written are told apart; descriptors and /dev/null are no files."""
    first, second = parse("a <in >out 2>&1 2>>err &>all | b >/dev/null <>both").segments
    assert (("in",), ("out", "err", "all")) == (first.reads, first.writes)
    assert (("both",), ("both",)) == (second.reads, second.writes)


def test_writes_behind_cd_are_in_its_folder() -> None:
    """A file named behind `cd` may lie in either folder, so both are to be allowed."""
    segment = parse("cd .git/hooks && echo x > pre-commit").segments[-1]
    assert ("pre-commit", ".git/hooks/pre-commit") == segment.writes


def test_here_documents_are_data() -> None:
    """The body of a here-document is no command, unless a shell reads it."""
    assert [("cat",), ("ls",)] == argvs("cat <<'E'\nrm x\nE\nls")
    assert [("cat",), ("b",), ("ls",)] == argvs("cat <<A <<B; b\n1\nA\n2\nB\nls")
    assert ("rm", "x") in [segment.argv for segment in parse("sh <<E\nrm x\nE").segments]


def test_pipes_and_substitutions_feed() -> None:
    """Commands of one pipeline share a number, others do not."""
    curl, sh, ls = parse("curl x | sh; ls").segments
    assert 0 != curl.pipe == sh.pipe
    assert 0 == ls.pipe
    inner, outer = parse("sh <(curl x)").segments
    assert 0 != inner.pipe == outer.pipe


def test_braces_are_expanded_as_bash_does() -> None:
    """Words in braces become words; more of them than allowed are unclear."""
    assert [("cp", "x", "x.bak", "a1b", "a2b")] == argvs("cp x{,.bak} a{1,2}b")
    assert "" != parse("echo " + "{a,b}" * 7).unclear
    assert BRACES_MAX >= len(parse("echo " + "{a,b}" * 6).segments[0].argv) - 1


def test_limits_make_a_line_unclear() -> None:
    """Too long, too deep, too many: each is unclear, and none takes long."""
    assert "" == parse("a " * 1_000).unclear
    assert "bytes" in parse("a" * (LINE_BYTES_MAX + 1)).unclear
    assert "deep" in parse("( " * 60 + "a" + ")" * 60).unclear
    many = parse("a;" * (SEGMENTS_MAX + 1))
    assert SEGMENTS_MAX >= len(many.segments)
    assert "" != many.unclear


@pytest.mark.parametrize(
    "piece", ["(", "$(", "`", "${", "$((", "'", '"', "\\", "{", "<<a\n", "{a,b}", "a=(", "[[ ",
              "if ", "a|", "<(", "$'", "a b ", "case a in ", "\\\n", "#", "xargs "]
)  # fmt: skip
def test_time_is_linear(piece: str) -> None:
    """A line of the greatest length is read within a second, whatever it repeats."""
    line = piece * (LINE_BYTES_MAX // len(piece))
    before = time.process_time()
    parse(line)
    assert 3.0 > time.process_time() - before


@given(st.text(max_size=200))
def test_any_text_can_be_parsed(text: str) -> None:
    """Parsing never raises."""
    found = parse(text)
    assert found.segments or found.unclear


_PIECES = st.sampled_from(
    ["a", "rm", " ", "\n", "'", '"', "\\", "$", "`", "(", ")", "{", "}", ";", "&", "|", "<", ">",
     "if", "then", "fi", "do", "done", "case", "in", "esac", "[[", "]]", "=", "#", "<<E", "E", "x",
     "~", "*", ",", "$(", "${", "function", "time", "!", "env", "sh -c", "find", "-exec", "xargs"]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=40))
def test_any_pieces_can_be_parsed(pieces: list[str]) -> None:
    """Parsing never raises for what looks like a shell's language either."""
    found = parse("".join(pieces))
    assert found.segments or found.unclear
