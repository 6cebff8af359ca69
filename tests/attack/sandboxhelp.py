"""The checks of the sandbox: one table of commands, each of which says whether a fence held.

Run by path it prints the outcomes as JSON, so that another user can take them:
`python sandboxhelp.py FOLDER [egress]`; `tests` and `src` are on PYTHONPATH.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from egresshelp import attack

from adapters.tools.toolhelp import Bench
from holdfast.adapters.sandbox.command import Limits
from holdfast.adapters.sandbox.status import SandboxKind, detect
from holdfast.adapters.tools.bash import BashTool

TESTS = Path(__file__).resolve().parents[1]
NOBODY = 65_534
LIMITS = Limits(processes=200, total_bytes=256 * 1024**2)
ENV_NAME, ENV_VALUE = "SANDBOX_CHECK_TOKEN", "host-environment-value"
_PY = "python3 -c "


@dataclass(frozen=True, kw_only=True)
class Check:
    """One fence.

    Args:
        name: what must hold.
        command: exits with 0 if it held; `{…}` are the facts.
        ended: how the call must end instead, one of these.
        contrast: without a sandbox it does not hold, and trying that does no harm.
    """

    name: str
    command: str
    ended: tuple[str, ...] = ()
    contrast: bool = False


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a check."""

    name: str
    held: bool
    said: str


def _connects(family: str, place: str, kind: str = "STREAM") -> str:
    """Whether a connection is refused; what is sent would be heard outside."""
    lines = [
        "import socket,sys",
        f"s=socket.socket(socket.{family},socket.SOCK_{kind}); s.settimeout(1)",
        "try:",
        f"  s.connect({place}); s.send(b'x')",
        "except OSError: sys.exit(0)",
        "sys.exit(1)",
    ]
    return _PY + '"' + "\n".join(lines) + '"'


_TREE = "f() { [ $1 -gt 0 ] && { f $(($1-1)) & f $(($1-1)) & }; sleep 20; }; f 10"
"""A fork bomb that ends by itself after 2,047 processes, should nothing else end it."""
_HOLD = "import os,time\n"
_REFUSED = ("Resource temporarily unavailable", "can't start new thread")

CHECKS = (
    Check(name="the workspace can be written", command="echo x > made && test -s made"),
    Check(name="the temporary directory is private", command="! test -e {tmp_file}", contrast=True),
    Check(name="system directories are read-only", command="! touch /usr/{unique}"),
    Check(name="configuration is read-only", command="! touch /etc/{unique} /etc/passwd"),
    Check(name="the root is read-only", command="! touch /{unique}"),
    Check(name="files outside are invisible", command="! test -e {secret}", contrast=True),
    Check(name="the home directory is invisible", command="! test -e {home}"),
    Check(name="passwords are invisible", command="! test -e /etc/shadow", contrast=True),
    Check(
        name="links out of the workspace are dead",
        command="ln -s {secret} link && ! cat link",
        contrast=True,
    ),
    Check(
        name="the environment is not inherited",
        command="! env | grep {token} && ! grep -az {token} /proc/*/environ",
    ),
    Check(
        name="processes of the host are invisible",
        command="test $(ls /proc | grep -c '^[0-9]') -lt 10 && ! kill -0 {pid}",
        contrast=True,
    ),
    Check(
        name="there is no interface but loopback",
        command="test \"$(tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ')\" = lo",
    ),
    Check(
        name="the host's loopback is unreachable",
        command=_connects("AF_INET", "('127.0.0.1',{port})"),
        contrast=True,
    ),
    Check(
        name="there are no capabilities",
        command="test $(grep -cE '^Cap(Eff|Prm|Bnd|Amb):.0+$' /proc/self/status) = 4",
    ),
    Check(
        name="no privileges can be gained",
        command="grep -q '^NoNewPrivs:.1$' /proc/self/status",
        contrast=True,
    ),
    Check(name="nothing can be mounted", command="! mount -t tmpfs none /tmp"),
    Check(name="no further user namespace", command="! unshare -Ur true"),
    Check(
        name="no terminal to type into",
        command=_PY + "\"import os,sys\ntry: os.open('/dev/tty',2)\nexcept OSError: sys.exit(0)\n"
        'sys.exit(1)"',
    ),
    Check(
        name="the kernel's settings are read-only",
        command=_PY + '"import os,sys\nfor name in '
        "('sys/kernel/core_pattern','sys/vm/swappiness','sysrq-trigger','self/oom_score_adj'):\n"
        " try: os.open('/proc/'+name,os.O_WRONLY)\n except OSError: continue\n sys.exit(name)\"",
    ),
    Check(
        name="the kernel's memory and the host's disks are invisible",
        command="! head -c1 /proc/kcore && ! ls /dev/mem /dev/[sv]d[a-z] /dev/kmsg",
    ),
    Check(
        name="abstract sockets are unreachable",
        command=_connects("AF_UNIX", "'\\0{abstract}'"),
        contrast=True,
    ),
    Check(
        name="no name is resolved",
        command="! getent hosts example.org && ! getent ahostsv4 one.one.one.one",
    ),
    Check(
        name="no name server is reached",
        command=_connects("AF_INET", "('8.8.8.8',53)", "DGRAM"),
    ),
    Check(name="a fork bomb is held", command="{tree}", ended=("processes", "kernel")),
    Check(
        name="a bomb of threads is held",
        command=_PY + '"import threading,time\nfor _ in range(1000): '
        'threading.Thread(target=time.sleep,args=(9,),daemon=True).start()\nprint(1)"',
        ended=("processes", "kernel"),
    ),
    Check(name="a memory bomb is held", command="head -c 2G /dev/zero | tail", ended=("memory",)),
    Check(
        name="a memory bomb of many processes is held",
        command="for _ in 1 2 3 4 5 6 7 8; do "
        + _PY
        + f'"{_HOLD}b=bytearray(60<<20); time.sleep(9)" & done; wait',
        ended=("memory",),
    ),
    Check(
        name="a bomb of files in memory is held",
        command=_PY + f"\"{_HOLD}f=os.memfd_create('x')\nfor _ in range(600): "
        'os.write(f,bytes(1<<20))\ntime.sleep(9)"',
        ended=("memory",),
    ),
    Check(
        name="a bomb of files in memory that a process hides is held",
        command=_PY + f'"{_HOLD}import ctypes\nctypes.CDLL(None).prctl(4,0)\n'
        "f=os.memfd_create('x')\nfor _ in range(600): os.write(f,bytes(1<<20))\n"
        'time.sleep(12)"',
        ended=("memory", "uncounted"),
    ),
    Check(
        name="a bomb of shared memory is held",
        command="head -c 600M /dev/zero > /dev/shm/x; sleep 9",
        ended=("memory",),
    ),
)


def _at_home() -> Path:
    """Something in the home directory that does not belong to the interpreter."""
    home = Path.home()
    entries = list(home.iterdir()) if home.is_dir() else []
    running = {*Path(sys.base_prefix).parents, Path(sys.base_prefix), *Path(sys.prefix).parents}
    return next((one for one in entries if one not in running), home / "none")


@contextmanager
def _host(bench: Bench) -> Iterator[dict[str, object]]:
    """What must not be reached, and how it is called."""
    unique = f"holdfast-check-{os.getpid()}"
    tmp_file = Path("/tmp") / unique
    tmp_file.write_text("x")
    os.environ[ENV_NAME] = ENV_VALUE
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(f"\0{unique}")
        unix.listen()
        try:
            yield {
                "tmp_file": tmp_file, "secret": bench.secret, "home": _at_home(),
                "port": tcp.getsockname()[1], "abstract": unique, "unique": unique,
                "token": ENV_VALUE, "tree": _TREE, "pid": os.getpid(),
            }  # fmt: skip
        finally:
            del os.environ[ENV_NAME]
            tmp_file.unlink()


def taken(
    folder: Path, kind: SandboxKind = SandboxKind.BUBBLEWRAP, checks: Sequence[Check] = CHECKS
) -> list[Outcome]:
    """Run the checks as the user of this process."""
    bench = Bench(folder)
    tool = BashTool(status=detect(kind), limits=LIMITS)
    found = []
    with _host(bench) as facts:
        for check in checks:
            command = check.command
            for name, value in facts.items():
                command = command.replace(f"{{{name}}}", str(value))
            kernel_holds = "kernel" in check.ended and os.geteuid() != 0
            arguments = {"command": command, "timeout_ms": 3_000 if kernel_holds else 20_000}
            outcome = bench.call(tool, arguments, unsandboxed_allowed=True)
            ended = str(outcome.metadata["ended"])
            if check.ended:
                # The kernel refuses an ordinary user further processes; root is ended.
                refused = kernel_holds and any(one in outcome.content for one in _REFUSED)
                held = ended in check.ended or refused
            else:
                held = ended == "exit" and outcome.exit_code == 0
            found.append(Outcome(name=check.name, held=held, said=outcome.content[-200:]))
    return found


# --- as another user -------------------------------------------------------------


def ordinary_user() -> tuple[str, dict[str, str]] | str:
    """An interpreter that an ordinary user can run with everything needed, or why not."""
    if os.geteuid() != 0:
        return "the tests do not run as root: they are an ordinary user's already"
    import cryptography

    places = [TESTS.parent / "src", TESTS, TESTS / "attack", Path(cryptography.__file__).parents[1]]
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": os.pathsep.join(map(str, places)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": "/nonexistent",
    }
    said = ""
    for program in (sys.executable, "/usr/bin/python3", f"/usr/bin/python3.{sys.version_info[1]}"):
        try:
            done = subprocess.run(
                [program, "-c", "import sandboxhelp"], env=env, user=NOBODY, group=NOBODY,
                extra_groups=[], capture_output=True, timeout=60, check=False, cwd="/",
            )  # fmt: skip
        except OSError as error:
            said = str(error)
            continue
        if done.returncode == 0:
            return program, env
        said = done.stderr.decode(errors="replace")[-200:]
    return f"no interpreter that another user can run: {said}"


def as_ordinary_user(folder: Path, what: str = "checks") -> object:
    """Run this file as another user; return what it printed.

    Args:
        folder: made that user's own; where the checks write.
    """
    found = ordinary_user()
    assert not isinstance(found, str), found
    program, env = found
    os.chown(folder, NOBODY, NOBODY)
    done = subprocess.run(
        [program, __file__, str(folder), what], env=env, user=NOBODY, group=NOBODY,
        extra_groups=[], capture_output=True, timeout=280, check=False, cwd="/",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def main(folder: str, what: str) -> int:
    """Print the outcomes, or what came of the ways out, as one line of JSON."""
    if what == "egress":
        escapes = asyncio.run(attack(Bench(Path(folder)), detect(SandboxKind.BUBBLEWRAP)))
        names = {name for _, name, _ in escapes.attempts}
        print(json.dumps([len(names), escapes.reached, escapes.strange], default=repr))
        return 0
    print(json.dumps([[one.name, one.held, one.said] for one in taken(Path(folder))]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
