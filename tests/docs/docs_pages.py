"""Reading the documentation: pages, fenced blocks, tables, links.

What stands in a page for the tests alone is an HTML comment right before a block:

- `<!-- script: [{"text": "hello"}] -->`: the model of the next blocks is no provider
  but plays these turns (format: `holdfast.testing.script`). Turns of several
  comments of one page follow each other, and all of them must be played.
- `<!-- file: NAME -->` before a block of any language: the block is the content of
  that file, which is there when the page's examples run.
- `<!-- slow: WHY -->` anywhere: the page's examples take more than two seconds.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^(?P<marks>```+)(?P<info>[^`]*)$")
_COMMENT = re.compile(r"^<!-- (?P<name>[a-z]+): (?P<value>.*) -->$")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_CODE = re.compile(r"`[^`]*`")


@dataclass(frozen=True)
class Block:
    """One fenced block and the comments right before it."""

    page: str
    line: int
    language: str
    text: str
    comments: tuple[tuple[str, str], ...] = ()

    def comment(self, name: str) -> str | None:
        """The value of a comment, or None."""
        return dict(self.comments).get(name)

    @property
    def turns(self) -> list[Any]:
        """The turns the model plays from here on."""
        found = self.comment("script")
        turns: list[Any] = json.loads(found) if found else []
        return turns


@dataclass(frozen=True)
class Page:
    """One page: its path from the repository's root and its text."""

    rel: str
    text: str

    @property
    def lines(self) -> list[str]:
        """Its lines."""
        return self.text.splitlines()

    def blocks(self, language: str | None = None) -> list[Block]:
        """Its fenced blocks, of one language or all."""
        found = [block for block, _ in _split(self)[0]]
        return [block for block in found if language is None or block.language == language]

    def prose(self) -> list[tuple[int, str]]:
        """Number and text of each line outside of blocks and comments."""
        return [
            (number, line)
            for number, line in _split(self)[1]
            if not line.startswith("<!--") and line.strip()
        ]

    def links(self) -> list[tuple[int, str]]:
        """Line and target of each link."""
        return [
            (number, match["target"])
            for number, line in self.prose()
            for match in _LINK.finditer(_CODE.sub("", line))
        ]

    def anchors(self) -> set[str]:
        """The anchors of its headings."""
        heads = [line.lstrip("#").strip() for _, line in self.prose() if re.match(r"#+ ", line)]
        return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}

    def rows(self, heading: str) -> list[dict[str, str]]:
        """The rows of the first table below a heading, by column, code marks removed."""
        lines = self.lines
        start = next(
            (n for n, line in enumerate(lines) if re.fullmatch(r"#+ " + re.escape(heading), line)),
            None,
        )
        assert start is not None, f"{self.rel} has no heading {heading!r}"
        table: list[list[str]] = []
        for line in lines[start + 1 :]:
            if line.startswith("|"):
                cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
                table.append([cell.strip() for cell in cells])
            elif table or line.startswith("#"):
                break
        assert len(table) > 2, f"{self.rel} has no table below {heading!r}"
        names = [name.lower() for name in table[0]]
        return [
            {name: bare(cell) for name, cell in zip(names, row, strict=True)} for row in table[2:]
        ]


def bare(cell: str) -> str:
    """A cell that is one piece of code, without its marks; any other as it is."""
    match = re.fullmatch(r"`([^`]*)`", cell)
    return (match[1] if match else cell).replace("\\|", "|")


def _split(page: Page) -> tuple[list[tuple[Block, int]], list[tuple[int, str]]]:
    """Part a page into its blocks and the lines outside of them."""
    blocks: list[tuple[Block, int]] = []
    prose: list[tuple[int, str]] = []
    comments: list[tuple[str, str]] = []
    opened: tuple[str, str, int] | None = None
    held: list[str] = []
    for number, line in enumerate(page.lines, start=1):
        if opened is not None:
            if line.strip() == opened[0]:
                text = "\n".join(held) + "\n"
                block = Block(page.rel, opened[2], opened[1], text, tuple(comments))
                blocks.append((block, number))
                opened, held, comments = None, [], []
            else:
                held.append(line)
            continue
        fence, comment = _FENCE.match(line), _COMMENT.match(line)
        if fence:
            opened = (fence["marks"], fence["info"].strip(), number)
            continue
        if comment:
            comments.append((comment["name"], comment["value"]))
        elif line.strip():
            comments = []
        prose.append((number, line))
    assert opened is None, f"{page.rel}:{opened[2] if opened else 0}: a block without an end"
    return blocks, prose


@cache
def pages() -> tuple[Page, ...]:
    """README, CHANGELOG and every page below docs/, in order of path."""
    found = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return tuple(
        Page(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in found
    )


def page(rel: str) -> Page:
    """One page by its path."""
    return next(found for found in pages() if found.rel == rel)
