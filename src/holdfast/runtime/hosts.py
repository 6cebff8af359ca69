"""The hosts that a call names: in the arguments that are for one, and in every address."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from holdfast.core.network import read_address
from holdfast.core.tools import ToolSpec
from holdfast.ports.tool import Json
from holdfast.runtime.grounding import leaves

UNREADABLE = "?"
"""Stands for an address whose host is not certain; no list has it."""

HOSTS_MAX = 64
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]{0,30}://[^\s\"'<>]*", re.IGNORECASE)


def hosts_of(spec: ToolSpec, arguments: Mapping[str, Json], canonical: str) -> tuple[str, ...]:
    """The hosts a call names, each once; `?` where one cannot be read for certain.

    Args:
        canonical: the arguments as JSON text.
    """
    if "://" not in canonical and not spec.host_params:
        return ()
    return tuple(sorted(set(_found(spec, arguments))))[:HOSTS_MAX]


def _found(spec: ToolSpec, arguments: Mapping[str, Json]) -> Iterator[str]:
    for name, value in arguments.items():
        for leaf in leaves(value):
            text = str(leaf)
            for match in _ADDRESS.finditer(text):
                yield host_in(match.group())
            if name in spec.host_params and "://" not in text:
                yield host_in(f"https://{text}")


def host_in(address: str) -> str:
    """The host of an address as `core.network` reads it, or `?`.

    User names, backslashes and signs that are no ASCII make readers disagree about
    where an address leads; the proxy that commands go through reads it just so.
    """
    found = read_address(address)
    return UNREADABLE if found is None else found.host
