"""Sealed sessions: a process for each, and the line to it.

- *host*: the process, as the one that started it sees it; `frames` is what they say.
- The program of the process is `cli.sealed_worker`.
"""
