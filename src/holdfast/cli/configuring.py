"""`holdfast config show`: the settings that hold, and where each comes from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import typer

from holdfast.cli.output import note, print_json, table
from holdfast.cli.world import Options, options_of

if TYPE_CHECKING:
    from holdfast.runtime.configuration import Effective
    from holdfast.runtime.policyfile import PolicyFile


def show(context: typer.Context) -> None:
    """Show every setting: its value, and whether it comes from the file or the environment.

    Secrets say only that they are set. Exit code 2 if a variable or the file is wrong.
    """
    options = options_of(context)
    file, found = in_force(options)
    roles = {} if file is None else dict(file.serving.roles.own)
    kinds = {} if file is None else dict(file.serving.roles.task_types)
    if options.json:
        print_json(
            {
                "file": None if file is None else file.path,
                "settings": [
                    {"name": one.option.name, "value": one.shown, "source": one.source.value}
                    for one in found
                ],
                "roles": {name: sorted(scopes) for name, scopes in sorted(roles.items())},
                "task_types": {name: sorted(scopes) for name, scopes in sorted(kinds.items())},
            }
        )
        return
    note(f"file: {'none' if file is None else file.path}")
    rows = [(one.option.name, _shown(one.shown), one.source.value) for one in found]
    rows += [
        (f"roles.{name}", _shown(sorted(some)), "file") for name, some in sorted(roles.items())
    ]
    rows += [
        (f"task_types.{name}", _shown(sorted(some)), "file") for name, some in sorted(kinds.items())
    ]
    table(("setting", "value", "from"), rows, flexible=1)


def in_force(options: Options) -> tuple[PolicyFile | None, list[Effective]]:
    """The policy file, if there is one, and every setting that it and the environment come to.

    Raises:
        PolicyFileRefused: the file cannot be used.
        InvalidInput: a variable is wrong.
    """
    # lazy: help needs none of it.
    from holdfast.runtime.configuration import effective
    from holdfast.runtime.policyfile import parse_policy
    from holdfast.runtime.policyplaces import find, read

    place = find(options.policy, options.store)
    file = None if place is None else parse_policy(read(place), str(place.path))
    return file, effective(None if file is None else file.serving, os.environ)


def _shown(value: object) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
