"""The tool bash, under every tier this machine has."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapters.tools.toolhelp import Bench
from holdfast.adapters.sandbox.processes import marked
from holdfast.adapters.sandbox.status import SandboxKind, SandboxStatus, detect
from holdfast.adapters.tools.bash import BashTool
from holdfast.ports.tool import ToolOutcome

CONFINED = [SandboxKind.BUBBLEWRAP, SandboxKind.LANDLOCK]
ALL = [*CONFINED, SandboxKind.NONE]


def _status(kind: SandboxKind) -> SandboxStatus:
    found = detect(kind)
    if found.kind is not kind:
        pytest.skip(f"no {kind} here: {found.reason}")
    return found


@pytest.fixture(params=ALL)
def tier(request: pytest.FixtureRequest) -> SandboxStatus:
    """Each tier, none included."""
    return _status(request.param)


@pytest.fixture(params=CONFINED)
def confined(request: pytest.FixtureRequest) -> SandboxStatus:
    """Each tier that confines."""
    return _status(request.param)


@pytest.fixture
def effect(request: pytest.FixtureRequest) -> Iterator[str]:
    """An effect id of this test only; nothing may carry its marker afterwards."""
    effect_id = "test-" + re.sub(r"\W", "-", request.node.name) + f"-{os.getpid()}"
    yield effect_id
    assert set() == marked(effect_id)


def _bash(
    bench: Bench, status: SandboxStatus, command: str, effect: str = "effect-1", **more: int
) -> ToolOutcome:
    arguments = {"command": command, **more}
    return bench.call(
        BashTool(status=status), arguments, effect_id=effect, unsandboxed_allowed=True
    )


def _text(outcome: ToolOutcome) -> str:
    return outcome.content.removeprefix("[unsandboxed]\n")


# --- what a call returns --------------------------------------------------------


def test_output_and_exit_code(bench: Bench, tier: SandboxStatus, effect: str) -> None:
    """Both streams come in order, live, with the exit code."""
    outcome = _bash(bench, tier, "echo out; echo err >&2; echo end; exit 7", effect)
    assert "out\nerr\nend\n[exit code 7]" == _text(outcome)
    assert (7, True) == (outcome.exit_code, outcome.is_error)
    assert "out\nerr\nend\n" == "".join(bench.emitted)
    assert tier.kind.value == outcome.metadata["sandbox"]
    fine = _bash(bench, tier, "true", effect)
    assert ("(no output)", 0, False) == (_text(fine), fine.exit_code, fine.is_error)


def test_exit_by_signal(bench: Bench, tier: SandboxStatus, effect: str) -> None:
    """A command that dies of a signal has 128 and its number."""
    assert 137 == _bash(bench, tier, "kill -9 $$", effect).exit_code


def test_it_runs_in_the_workspace(bench: Bench, tier: SandboxStatus, effect: str) -> None:
    """Relative paths are the workspace's, and what is written stays."""
    outcome = _bash(bench, tier, "pwd; echo text > file; mkdir d; mv file d/; cat d/file", effect)
    assert f"{os.path.realpath(bench.workspace)}\ntext" == _text(outcome)
    assert "text\n" == (bench.workspace / "d" / "file").read_text()


def test_a_command_that_looks_like_an_option(
    bench: Bench, tier: SandboxStatus, effect: str
) -> None:
    """It is still a command."""
    assert 127 == _bash(bench, tier, "-x", effect).exit_code


def test_characters_split_over_writes(bench: Bench, tier: SandboxStatus, effect: str) -> None:
    """A character written in two parts is emitted whole."""
    command = r"printf '\xe2\x82'; sleep 0.1; printf '\xac|\xff'"
    assert "€|\ufffd" == _text(_bash(bench, tier, command, effect))
    assert "€|\ufffd" == "".join(bench.emitted)


def test_ten_megabytes(bench: Bench, tier: SandboxStatus, effect: str) -> None:
    """Head and tail are shown, the whole is kept, and every byte was streamed."""
    outcome = _bash(
        bench, tier, "echo begin; head -c 10000000 /dev/zero | tr '\\0' x; echo; echo last", effect
    )
    assert _text(outcome).startswith("begin\nxxx")
    assert outcome.content.endswith("xxx\nlast")
    assert 100 * 1024 + 100 > len(outcome.content)
    kept = bench.spilled["spill:1"]
    assert b"begin\n" + b"x" * 10_000_000 + b"\nlast\n" == kept
    assert len(kept) == sum(len(piece) for piece in bench.emitted)


def test_too_much_output_ends_the_command(bench: Bench, tier: SandboxStatus, effect: str) -> None:
    """A command that never stops printing is ended and the result says so."""
    tool = BashTool(status=tier, output_bytes_max=3_000_000)
    outcome = bench.call(tool, {"command": "yes"}, effect_id=effect, unsandboxed_allowed=True)
    assert "[ended because it printed more than 3000000 bytes]" in outcome.content
    assert "overflow" == outcome.metadata["ended"]
    assert 137 == outcome.exit_code


# --- refusals -------------------------------------------------------------------


def test_no_sandbox_is_refused_or_marked(bench: Bench, effect: str) -> None:
    """Without a sandbox nothing runs, unless it is allowed, and then it is marked."""
    tool = BashTool(status=detect(SandboxKind.NONE))
    arguments = {"command": "touch made"}
    refused = bench.call(tool, arguments, effect_id=effect)
    assert "unsandboxed_refused" == refused.metadata["reason"]
    assert [] == os.listdir(bench.workspace)
    allowed = bench.call(tool, arguments, effect_id=effect, unsandboxed_allowed=True)
    assert allowed.content.startswith("[unsandboxed]")
    assert ["made"] == os.listdir(bench.workspace)


def test_what_cannot_be_run_is_an_outcome(bench: Bench, tier: SandboxStatus) -> None:
    """NUL, half a character, a missing workspace and a bad id fail as outcomes."""
    assert _bash(bench, tier, "echo \0").is_error
    assert "invalid_input" == _bash(bench, tier, "echo \ud800").metadata["reason"]
    assert "invalid_input" == _bash(bench, tier, "true", "bad id\n").metadata["reason"]
    assert _bash(bench, tier, "x" * 3_000_000).is_error
    tool = BashTool(status=tier)
    for workspace in (None, "/", "/no/such/place"):
        outcome = bench.call(
            tool, {"command": "true"}, workspace=workspace, unsandboxed_allowed=True
        )
        assert outcome.is_error


# --- confinement ----------------------------------------------------------------


def test_the_network_is_out_of_reach(bench: Bench, confined: SandboxStatus, effect: str) -> None:
    """Neither a port of this host nor a name server can be reached."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        script = f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)"
        outcome = _bash(
            bench, confined, f"python3 -c {shlex.quote(script)} && echo REACHED", effect
        )
        datagram = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
        datagram += "s.sendto(b'x', ('192.0.2.1', 53)); print('SENT')"
        sent = _bash(bench, confined, f"python3 -c {shlex.quote(datagram)}", effect)
    assert outcome.is_error
    assert "REACHED" not in outcome.content
    assert "SENT" not in sent.content


def test_there_is_no_network_interface(bench: Bench, effect: str) -> None:
    """Under bubblewrap only an unconfigured loopback exists."""
    outcome = _bash(bench, _status(SandboxKind.BUBBLEWRAP), "tail -n +3 /proc/net/dev", effect)
    assert ["lo"] == [line.split(":")[0].strip() for line in outcome.content.splitlines()]


def test_sockets_of_the_host_are_out_of_reach(
    bench: Bench, confined: SandboxStatus, effect: str
) -> None:
    """Neither a unix socket by path nor an abstract one answers."""
    script = textwrap.dedent("""
        import socket, sys
        for name in sys.argv[1:]:
            try:
                with socket.socket(socket.AF_UNIX) as s:
                    s.connect(name.replace("@", chr(0)))
                print("REACHED", name)
            except OSError:
                print("refused")
    """)
    (bench.workspace / "connect.py").write_text(script)
    abstract = f"holdfast-test-{os.getpid()}"
    path = str(bench.outside / "sock")
    with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as other:
        one.bind(path)
        one.listen()
        other.bind("\0" + abstract)
        other.listen()
        outcome = _bash(bench, confined, f"python3 connect.py {path} @{abstract}", effect)
    assert "refused\nrefused" == outcome.content


def test_nothing_outside_can_be_written(bench: Bench, confined: SandboxStatus, effect: str) -> None:
    """Writing, creating, removing and renaming fail outside the workspace."""
    (bench.workspace / "link").symlink_to(bench.outside)
    commands = [
        f"echo x > {bench.secret}",
        f"touch {bench.outside}/new",
        "echo x > link/new",
        f"rm {bench.secret}",
        f"mv {bench.secret} stolen",
        f"ln {bench.secret} hard",
        "echo x > /etc/holdfast-test",
        "echo x > /usr/holdfast-test",
    ]
    for command in commands:
        assert 0 != _bash(bench, confined, command, effect).exit_code, command
    # A home below /tmp seems to take it, but that is the sandbox's private one.
    _bash(bench, confined, f"echo x > {os.path.expanduser('~')}/holdfast-test", effect)
    assert "OUTSIDE-SECRET\n" == bench.secret.read_text()
    assert ["secret.txt"] == os.listdir(bench.outside)
    for place in ("/etc", "/usr", os.path.expanduser("~")):
        assert not os.path.exists(f"{place}/holdfast-test")


def test_nothing_private_can_be_read(
    bench: Bench, confined: SandboxStatus, effect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of the host's user, its passwords and the runtime's memory are closed."""
    monkeypatch.setenv("HOLDFAST_TEST_SECRET", "ENVIRONMENT-SECRET")
    runtime = os.getpid()
    commands = [
        f"cat {bench.secret}",
        f"ls {bench.outside}",
        "cat /etc/shadow",
        f"cat /proc/{runtime}/environ",
        f"head -c 1 /proc/{runtime}/mem",
        f"readlink /proc/{runtime}/fd/0",
        f"ls /proc/{runtime}/" + "root" + "/",
        f"cat /proc/{runtime}/cwd/pyproject.toml",
        "cat /proc/1/environ",
    ]
    for command in commands:
        outcome = _bash(bench, confined, f"{command} && echo SEEN", effect)
        assert "OUTSIDE-SECRET" not in outcome.content
        assert "ENVIRONMENT-SECRET" not in outcome.content
        # Process 1 is the sandbox's own under bubblewrap.
        if not ("/proc/1/" in command and confined.kind is SandboxKind.BUBBLEWRAP):
            assert "SEEN" not in outcome.content, command


def test_the_environment_is_scrubbed(
    bench: Bench, tier: SandboxStatus, effect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the allow-list is passed on, with a private home."""
    for name in ("AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY", "LD_PRELOAD_X", "PYTHONPATH"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("LC_TIME", "C")
    monkeypatch.setenv("TZ", "UTC")
    found = dict(
        line.split("=", 1) for line in _text(_bash(bench, tier, "env -u _", effect)).splitlines()
    )
    allowed = {"PATH", "HOME", "TMPDIR", "LANG", "LANGUAGE", "TERM", "TZ", "HOLDFAST_EFFECT"}
    allowed |= {"PWD", "SHLVL", "OLDPWD"}
    assert set() == {name for name in found if name not in allowed and not name.startswith("LC_")}
    assert ("C", "UTC", effect) == (found["LC_TIME"], found["TZ"], found["HOLDFAST_EFFECT"])
    assert os.path.expanduser("~") != found["HOME"]
    assert 0 == _bash(bench, tier, 'touch "$HOME/x" "$TMPDIR/x"', effect).exit_code


def test_privileges_are_gone(bench: Bench, confined: SandboxStatus, effect: str) -> None:
    """No capability is left, none can be gained, and no namespace can be made."""
    command = "grep -E 'Cap(Prm|Eff|Bnd)|NoNewPrivs' /proc/self/status"
    status = _bash(bench, confined, command, effect)
    values = dict(line.split(":\t") for line in status.content.splitlines())
    assert {"0" * 16} == {values["CapPrm"], values["CapEff"]}
    assert "1" == values["NoNewPrivs"]
    for command in ("unshare -U true", "mount -t tmpfs none /tmp", "unshare -m true"):
        assert 0 != _bash(bench, confined, command, effect).exit_code, command


def test_limits_hold(bench: Bench, tier: SandboxStatus, effect: str) -> None:
    """No core is dumped; memory and file sizes end somewhere."""
    limits = _text(_bash(bench, tier, "ulimit -c; ulimit -d; ulimit -f; ulimit -n", effect))
    core, memory, file, files = limits.splitlines()
    assert "0" == core
    assert 4 * 1024**2 >= int(memory)
    assert 2 * 1024**2 >= int(file)
    assert 4_096 >= int(files)
    allocate = "python3 -c 'x = bytearray(5 * 1024**3)'"
    assert "MemoryError" in _bash(bench, tier, allocate, effect).content


def test_the_interpreter_works_inside(bench: Bench, tier: SandboxStatus, effect: str) -> None:
    """Tests of the workspace can be run with the interpreter that runs Holdfast."""
    alone = subprocess.run([sys.executable, "-I", "-c", "import pytest"], check=False)
    if alone.returncode != 0:
        pytest.skip("this interpreter finds pytest only through its environment")
    (bench.workspace / "test_it.py").write_text("def test_it():\n    assert 1 + 1 == 2\n")
    outcome = _bash(bench, tier, "python3 -m pytest -q -p no:cacheprovider test_it.py", effect)
    assert "1 passed" in outcome.content
    assert 0 == outcome.exit_code
    version = _bash(bench, tier, "python3 -c 'import sys; print(sys.prefix)'", effect)
    assert sys.prefix == _text(version)


# --- endings --------------------------------------------------------------------

ESCAPES_THE_GROUP = "setsid sleep 3001 & "
CLEARS_THE_MARKER = "env -i setsid sleep 3002 & "
IGNORES_TERM = "(trap '' TERM; sleep 3003) & "
GOES_INTO_THE_BACKGROUND = "(setsid sh -c 'sleep 3004; true' &) ; "
HIDES = ESCAPES_THE_GROUP + CLEARS_THE_MARKER + IGNORES_TERM + GOES_INTO_THE_BACKGROUND


def _sleepers() -> set[str]:
    """Return the sleeps of these tests that are alive."""
    found = set()
    for name in os.listdir("/proc"):
        try:
            line = Path(f"/proc/{name}/cmdline").read_bytes() if name.isdigit() else b""
        except OSError:
            continue
        found.update(match.decode() for match in re.findall(rb"sleep\x00(30\d\d)\x00", line))
    return found


def _own_zombies() -> list[int]:
    """Return the children of this process that nobody has waited for."""
    found = []
    for name in os.listdir("/proc"):
        try:
            fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid() and fields[0] == "Z":
            found.append(int(name))
    return found


def test_background_processes_end_with_the_call(
    bench: Bench, tier: SandboxStatus, effect: str
) -> None:
    """Whatever they did to get away: other session, cleared environment, ignored signal."""
    begun = time.perf_counter()
    assert "started" == _text(_bash(bench, tier, HIDES + "echo started", effect))
    assert set() == _sleepers()
    assert [] == _own_zombies()
    assert 2 > time.perf_counter() - begun


def test_the_time_limit(bench: Bench, tier: SandboxStatus, effect: str) -> None:
    """The call ends with 124 within a second of its limit and nothing is left."""
    begun = time.perf_counter()
    outcome = _bash(bench, tier, HIDES + "echo started; sleep 3005", effect, timeout_ms=400)
    assert 1.4 > time.perf_counter() - begun
    assert "started\n[ended after the time limit of 0.4 s]" == _text(outcome).replace(
        "Terminated\n", ""
    )
    assert (124, True) == (outcome.exit_code, outcome.is_error)
    assert set() == _sleepers()
    assert [] == _own_zombies()


def test_a_polite_command_may_clean_up(bench: Bench, tier: SandboxStatus, effect: str) -> None:
    """It is asked before it is killed."""
    command = "trap 'echo bye; exit 0' TERM; echo started; while true; do sleep 0.05; done"
    assert "bye" in _bash(bench, tier, command, effect, timeout_ms=300).content


def test_the_call_s_own_limit_counts_too(bench: Bench, tier: SandboxStatus, effect: str) -> None:
    """The smaller of the two limits holds."""
    arguments = {"command": "sleep 3006", "timeout_ms": 60_000}
    tool = BashTool(status=tier)
    outcome = bench.call(tool, arguments, effect_id=effect, timeout_s=0.2, unsandboxed_allowed=True)
    assert 124 == outcome.exit_code


def test_cancelling(bench: Bench, tier: SandboxStatus, effect: str) -> None:
    """A cancelled call ends within a second, its output so far was emitted, nothing is left."""

    async def cancelled() -> float:
        started = asyncio.Event()
        bench.emitted.clear()
        context = bench.context(effect, unsandboxed_allowed=True)
        object.__setattr__(
            context, "emit", lambda text: (bench.emitted.append(text), started.set())
        )
        arguments = {"command": HIDES + "echo started; sleep 3007"}
        call = asyncio.ensure_future(BashTool(status=tier).run(arguments, context))
        await asyncio.wait_for(started.wait(), 10)
        begun = time.perf_counter()
        call.cancel()
        call.cancel()  # an impatient caller cannot make it leave things behind
        with pytest.raises(asyncio.CancelledError):
            await call
        return time.perf_counter() - begun

    assert 1.0 > asyncio.run(cancelled())
    assert "started\n" == bench.emitted[0]
    assert set() == _sleepers()
    assert [] == _own_zombies()


def test_no_descriptor_and_no_directory_stays(
    bench: Bench, tier: SandboxStatus, effect: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """After many calls this process has as many descriptors as before, and no scratch is left."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    _bash(bench, tier, "true", effect)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        _bash(bench, tier, "echo x", effect)
    assert before == len(os.listdir("/proc/self/fd"))
    assert [] == os.listdir(scratch)


RUNTIME = """
    import asyncio, sys
    from holdfast.adapters.sandbox.status import SandboxKind, detect
    from holdfast.adapters.tools.bash import BashTool
    from holdfast.ports.tool import ToolContext

    async def nothing(_):
        raise AssertionError

    context = ToolContext(
        session_id="s", workspace=sys.argv[1], effect_id=sys.argv[2], spill=nothing,
        read_spill=nothing, emit=lambda text: print(text, end="", flush=True),
        unsandboxed_allowed=True,
    )
    status = detect(SandboxKind(sys.argv[3]))
    if status.kind.value != sys.argv[3]:
        sys.exit("no such tier")
    tool = BashTool(status=status)
    asyncio.run(tool.run({"command": sys.argv[4]}, context))
"""


def _await_true(condition: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    return condition()


def test_children_die_with_the_runtime(bench: Bench, tier: SandboxStatus, effect: str) -> None:
    """After kill -9 of the runtime nothing it started is alive."""
    command = HIDES + "echo started; sleep 3008"
    script = [sys.executable, "-c", textwrap.dedent(RUNTIME), str(bench.workspace)]
    with subprocess.Popen(
        [*script, effect, tier.kind.value, command], stdout=subprocess.PIPE
    ) as runtime:
        assert runtime.stdout is not None
        assert b"started\n" == runtime.stdout.readline()
        assert _await_true(lambda: {"3001", "3002", "3003", "3004", "3008"} <= _sleepers(), 5)
        runtime.send_signal(signal.SIGKILL)
        runtime.wait()
        assert _await_true(lambda: not _sleepers() and not marked(effect), 3)


# --- as users run it ------------------------------------------------------------


@pytest.mark.parametrize("kind", ALL)
def test_an_ordinary_user(bench: Bench, kind: SandboxKind, effect: str) -> None:
    """The same holds for a user without privileges."""
    if os.geteuid() != 0:
        pytest.skip("the other tests run as an ordinary user already")
    python, setpriv = "/usr/bin/python3", "/usr/bin/setpriv"
    if not (os.path.exists(python) and os.path.exists(setpriv)):
        pytest.skip("needs a system interpreter and setpriv")
    bench.base.chmod(0o755)
    os.chown(bench.workspace, 54_321, 54_321)
    for parent in bench.base.parents:
        if not parent.stat().st_mode & 0o001:  # pytest's own folders, however deep
            parent.chmod(parent.stat().st_mode | 0o011)
    paths = [path for path in sys.path if path.endswith(("src", "site-packages"))]
    command = f"id -u; touch made; cat {bench.secret.parent}/../outside/secret.txt; "
    command += f"cat /proc/{os.getpid()}/environ; {HIDES} exit 3"
    script = "import sys; sys.path[:0] = sys.argv.pop(1).split(':')\n" + textwrap.dedent(RUNTIME)
    argv = [setpriv, "--reuid=54321", "--regid=54321", "--clear-groups", "--inh-caps=-all"]
    argv += [python, "-c", script, ":".join(paths), str(bench.workspace), effect, kind.value]
    done = subprocess.run([*argv, command], capture_output=True, timeout=20, check=False)
    text = done.stdout.decode()
    if b"no such tier" in done.stderr:
        pytest.skip(f"no {kind} for an ordinary user")
    if "54321" not in text:
        assert b"ModuleNotFoundError" in done.stderr, done.stderr.decode()
        pytest.skip("the system interpreter cannot load this installation")
    assert (bench.workspace / "made").exists()
    if kind is not SandboxKind.NONE:
        assert "OUTSIDE-SECRET" not in text
    assert _await_true(lambda: not _sleepers(), 2)
