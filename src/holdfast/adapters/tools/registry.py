"""The tools an installation offers, found by name without regard to case."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field

import jsonschema  # type: ignore[import-untyped]  # it ships no types
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.exceptions import Unresolvable

from holdfast.adapters.network.firewall import Firewall
from holdfast.adapters.sandbox.status import detect
from holdfast.adapters.tools.bash import BashTool
from holdfast.adapters.tools.files import EditTool, LsTool, ReadTool, WriteTool
from holdfast.adapters.tools.find import GlobTool, GrepTool
from holdfast.core.errors import AlreadyThere, InvalidInput, NotFound, TooLarge
from holdfast.core.tools import ToolSpec
from holdfast.ports.tool import Json, Tool

ARGUMENTS_BYTES_MAX = 16 * 1024 * 1024
NAME_CHARS_MAX = 64
_ACCEPTED_MAX = 256


@dataclass(frozen=True, slots=True)
class _Registered:
    tool: Tool
    validator: Draft202012Validator
    digest: str
    accepted: set[bytes] = field(default_factory=set)


class ToolRegistry:
    """Tools by name; the only source of what is known about a tool."""

    def __init__(self, tools: list[Tool] | None = None) -> None:
        self._tools: dict[str, _Registered] = {}
        for tool in tools or []:
            self.register(tool)

    def register(self, tool: Tool, *, replace: bool = False) -> None:
        """Add a tool.

        Raises:
            AlreadyThere: there is one of that name and `replace` is false.
            InvalidInput: its name or schema is malformed.
        """
        spec = tool.spec
        key = spec.name.casefold()
        if not 0 < len(spec.name) <= NAME_CHARS_MAX or not spec.name.isprintable():
            raise InvalidInput(f"a tool's name has 1 to {NAME_CHARS_MAX} printable characters")
        if key in self._tools and not replace:
            raise AlreadyThere(f"there is a tool {spec.name!r} already")
        self._tools[key] = _Registered(tool, _validator(spec), _digest(spec))

    def unregister(self, name: str) -> None:
        """Remove a tool; `NotFound` when there is none of that name."""
        self._found(name)
        del self._tools[name.casefold()]

    def get(self, name: str) -> Tool | None:
        """Return the tool of that name, or None."""
        found = self._tools.get(name.casefold())
        return found.tool if found else None

    def specs(self) -> tuple[ToolSpec, ...]:
        """Return what all tools declare, sorted by name."""
        return tuple(found.tool.spec for _, found in sorted(self._tools.items()))

    def digest(self, name: str) -> str:
        """Return a digest of a tool's name and schema; `NotFound` when unknown."""
        return self._found(name).digest

    def validate(self, name: str, arguments: str) -> dict[str, Json]:
        """Parse and check a call's arguments.

        Raises:
            NotFound: there is no such tool.
            TooLarge: the text is over the limit.
            InvalidInput: not JSON, not an object, or not as the schema says.
        """
        found = self._found(name)
        if len(arguments) > ARGUMENTS_BYTES_MAX:
            raise TooLarge(f"arguments are limited to {ARGUMENTS_BYTES_MAX} bytes")
        try:
            value = json.loads(
                arguments or "{}",
                parse_constant=_refuse_constant,
                parse_float=_finite,
                object_pairs_hook=_unique,
            )
        except (ValueError, RecursionError) as error:
            reason = str(error).splitlines()[0] if str(error) else "nested too deeply"
            raise InvalidInput(f"{name}: the arguments are not JSON: {reason}") from None
        if not isinstance(value, dict):
            raise InvalidInput(f"{name}: the arguments must be a JSON object")
        # A call is looked at when it is judged and again when it runs: the same text
        # is as good as before under the same schema. No text is kept, only digests.
        digest = hashlib.sha256(arguments.encode("utf-8", "surrogatepass")).digest()
        if digest not in found.accepted:
            _check(found.validator, name, value)
            if len(found.accepted) >= _ACCEPTED_MAX:
                found.accepted.clear()
            found.accepted.add(digest)
        return value

    def _found(self, name: str) -> _Registered:
        found = self._tools.get(name.casefold())
        if found is None:
            raise NotFound(f"there is no tool {name[:NAME_CHARS_MAX]!r}")
        return found


def builtin_tools(*, unsandboxed: bool = False, firewall: Firewall | None = None) -> list[Tool]:
    """Return new instances of the tools every installation has.

    Args:
        unsandboxed: bash may run where no sandbox is; whether one is there is found
            out now, since it says where its commands can send.
        firewall: the way out for commands of sessions that may reach hosts.
    """
    return [
        BashTool(status=detect() if unsandboxed else None, firewall=firewall),
        EditTool(),
        GlobTool(),
        GrepTool(),
        LsTool(),
        ReadTool(),
        WriteTool(),
    ]


def _check(validator: Draft202012Validator, name: str, value: dict[str, Json]) -> None:
    """Refuse arguments that are not as the schema says."""
    try:
        problem = jsonschema.exceptions.best_match(validator.iter_errors(value))
    except Unresolvable:
        raise InvalidInput(f"{name}: the tool's schema refers to what is not in it") from None
    if problem is not None:
        raise InvalidInput(f"{name}: {_explained(problem)}")


def _validator(spec: ToolSpec) -> Draft202012Validator:
    try:
        schema = json.loads(spec.parameters)
        Draft202012Validator.check_schema(schema)
    except (ValueError, jsonschema.SchemaError) as error:
        reason = str(getattr(error, "message", error)).splitlines()[0]
        raise InvalidInput(f"the schema of {spec.name!r} is malformed: {reason}") from None
    if not isinstance(schema, dict) or schema.get("type") != "object":
        raise InvalidInput(f"the schema of {spec.name!r} must describe an object")
    # An empty registry: a reference to an address is an error, never a download.
    return Draft202012Validator(schema, registry=Registry())


def _digest(spec: ToolSpec) -> str:
    """Digest the parsed schema, so that spacing and order do not matter."""
    facts = [spec.name, json.loads(spec.parameters), spec.nature.value]
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _refuse_constant(name: str) -> Json:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """Refuse a repeated name: two readers of it could see two different calls."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is repeated in an object")
    return found


def _explained(problem: jsonschema.ValidationError) -> str:
    """Return `path: what is wrong` on one line."""
    where = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem.absolute_path
    ).lstrip(".")
    message = " ".join(str(problem.message).split())
    if len(message) > 300:
        message = f"does not satisfy {problem.validator} ({message[:200]}…)"
    return f"{where or 'arguments'}: {message}"
