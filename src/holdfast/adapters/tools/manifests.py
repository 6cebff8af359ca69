"""What the built-in tools declare of the flow of information.

A workspace's files may be anybody's, so what is read there is untrusted. What is
written there stays there: the boundary guard judges the paths, and the sandbox of
`bash` has no network, unless the session lists hosts.
"""

from __future__ import annotations

from holdfast.core.flows import Flow, Reads, Role, Sink
from holdfast.core.labels import Sensitivity

READS_FILES = Flow(reads=Reads.UNTRUSTED, sink=Sink.NONE)
WRITES_FILES = Flow(
    reads=Reads.TRUSTED,
    sink=Sink.WRITE,
    confined=True,
    roles=(
        ("file_path", Role.TARGET),
        ("content", Role.PAYLOAD),
        ("old_string", Role.PAYLOAD),
        ("new_string", Role.PAYLOAD),
    ),
    accepts=Sensitivity.CRITICAL,
)
RUNS_CONFINED = Flow(
    sink=Sink.WRITE,
    confined=True,
    roles=(("command", Role.PAYLOAD), ("timeout_ms", Role.AMOUNT)),
    accepts=Sensitivity.CRITICAL,
)
RUNS_ONLINE = Flow(roles=RUNS_CONFINED.roles)
"""`bash` where the session lists hosts: what it is given may be sent to those, and
what it prints may be theirs."""
RUNS_ANYWHERE = Flow(roles=(("timeout_ms", Role.AMOUNT),))
"""`bash` where there is no sandbox: it may send anything to anybody."""
