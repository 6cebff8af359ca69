"""What a policy file says of network and enclave is in force, with real commands and processes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.network.networkhelp import HERE, OUTSIDE, Outside, listening
from contenthelp import quick
from holdfast.adapters.network.firewall import Firewall
from holdfast.adapters.sandbox.status import SandboxKind, detect
from holdfast.adapters.tools.bash import BashTool
from holdfast.bootstrap import SessionManager
from holdfast.core.errors import HoldfastError, InvalidInput, PolicyFileRefused, TeeUnavailable
from holdfast.core.network import NetworkPolicy, NetworkRule, Scheme
from holdfast.core.settings import ModelSettings
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.securing import SecurityConfig
from holdfast.runtime.tee import TeeConfig
from holdfast.testing.script import call, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import UNSAFE, echo, memory, on_file, results, run, until

SIMULATED = TeeConfig(enabled=True, allow_simulated=True)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    monkeypatch.delenv("HOLDFAST_POLICY", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def write(folder: Path, text: str) -> Path:
    """A policy file that only its owner may write to."""
    path = folder / "policy.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def letting(port: int, more: str = "") -> str:
    """A file by which `outside.test` may be reached at a port of loopback."""
    return (
        f'[network]\nunsafe_addresses = ["127.0.0.1:{port}"]\n{more}\n'
        f'[[network.rules]]\nhost = "{OUTSIDE}"\nports = [{port}]\nschemes = ["http"]\n'
    )


def bash() -> BashTool:
    """The tool, whose names lead to loopback."""
    status = detect(SandboxKind.BUBBLEWRAP)
    if status.kind is not SandboxKind.BUBBLEWRAP:
        pytest.skip(status.reason)
    return BashTool(status=status, firewall=Firewall(dialer=HERE))


def fetching(port: int, times: int) -> ScriptedModel:
    """A model that fetches a page in each turn."""
    command = f"curl -sS --max-time 5 http://{OUTSIDE}:{port}/"
    turns = [[call("bash", {"command": command}), say("done")] for _ in range(times)]
    return ScriptedModel([turn for both in turns for turn in both])


async def fetched(sessions: SessionManager, id: str = "one") -> str:
    """What the command of the next turn printed."""
    session = await sessions.get_session(id)
    await session.generate("go")
    return results(await session.history())[-1].content


def config(folder: Path) -> SessionConfig:
    """A session with a workspace that asks nothing."""
    (folder / "work").mkdir(exist_ok=True)
    return SessionConfig(workspace=str(folder / "work"), unsafe_auto_approve=True)


# --- network --------------------------------------------------------------------


def test_the_file_lets_a_command_out_and_takes_it_back(tmp_path: Path) -> None:
    """A real command under bubblewrap; a reload holds from the next command on."""

    async def work() -> None:
        async with listening(Outside()) as outside:
            file = write(tmp_path, letting(outside.port))
            model = fetching(outside.port, 3)
            async with memory(model, bash(), policy=file) as sessions:
                await sessions.create_session("one", config(tmp_path))
                assert "outside" == await fetched(sessions)
                write(tmp_path, letting(outside.port + 1))
                await sessions.reload_policy()
                assert "block_protocol" in await fetched(sessions)
                write(tmp_path, "[network]\n")
                await sessions.reload_policy()
                assert "outside" not in (await fetched(sessions)).split()
            assert 1 == outside.connections

    run(work())


def test_an_argument_narrows_the_file_and_never_widens_it(tmp_path: Path) -> None:
    """Neither a wider argument nor a session's own list opens what the file has closed."""

    async def work() -> None:
        async with listening(Outside()) as outside:
            port = outside.port
            rule = NetworkRule(host=OUTSIDE, ports=(port,), schemes=(Scheme.HTTP,))
            wide = NetworkPolicy(rules=(rule,), unsafe_addresses=(f"127.0.0.1:{port}",))
            other = NetworkPolicy(rules=(NetworkRule(host="other.test"),))
            for text, given in (("[network]\n", wide), (letting(port), other)):
                file = write(tmp_path, text)
                model = fetching(port, 1)
                async with memory(model, bash(), policy=file, network=given) as sessions:
                    listed = SecurityConfig(network_whitelist=(OUTSIDE,))
                    chosen = replace(config(tmp_path), security_config=listed)
                    await sessions.create_session("one", chosen)
                    assert "outside" != await fetched(sessions)
            assert 0 == outside.connections
            file = write(tmp_path, letting(port))
            async with memory(fetching(port, 1), bash(), policy=file, network=wide) as sessions:
                await sessions.create_session("one", config(tmp_path))
                assert "outside" == await fetched(sessions)

    run(work())


def test_the_file_s_budget_outlives_the_process(tmp_path: Path) -> None:
    """Two managers on one store, one after the other: the second finds it spent."""

    async def work() -> None:
        async with listening(Outside()) as outside:
            file = write(tmp_path, letting(outside.port, "bytes_max = 300"))
            seen = []
            for time in range(3):
                model = fetching(outside.port, 1)
                async with on_file(tmp_path, model, bash(), policy=file) as sessions:
                    if not time:
                        await sessions.create_session("one", config(tmp_path))
                    seen.append(await fetched(sessions))
            assert "outside" == seen[0]
            assert "block_budget" in seen[2] and "outside" not in seen[2].split()
            assert outside.connections <= 2

    run(work())


def test_model_clients_are_bound_and_built_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client of a provider connects only to what the file lists, also after a reload."""
    monkeypatch.setenv("SOME_KEY", "k")

    async def work() -> None:
        async with listening(Outside()) as outside:
            settings = ModelSettings(
                provider="openai",
                model="m",
                base_url=f"http://127.0.0.1:{outside.port}/v1",
                key="env:SOME_KEY",
            )
            file = write(tmp_path, "[model_network]\n")
            async with memory(settings, policy=file) as sessions:  # type: ignore[arg-type]  # any model
                await sessions.create_session("one", UNSAFE)
                with pytest.raises(HoldfastError):
                    await (await sessions.get_session("one")).generate("go")
                assert 0 == outside.connections
                write(
                    tmp_path,
                    f'[model_network]\nunsafe_addresses = ["127.0.0.1:{outside.port}"]\n'
                    '[[model_network.rules]]\nhost = "127.0.0.1"\nschemes = ["http"]\n'
                    f"ports = [{outside.port}]\n",
                )
                await sessions.reload_policy()
                session = await sessions.get_session("one")
                asked = asyncio.ensure_future(session.generate("go"))
                await until(lambda: outside.connections > 0)
                await session.cancel()
                await asyncio.wait({asked})
                asked.exception()

    run(work())
    with pytest.raises(InvalidInput, match="not counted"):
        SessionManager(model_network=NetworkPolicy(bytes_max=1))


# --- the enclave ----------------------------------------------------------------


def test_production_in_the_file_refuses_a_simulated_enclave(tmp_path: Path) -> None:
    """Though the argument allows one; and what the file requires has to be there."""

    async def opened(text: str, tee: TeeConfig | None) -> str:
        file = write(tmp_path, text)
        async with memory(echo(), policy=file, tee=tee, detectors=quick()) as sessions:
            return sessions.tee_runtime.status.reason

    production = '[tee]\nenabled = true\nmode = "production"\n'
    with pytest.raises(PolicyFileRefused, match="production refuses") as refused:
        run(opened(production, SIMULATED))
    assert ("tee", "invalid_input") == (refused.value.key, refused.value.problem)
    assert "no socket" in run(opened(production, None))
    assert "no socket" in run(opened("[tee]\n", SIMULATED))
    with pytest.raises(TeeUnavailable, match="no socket"):
        run(opened(f"{production}required = true\n", None))
    with pytest.raises(TeeUnavailable, match="enclave"):
        run(opened(f"{production}required = true\nsocket = '{tmp_path}/none'\n", None))


def test_the_file_alone_starts_a_simulated_enclave(tmp_path: Path) -> None:
    """It is there and tested; another `[tee]` does not take its place while it runs."""

    async def work() -> None:
        text = "[tee]\nenabled = true\nallow_simulated = true\nrequired = true\n"
        file = write(tmp_path, text)
        async with memory(echo(), policy=file, detectors=quick()) as sessions:
            assert sessions.is_tee_enabled() and sessions.tee_runtime.status.simulated
            write(tmp_path, text + "[permissions]\nmode = 'strict'\n")
            await sessions.reload_policy()
            write(tmp_path, "[permissions]\nmode = 'default'\n")
            with pytest.raises(PolicyFileRefused, match="opened anew"):
                await sessions.reload_policy()
            assert sessions.is_tee_enabled()
            assert sessions.policy is not None and sessions.policy.permission is not None
            assert "strict" == sessions.policy.permission.mode

    run(work())


def test_what_the_file_excludes_is_refused(tmp_path: Path) -> None:
    """A client given as an enclave beside the file's; a key in clear."""

    async def opened(text: str, **options: object) -> None:
        async with memory(echo(), policy=write(tmp_path, text), **options):
            pass

    enabled = "[tee]\nenabled = true\nallow_simulated = true\n"
    for text in (enabled, "[tee]\nmode = 'production'\n"):
        with pytest.raises(PolicyFileRefused, match="enclave_llm"):
            run(opened(text, enclave_llm=echo()))
    run(opened("", enclave_llm=echo()))
    secret = "sk-" + "a1B2" * 10
    model = f'[tee.model]\nprovider = "openai"\nmodel = "m"\nkey = "{secret}"\n'
    with pytest.raises(PolicyFileRefused) as refused:
        run(opened(enabled + model))
    assert "tee.model.key" == refused.value.key and secret not in str(refused.value)
