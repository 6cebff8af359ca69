"""Every example of the documentation runs, every link leads somewhere."""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import inspect
import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import typer
from docs_pages import ROOT, Block, Page, bare, page, pages

from holdfast import bootstrap
from holdfast.cli.main import VALUES, app, hoist, main
from holdfast.core.settings import ModelSettings
from holdfast.testing.script import Script, parse_script
from holdfast.testing.scripted import ScriptedModel

BLOCK_S_MAX = 30
"""A block that waits for what does not come fails instead of hanging."""

WITH_PYTHON = [
    pytest.param(
        found, id=found.rel, marks=[pytest.mark.slow] if "<!-- slow: " in found.text else []
    )
    for found in pages()
    if found.blocks("python")
]


def by_path(found: Page) -> str:
    """Name a test after its page."""
    return found.rel


@contextmanager
def elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in an empty directory, with a home and an installation key of its own."""
    work, home = folder / "project", folder / "home"
    for made in (work, home):
        made.mkdir(mode=0o700)
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("HOLDFAST_INSTALLATION_KEY", str(home / "installation.key"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-real-key")
    yield work


class Player:
    """Runs the Python blocks of one page, one after the other, in one namespace."""

    def __init__(self, found: Page, monkeypatch: pytest.MonkeyPatch) -> None:
        self.script = Script()
        self.added = 0
        self.names: dict[str, object] = {"__name__": "example"}
        self._page = found
        if any(block.comment("script") for block in found.blocks()):
            monkeypatch.setattr(bootstrap, "build_client", self._client)

    def _client(self, settings: ModelSettings, **_: object) -> ScriptedModel:
        """Stand in for a provider, as the page's comment says."""
        return ScriptedModel(self.script, model=settings.model, provider=settings.provider)

    def play(self) -> None:
        """Run the page's blocks; a block may `await`, as in `python -m asyncio`."""
        with asyncio.Runner() as runner:
            for block in self._page.blocks():
                self.script.add(*parse_script(block.turns).turns)
                self.added += len(block.turns)
                name = block.comment("file")
                if name is not None:
                    Path(name).write_text(block.text, encoding="utf-8")
                elif block.language == "python":
                    self._run(block, runner)

    def _run(self, block: Block, runner: asyncio.Runner) -> None:
        padded = "\n" * block.line + block.text
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code = compile(padded, block.page, "exec", flags=flags, dont_inherit=True)
        if code.co_flags & inspect.CO_COROUTINE:

            async def run() -> None:
                async with asyncio.timeout(BLOCK_S_MAX):
                    await eval(code, self.names)

            runner.run(run())
        else:
            exec(code, self.names)


@pytest.mark.parametrize("found", WITH_PYTHON)
def test_examples_run(found: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's Python blocks run in order, and its scripted turns are all played."""
    with elsewhere(tmp_path, monkeypatch):
        player = Player(found, monkeypatch)
        player.play()
    assert player.added == player.script.played


def test_readme_shows_ten_lines_of_library_use() -> None:
    """The README's first example is a whole program of at most ten lines of code."""
    block = page("README.md").blocks("python")[0]
    lines = [line for line in block.text.splitlines() if line.strip()]
    assert 10 >= len(lines)
    assert "asyncio.run(main())" == lines[-1]


# --- commands --------------------------------------------------------------------


def commands(found: Page) -> list[tuple[int, list[str]]]:
    """Line and words of every command a page shows in a console block."""
    shown: list[tuple[int, list[str]]] = []
    for block in found.blocks("console"):
        for offset, line in enumerate(block.text.splitlines(), start=1):
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if line.startswith("$ ") and words:
                shown.append((block.line + offset, words))
    return shown


WITH_COMMANDS = [found for found in pages() if commands(found)]


def refusal(words: list[str]) -> str:
    """Why the command line would not take these words, or ""."""
    command, rest = typer.main.get_command(app), hoist(words[1:])
    while rest and rest[0].startswith("-"):
        known = rest.pop(0)
        if known in VALUES:
            rest.pop(0)
        elif known not in ("--json", "--version"):
            return f"no global option {known}"
    path = []
    while hasattr(command, "commands") and rest:
        path.append(rest.pop(0))
        if path[-1] not in command.commands:
            return f"no command {' '.join(path)}"
        command = command.commands[path[-1]]
    try:
        command.make_context(" ".join(path), rest)
    except typer.TyperException as error:
        return error.format_message()
    return ""


@pytest.mark.parametrize("found", WITH_COMMANDS, ids=by_path)
def test_shown_commands_are_understood(found: Page) -> None:
    """Every `holdfast …` of a console block is a command with such arguments."""
    shown = [(line, words) for line, words in commands(found) if words[0] == "holdfast"]
    trouble = [(line, words, refusal(words)) for line, words in shown]
    assert [] == [one for one in trouble if one[2]]


def test_a_wrong_command_is_not_understood() -> None:
    """The check above refuses what does not exist."""
    assert refusal(["holdfast", "sessions", "shred", "x"])
    assert refusal(["holdfast", "run", "--no-such-option"])
    assert "" == refusal(["holdfast", "sessions", "list"])


CHEAP = (["sessions", "list"], ["audit", "verify"], ["doctor"], ["--version"])


@pytest.mark.parametrize("words", CHEAP, ids=" ".join)
def test_cheap_commands_run(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the pages show and costs nothing runs on an installation with one session."""

    async def prepare(work: Path) -> None:
        async with bootstrap.SessionManager.open(work / "sessions.db") as sessions:
            await sessions.create_session("tour")

    with elsewhere(tmp_path, monkeypatch) as work:
        asyncio.run(prepare(work))
        with pytest.raises(SystemExit) as left:
            main(["--store", str(work / "sessions.db"), *words])
    assert 0 == (left.value.code or 0)


@pytest.mark.parametrize("found", WITH_COMMANDS, ids=by_path)
def test_shown_modules_can_be_run(found: Page) -> None:
    """Every `python -m …` of a console block is a module that can be run."""
    shown = [words[2] for _, words in commands(found) if words[:2] == ["python", "-m"]]
    assert [] == [name for name in shown if not importlib.util.find_spec(f"{name}.__main__")]


@pytest.mark.parametrize("found", WITH_COMMANDS, ids=by_path)
def test_shown_make_targets_exist(found: Page) -> None:
    """Every `make` target in a console block is one of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    asked = {(line, words[1]) for line, words in commands(found) if words[0] == "make"}
    assert [] == [(line, target) for line, target in asked if target not in targets]


@pytest.mark.parametrize("found", pages(), ids=by_path)
def test_named_make_targets_exist(found: Page) -> None:
    """Every `make …` a page names in its text is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    named = re.findall(r"`make ([a-z-]+)`", found.text)
    assert [] == [name for name in named if name not in targets]


# --- links and names -----------------------------------------------------------


@pytest.mark.parametrize("found", pages(), ids=by_path)
def test_links_resolve(found: Page) -> None:
    """Every link within the documentation leads to a file and a heading that exist."""
    broken = []
    for line, target in found.links():
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        place = (ROOT / found.rel).parent / path if path else ROOT / found.rel
        rel = os.path.relpath(place.resolve(), ROOT)
        if not place.exists():
            broken.append(f"{found.rel}:{line}: {target}: no such file")
        elif anchor and rel.endswith(".md") and anchor not in page(rel).anchors():
            broken.append(f"{found.rel}:{line}: {target}: no such heading")
    assert [] == broken


_FILE = re.compile(r"`((?:src|docs|tests|scripts|requirements|bench)/[\w./-]*[\w/])`")


@pytest.mark.parametrize("found", pages(), ids=by_path)
def test_named_files_exist(found: Page) -> None:
    """Every file of the repository that a page names is there."""
    named = [name for _, line in found.prose() for name in _FILE.findall(line)]
    assert [] == [name for name in named if not (ROOT / name).exists()]


_DOTTED = re.compile(r"`(holdfast(?:\.[A-Za-z_]\w*)+)(?:\([^`]*\))?`")


@pytest.mark.parametrize("found", pages(), ids=by_path)
def test_named_objects_exist(found: Page) -> None:
    """Every dotted `holdfast.…` name in a page's text can be imported."""
    named = {name for _, line in found.prose() for name in _DOTTED.findall(line)}
    named.discard("holdfast.toml")  # the policy file
    assert [] == [name for name in sorted(named) if not importable(name)]


def importable(name: str) -> bool:
    """Whether a dotted name is a module or something in one."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            value: object = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            if not hasattr(value, part):
                return False
            value = getattr(value, part)
        return True
    return False


def test_every_page_is_in_the_navigation() -> None:
    """mkdocs.yml lists every page below docs/ once, and nothing else."""
    text = (ROOT / "mkdocs.yml").read_text("utf-8")
    listed = re.findall(r":\s+([\w./-]+\.md)$", text.partition("\nnav:")[2], re.M)
    written = [
        found.rel.removeprefix("docs/") for found in pages() if found.rel.startswith("docs/")
    ]
    assert sorted(written) == sorted(listed)


# --- words ----------------------------------------------------------------------

_SECOND_SENTENCE = re.compile(r"[a-z0-9`)\"”][.!?]\)? +(?=[A-Z`\[])")
_ABBREVIATED = re.compile(r"\b(?:e\.g|i\.e|etc|vs)\. |^\s*\d+\. ")


WRAPPED = ("docs/reference/cli.md",)
"""Pages whose lines are filled instead."""


@pytest.mark.parametrize("found", [one for one in pages() if one.rel not in WRAPPED], ids=by_path)
def test_one_sentence_a_line(found: Page) -> None:
    """A line of prose holds one sentence, so that a change shows as a change."""
    crowded = [
        f"{found.rel}:{number}: {line}"
        for number, line in found.prose()
        if not line.lstrip().startswith("|") and _SECOND_SENTENCE.search(_ABBREVIATED.sub("", line))
    ]
    assert [] == crowded


@pytest.mark.parametrize("found", pages(), ids=by_path)
def test_pages_speak_of_the_product(found: Page) -> None:
    """Pages for users name no seed documents, rulings or contract sections."""
    words = re.compile(r"\bseed [A-E]\d|\bseeds'|\bruling|\bcontract \d", re.IGNORECASE)
    assert [] == words.findall(found.text)


def test_code_marks_are_taken_off_whole_cells_only() -> None:
    """`bare` leaves a cell alone that is more than one piece of code."""
    assert "a|b" == bare("`a\\|b`")
    assert "`a` and `b`" == bare("`a` and `b`")


def test_a_wrong_example_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An example that is wrong fails, at its line of its page."""
    wrong = Page("page.md", "# A page\n\n```python\nx = 1\nassert 2 == x\n```\n")
    with elsewhere(tmp_path, monkeypatch), pytest.raises(AssertionError) as failed:
        Player(wrong, monkeypatch).play()
    assert ("page.md", 5) == (str(failed.traceback[-1].path), failed.traceback[-1].lineno + 1)


def test_a_page_with_two_sentences_on_a_line_is_found() -> None:
    """The check of sentences sees a second one, and no number or abbreviation."""
    assert _SECOND_SENTENCE.search("One thing. Another thing.")
    assert _SECOND_SENTENCE.search("It is `so`. Then it is not.")
    assert not _SECOND_SENTENCE.search(_ABBREVIATED.sub("", "1. Only one, e.g. this."))
