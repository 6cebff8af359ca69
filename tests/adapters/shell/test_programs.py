"""The tables of programs."""

from __future__ import annotations

from holdfast.adapters.shell.programs import (
    CONFIG_OPTIONS,
    INTERPRETERS,
    PLAIN_READERS,
    RUNNING_OPTIONS,
    SHELLS,
    WRAPPERS,
)


def test_plain_readers_run_nothing() -> None:
    """A program whose options do no harm is in no table of those that run something."""
    running = {*WRAPPERS, *SHELLS, *INTERPRETERS, *RUNNING_OPTIONS} - {"printf"}
    assert set() == PLAIN_READERS & running


def test_options_are_written_as_they_are_looked_for() -> None:
    """`--long`, `-x` or `-word`, or "" for any use."""
    for options in (*RUNNING_OPTIONS.values(), *CONFIG_OPTIONS.values()):
        assert all(option == "" or option.startswith("-") for option in options)


def test_wrappers_do_not_take_a_flag_for_a_value() -> None:
    """No short option of a wrapper is one with a value and one without."""
    for wrapper in WRAPPERS.values():
        assert set() == set(wrapper.flags) & set(wrapper.valued)
