"""`holdfast privacy classify|scan|injection`: what the detectors see in a text.

No session is needed and nothing is kept. What is found is told by kind, level and
place; the value itself only with `--show`. The policy file's packs and custom rules
are looked for as well.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.exits import Quit
from holdfast.cli.output import note, print_json, print_line, table
from holdfast.cli.policy import trial
from holdfast.cli.world import Options, options_of
from holdfast.core.errors import InvalidInput, NotFound
from holdfast.core.labels import Sensitivity

if TYPE_CHECKING:
    from holdfast.core.findings import Finding
    from holdfast.ports.detector import Classifier

FOUND = 1
TEXT_BYTES_MAX = 4 * 1024 * 1024
FILE_BYTES_MAX = 16 * 1024 * 1024
BINARY_BYTES = 8_192

TextArgument = Annotated[str, typer.Argument(help="The text; - reads it from standard input.")]
PackOption = Annotated[
    list[str] | None,
    typer.Option("--pack", help="Also by this pack: hipaa, pci-dss or gdpr; may be given again."),
]
ShowOption = Annotated[
    bool, typer.Option("--show", help="Also print the values that were found, in clear.")
]


def classify(
    context: typer.Context,
    text: TextArgument,
    *,
    pack: PackOption = None,
    show: ShowOption = False,
) -> None:
    """Say which secrets and personal data stand in a text: kind, level and place."""
    options = options_of(context)
    given = read_text(text)
    found = _classifier(options, pack or ()).classify(given)
    if options.json:
        findings = [_as_data(one, given, show=show) for one in found.findings]
        level = word(found.level)
        print_json({"level": level, "findings": findings, "weak": list(found.weak)})
        return
    print_line(f"level  {word(found.level)}")
    headers = ["kind", "level", "start", "end", "rule", "validator", "view"]
    headers += ["value"] if show else []
    data = [_as_data(one, given, show=show) for one in found.findings]
    if data:
        table(headers, [[str(row[name]) for name in headers] for row in data])
    _tell_weak(found.weak)


def scan(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Text files.")],
    *,
    pack: PackOption = None,
    show: ShowOption = False,
) -> None:
    """Look through files; exit code 1 if something above Normal stands in one."""
    options = options_of(context)
    texts = [(file, read_file(file)) for file in files]  # all are there, or nothing is said
    classifier = _classifier(options, pack or ())
    rows: list[dict[str, object]] = []
    weak: list[str] = []
    for file, text in texts:
        found = classifier.classify(text)
        lines = _line_starts(text)
        rows += [
            {"file": str(file), **_position(lines, one.start), **_as_data(one, text, show=show)}
            for one in found.findings
            if one.level > Sensitivity.NORMAL
        ]
        weak += [f"{file}: {why}" for why in found.weak]
    if options.json:
        print_json({"files": len(files), "findings": rows, "weak": weak})
    else:
        headers = ["file", "line", "column", "kind", "level", "rule"]
        headers += ["value"] if show else []
        if rows:
            table(headers, [[str(row[name]) for name in headers] for row in rows], flexible=0)
        note(f"{len(rows)} findings in {len(files)} files")
        _tell_weak(weak)
    if rows:
        raise Quit(FOUND)


def injection(context: typer.Context, text: TextArgument) -> None:
    """Say whether a text looks like an injected instruction, and why: a signal, no proof."""
    # lazy: the rules take a moment to compile, and help needs none.
    from holdfast.adapters.detectors.injection import RuleInjectionDetector

    options = options_of(context)
    found = RuleInjectionDetector().scan(read_text(text))
    if options.json:
        names = ("category", "rule", "weight", "start", "end", "view")
        evidence = [{name: getattr(one, name) for name in names} for one in found.evidence]
        data = {"threat": found.threat.value, "score": found.score, "evidence": evidence}
        print_json(data)
        return
    print_line(f"threat  {found.threat.value} ({found.score:.2f})")
    if found.evidence:
        table(
            ("category", "rule", "weight", "start", "end", "hidden as"),
            [
                (one.category, one.rule, f"{one.weight:.2f}", one.start, one.end, one.view)
                for one in found.evidence
            ],
        )


# --- reading ------------------------------------------------------------------------


def read_text(text: str) -> str:
    """A text as it was given; "-" means standard input.

    Raises:
        InvalidInput: it is far too long.
    """
    if text == "-":
        data = sys.stdin.buffer.read(TEXT_BYTES_MAX + 1)
        if len(data) > TEXT_BYTES_MAX:
            raise InvalidInput("the text is longer than 4 MiB")
        return data.decode("utf-8", "replace")
    return text


def read_file(file: Path) -> str:
    """The text of a file.

    Raises:
        NotFound: it cannot be read.
        InvalidInput: it is no file, too large, or no text.
    """
    try:
        if not file.is_file() and file.exists():
            raise InvalidInput(f"{file} is not a file")
        with file.open("rb") as stream:
            data = stream.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise NotFound(f"{file} cannot be read: {error.strerror}") from None
    if len(data) > FILE_BYTES_MAX:
        raise InvalidInput(f"{file} is larger than 16 MiB")
    if b"\0" in data[:BINARY_BYTES]:
        raise InvalidInput(f"{file} is no text; what is packed in it would not be seen")
    return data.decode("utf-8", "replace")


def _classifier(options: Options, packs: Sequence[str]) -> Classifier:
    """What sessions of this installation are looked at with, and further packs.

    Raises:
        InvalidInput: there is no such pack.
        PolicyFileRefused: the policy file cannot be used.
    """
    # lazy: help needs no event loop and no detectors.
    import asyncio
    from dataclasses import replace

    from holdfast.core.security import Security

    async def work() -> Classifier:
        async with trial(options) as manager:
            policy = manager.policy
            own = policy.security if policy is not None and policy.security else Security()
            wanted = tuple(dict.fromkeys((*own.packs, *(name.casefold() for name in packs))))
            return manager.detectors.classifier(replace(own, packs=wanted))

    return asyncio.run(work())


# --- telling ------------------------------------------------------------------------


def word(level: Sensitivity) -> str:
    """A level as it is written in settings."""
    return level.name.lower()


def _as_data(one: Finding, text: str, *, show: bool) -> dict[str, object]:
    found: dict[str, object] = {
        "kind": one.kind,
        "level": word(one.level),
        "start": one.start,
        "end": one.end,
        "confidence": one.confidence,
        "rule": one.rule,
        "validator": one.validator,
        "view": one.view,
    }
    return {**found, "value": text[one.start : one.end]} if show else found


def _line_starts(text: str) -> list[int]:
    return [0, *(place + 1 for place, char in enumerate(text) if char == "\n")]


def _position(lines: list[int], at: int) -> dict[str, object]:
    line = bisect_right(lines, at)
    return {"line": line, "column": at - lines[line - 1] + 1}


def _tell_weak(weak: Iterable[str]) -> None:
    for why in weak:
        note(f"not looked for as it could be: {why}")
