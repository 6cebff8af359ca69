"""Where in a policy file a key stands, for people; the parser itself does not say."""

from __future__ import annotations


def line_of(text: str, key: tuple[str, int, str, int]) -> int:
    """Return the line of a key, from 1, or 0 if it is written in some unusual way.

    Args:
        key: a section, which of several, a key in it, which item of its list; ""
            and 0 stand for the section and the key as a whole.
    """
    section, number, name, item = key
    wanted = f"{section}.{name}" if name else section
    current, seen, heading, found, items = "", 0, 0, 0, 0
    for place, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        header = _header(stripped)
        if header is not None:
            if found:
                break
            if name and not number and header == wanted:
                return place
            current = header
            seen += header == section and stripped.startswith("[[")
            if header == section and (not number or seen == number):
                heading = heading or place
            continue
        if found:
            items += _items(stripped)
        else:
            left, equals, right = stripped.partition("=")
            full = ".".join(part for part in (current, _bare(left)) if part)
            if not equals or full != wanted or (number and seen != number):
                continue
            found = place
            items += _items(right)
        if not item:
            return found
        if items >= item:
            return place
    return found or heading


def _header(line: str) -> str | None:
    """The name in `[name]` or `[[name]]`; None for anything else."""
    head = line.partition("#")[0].strip()
    if not (head.startswith("[") and head.endswith("]")) or "," in head:
        return None
    name = head.strip("[]")
    quoted = name.lstrip().startswith(('"', "'"))
    return None if quoted else _bare(name)


def _bare(text: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in text.split("."))


def _items(line: str) -> int:
    """How many texts a line of a list holds; a `#` in front ends it."""
    count, quote = 0, ""
    escaped = False
    for char in line:
        if quote:
            if char == quote and not escaped:
                quote = ""
            escaped = char == "\\" and quote == '"' and not escaped
        elif char in "\"'":
            quote = char
            count += 1
        elif char == "#":
            break
    return count
