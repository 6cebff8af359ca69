"""What programs run besides themselves, by the tables."""

from __future__ import annotations

import pytest

from holdfast.adapters.shell.programs import safe_name
from holdfast.adapters.shell.unwrap import has_option, unwrap


def doubts(line: str) -> str:
    """The first reason why it is not known what a program runs."""
    name, *args = line.split(" ")
    return next((one.doubt for one in unwrap(name, tuple(args)) if one.doubt), "")


@pytest.mark.parametrize(
    "line",
    ["git -c a=b log", "git log --ext-diff", "git log --ext", "git grep -Ox y", "git bisect run x",
     "tar --checkpoint-ac=exec=x f", "tar -Ix f", "rsync -avze x a b", "rg --pre x", "fd -x rm",
     "python -c x", "python -", "python", "python3.12 -Bc x", "perl -ne x", "node --eval x",
     "awk {system(1)} f", "awk -f x", "sed 1e f", "sed -f x", "sed w f", "sh", "sh -s", "sh --x y",
     "bash --rcfile x", "zsh -c ls", "xargs sh", "xargs find", "xargs git diff", "npx --yes x",
     "make CC=x", "make -C /x", "make --eval=x", "pytest -c /x", "pre-commit run -c ../x",
     "pytest -p x", "go test -exec x",
     "env -S x", "env PATH=x ls", "nice --x ls", "export PATH=x", "export -n x", "test -v a[$(x)]",
     "set -o posix", "set +e", "mvn exec:java", "cd -", "cd a b", "printf -v a b", "read a",
     "docker run x y", "ssh h ls", "parallel ls", "less x", "vim x", "man -P x ls", "npm exec x y"],
)  # fmt: skip
def test_what_runs_code_is_not_clear(line: str) -> None:
    """Code, options that run something and unknown options of wrappers (seed E5)."""
    if line == "npm exec x y":
        assert [("x", "y")] == [one.argv for one in unwrap("npm", ("exec", "x", "y"))]
    else:
        assert "" != doubts(line)


@pytest.mark.parametrize(
    "line",
    ["git log -p", "git diff --stat", "git commit -m x", "tar xf x", "rg -n x", "python x.py",
     "python -m pytest", "python --version", "awk {print} f", "sed -n 1,5p f", "sed s/a/b/g f",
     "sh x.sh", "xargs cat", "make -j4 V=1 test", "pytest -xq", "env CI=1 ls", "export CI=1",
     "test -f x", "set -euo pipefail", "mvn -q test", "cd x", "command -v x", "nice -n 5 ls"],
)  # fmt: skip
def test_what_is_harmless_is_clear(line: str) -> None:
    """These run nothing that is not in the line or named by it."""
    assert "" == doubts(line)


def test_options_are_found_however_they_are_written() -> None:
    """Abbreviated, with a value, in a cluster, with one dash."""
    assert has_option(("--output=x",), "--output")
    assert has_option(("--outp",), "--output")
    assert not has_option(("--outputs",), "--output")
    assert has_option(("-vxe",), "-e")
    assert not has_option(("--e",), "-e")
    assert has_option(("--exec",), "-exec")
    assert has_option((), "")


def test_files_that_programs_write_are_named() -> None:
    """`tee`, `-o`, `--output` and second operands are files like those of a redirection."""
    for name, args in (
        ("tee", ("-a", "x")), ("sort", ("-o", "x")), ("sort", ("-ox",)), ("uniq", ("a", "x")),
        ("git", ("log", "--output=x")), ("git", ("log", "--output", "x")),
        ("find", (".", "-fprint", "x")), ("sed", ("-i", "s/a/b/", "x")),
    ):  # fmt: skip
        assert ("x",) in [one.writes for one in unwrap(name, args)]


def test_variables_are_safe_by_name_only() -> None:
    """What is not known to be harmless is not."""
    assert all(safe_name(name) for name in ("CI", "TZ", "LC_ALL", "x"))
    assert not any(safe_name(n) for n in ("PATH", "IFS", "LD_PRELOAD", "GIT_PAGER", "ANY", "ENV"))


def test_every_assignment_of_a_wrapper_is_taken() -> None:
    """Behind one that is not safe too: each is read once, and the program is still found."""
    (inner,) = unwrap("env", ("CI=1", "PATH=x", "IFS=y", "rm", "z"))
    assert (("rm", "z"), "sets the variable PATH") == (inner.argv, inner.doubt)
    (inner,) = unwrap("env", ("-Z", "CI=1", "rm"))
    assert (("rm",), True) == (inner.argv, "not understood" in inner.doubt)


def test_what_find_and_containers_run_is_listed() -> None:
    """The commands behind `-exec`, and what stands behind an image's name."""
    inner = [one.argv for one in unwrap("find", ("/x", "-exec", "rm", "{}", ";"))]
    assert [("rm", "{}"), ("rm", "/x")] == inner
    assert ("rm", "x") in [one.argv for one in unwrap("docker", ("run", "img", "rm", "x"))]
    assert ["a b"] == [one.line for one in unwrap("su", ("-c", "a b"))]
