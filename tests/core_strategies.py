"""What hypothesis draws for the laws of the core.

`of(type)` draws any value of a plain type: the dataclasses of events, commands and
the view down to their last field.
"""

from __future__ import annotations

import dataclasses
import types
from enum import Enum
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

# Text as the log holds it: anything but half characters.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["\0", "\x1b[0m", "\u202e", "\uffff", "\U0010ffff", '"\\', "{}", "null", "\r\n", "e\u0301"]
)
PLAIN: dict[object, st.SearchStrategy[Any]] = {
    str: TEXTS,
    int: st.integers(-(2**63), 2**63 - 1) | st.integers(0, 9),
    bool: st.booleans(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    types.NoneType: st.none(),
}


@cache
def of(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a type."""
    if kind in PLAIN:
        return PLAIN[kind]
    origin, args = get_origin(kind), get_args(kind)
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (Union, types.UnionType):
        return st.one_of([of(one) for one in args])
    if origin is tuple and args[-1] is Ellipsis:
        return st.lists(of(args[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*(of(one) for one in args))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    hints = get_type_hints(kind)
    if dataclasses.is_dataclass(kind):
        fields = {field.name: of(hints[field.name]) for field in dataclasses.fields(kind)}
        return st.builds(kind, **fields)
    return st.tuples(*(of(hint) for hint in hints.values())).map(lambda values: kind(*values))
