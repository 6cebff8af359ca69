"""The shell port: what turns a command line into the commands it would run."""

from __future__ import annotations

from typing import Protocol

from holdfast.core.commandline import CommandLine


class ShellParser(Protocol):
    """Reads command lines; never runs anything."""

    def parse(self, line: str) -> CommandLine:
        """Parse a line as the shell that runs it would.

        What cannot be read for certain is `unclear`, with the commands that were
        found all the same, so that a rule that denies one of them holds.

        Args:
            line: what is given to `bash -c`; any text.
        """
        ...


class NoShell:
    """Understands no command line at all: every one is asked about."""

    def parse(self, line: str) -> CommandLine:
        """Say that nothing can be read."""
        return CommandLine(unclear="no command parser is configured")
