"""Random paths on real trees full of links, against another resolver: no escape.

The oracle is `os.path.realpath` of Python's library. Beside the verdict, every
path is really opened as a tool would, and what comes back is looked at.
"""

from __future__ import annotations

import errno
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from holdfast.adapters.tools.workspace import Workspace
from holdfast.core.errors import HoldfastError
from holdfast.core.tools import Operation, ToolSpec
from holdfast.ports.tool import Escape
from holdfast.runtime.paths import escapes, judged, path_uses

NAMES = [
    "a", "b", "A", "B", "é", "e\u0301", "É", "x.", "x ", " x", "...", "-", "*", "?", "~", "~b",
    "\\", "名", "..a", "a..", "new\nline", "n" * 255, "ﬁ", "ß", "\u202e", "$HOME", "%2e%2e",
]  # fmt: skip
CONTROLS = ["\0", "\n", "\x1b", "\x7f", "\x9b"]
OUTSIDE = b"OUTSIDE"
SPEC = ToolSpec(name="act", description="", parameters="{}", path_params=("p",))


class Tree:
    """A workspace, a place beside it, and links from each to each."""

    def __init__(self, base: Path, random: Random) -> None:
        self.base, self.random = os.path.realpath(base), random
        self.root, self.outside = f"{self.base}/ws", f"{self.base}/ws-out"
        self.inner, self.outer = [self.root], [self.outside]
        os.mkdir(self.root)
        os.mkdir(self.outside)
        for known, content in ((self.inner, b"INSIDE"), (self.outer, OUTSIDE)):
            for _ in range(12):
                self._grow(known, content)
        for _ in range(16):
            self._link()
        os.environ["HOME"] = random.choice([self.outside, self.base, self.root])

    def _name(self, folder: str) -> str:
        return f"{folder}/{self.random.choice(NAMES)}"

    def _grow(self, known: list[str], content: bytes) -> None:
        path = self._name(self.random.choice(known))
        if os.path.lexists(path):
            return
        if self.random.random() < 0.6:
            os.mkdir(path)
            known.append(path)
        else:
            Path(path).write_bytes(content + path.encode())

    def _link(self) -> None:
        folder = self.random.choice([*self.inner, *self.inner, *self.outer])
        target = self.random.choice(
            [
                self.random.choice([*self.inner, *self.outer]),
                self._name(self.random.choice([*self.inner, *self.outer])),
                os.path.relpath(self.random.choice([*self.inner, *self.outer]), folder),
                "../" * self.random.randint(1, 5),
                self.random.choice(NAMES),
                "..",
                ".",
                "/",
            ]
        )
        if not os.path.lexists(path := self._name(folder)):
            os.symlink(target, path)

    def path(self) -> str:
        """A path as nobody sane would write it."""
        random = self.random
        parts = [
            random.choice(["..", ".", "", *[self._some() for _ in range(5)]])
            for _ in range(random.randint(1, 7))
        ]
        start = random.choice(
            ["", "", "", "./", "~/", "~", "/", "//", self.root + "/", self.outside + "/",
             self.base + "/", "~root/", "~nobody-there/", self.root + "/../", "//" + self.root]
        )  # fmt: skip
        text = start + random.choice(["/", "/", "//"]).join(parts)
        return self._spoiled(text) if random.random() < 0.15 else text

    def _some(self) -> str:
        known = self.random.choice([*self.inner, *self.outer])
        try:
            names = os.listdir(known)
        except OSError:
            names = []
        return self.random.choice([*names, self.random.choice(NAMES)])

    def _spoiled(self, text: str) -> str:
        random = self.random
        at = random.randint(0, len(text))
        match random.randint(0, 5):
            case 0:
                return f"{text[:at]}{random.choice(CONTROLS)}"
            case 1:
                return text + "/a" * random.choice([500, 2047, 3000])
            case 2:
                return f"{text[:at]}{'m' * random.choice([255, 256, 5000])}{text[at:]}"
            case 3:
                return unicodedata.normalize(random.choice(["NFC", "NFD", "NFKC"]), text)
            case 4:
                return text.swapcase()
            case _:
                return f"{text}\ud800"

    def contents(self) -> dict[str, bytes]:
        """Every file and link outside."""
        found: dict[str, bytes] = {}
        for folder, folders, files in os.walk(self.outside):
            for name in (*folders, *files):
                path = f"{folder}/{name}"
                if os.path.islink(path):
                    found[path] = os.readlink(path).encode()
                else:
                    found[path] = Path(path).read_bytes() if os.path.isfile(path) else b""
        return found


def oracle(text: str, root: str) -> str | None:
    """Where the library says that a path leads; None for what is to be refused."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return None
    if size >= 4096 or any(ord(char) < 32 or 127 <= ord(char) < 160 for char in text):
        return None
    home = os.path.expanduser(text)
    if home.startswith("~"):
        return None
    try:
        os.path.realpath(os.path.join(root, home), strict=True)
    except OSError as error:
        # Of what stands behind a loop the library says something all the same.
        if error.errno == errno.ELOOP:
            return None
    real = os.path.realpath(os.path.join(root, home))
    real = "/" + real.lstrip("/")
    parts = real.split("/")
    # A link that is left in what was resolved is part of a loop.
    if any(os.path.islink("/".join(parts[:length])) for length in range(2, len(parts) + 1)):
        return None
    long = any(len(part.encode()) > 255 for part in home.split("/"))
    return None if long or len(real.encode()) >= 4096 else real


def beneath(path: str, folder: str) -> bool:
    """Whether a path is a folder or lies in it."""
    return os.path.commonpath([path, folder]) == folder


def check(tree: Tree, *, walking: bool, number: int) -> bool:
    """Judge and open one path; returns whether it was inside."""
    text = tree.path()
    (use,) = path_uses(SPEC, {"p": text}, tree.root)
    wanted = oracle(text, tree.root)
    assert (wanted or "") == use.real, repr(text)
    assert (wanted is not None and beneath(wanted, tree.root)) == (use.inside is not None)
    openings: list[tuple[Escape, ...]] = [()]
    if use.inside is None and use.real:
        openings.append(escapes((use,)))
    for permitted in openings:
        with Workspace.open(
            tree.root, without_openat2=walking, judged=judged((use,)), escapes=permitted
        ) as workspace:
            try:
                data = workspace.read_bytes(text)
            except (HoldfastError, OSError):
                data = b""
            if use.inside is None and not permitted:
                assert not data or not data.startswith(OUTSIDE), repr(text)
            if data and use.real:
                assert Path(use.real).read_bytes() == data, repr(text)
            # No deep trees: what clears them away later calls itself for each level.
            if number % 7 == 0 and not permitted and text.count("/") < 50:
                try:
                    workspace.write_bytes(text, b"INSIDE, written")
                except (HoldfastError, OSError):
                    pass
    return use.inside is not None


def fuzz(base: Path, seed: int, trees: int, cases: int) -> Iterator[bool]:
    """Run so many cases on each of so many trees."""
    for number in range(trees):
        random = Random(f"{seed}/{number}")
        folder = base / str(number)
        folder.mkdir()
        tree = Tree(folder, random)
        before = tree.contents()
        for case in range(cases):
            yield check(tree, walking=case % 5 == 0, number=case)
        assert before == tree.contents(), "something outside has changed"


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trees set the home; it is put back."""
    monkeypatch.setenv("HOME", "/")


def test_three_thousand_paths(tmp_path: Path) -> None:
    """Judged inside exactly if the oracle says so; nothing outside is read or written."""
    found = list(fuzz(tmp_path, 1, 30, 100))
    assert 3_000 == len(found)
    assert 500 < sum(found) < 2_500


@pytest.mark.slow
def test_tens_of_thousands_of_paths(tmp_path: Path) -> None:
    """No escape; `make bench-gate` has 100,000 cases."""
    assert 40_000 == sum(1 for _ in fuzz(tmp_path, 2, 100, 400))


def test_the_oracle_finds_a_naive_resolver(tmp_path: Path) -> None:
    """What looks at the text alone differs from the oracle: the cases are no toys."""
    tree = Tree(tmp_path, Random(3))
    texts = [tree.path() for _ in range(1_000)]
    naive = [
        os.path.normpath(os.path.join(tree.root, text)).startswith(tree.root) for text in texts
    ]
    wanted = [
        (real := oracle(t, tree.root)) is not None and beneath(real, tree.root) for t in texts
    ]
    differ = sum(one != other for one, other in zip(naive, wanted, strict=True))
    assert differ > 50


def test_operations_of_an_escape(tmp_path: Path) -> None:
    """astrid#AW-9 at open time: what was permitted for reading is not written."""
    root = os.path.realpath(tmp_path)
    os.mkdir(f"{root}/ws")
    Path(root, "x").write_bytes(OUTSIDE)
    real = f"{root}/x"
    for operation in (Operation.READ, Operation.LIST, Operation.DELETE):
        permitted = (Escape(path=real, operations=(operation,)),)
        with (
            Workspace.open(f"{root}/ws", judged={"x": real}, escapes=permitted) as workspace,
            pytest.raises(HoldfastError),
        ):
            workspace.write_bytes("x", b"")
    assert OUTSIDE == Path(real).read_bytes()
