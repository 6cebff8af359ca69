"""What a session's tools may reach, by its settings and the installation's."""

from __future__ import annotations

import pytest

from holdfast.adapters.tools.bash import BashTool
from holdfast.core.flows import Sink
from holdfast.core.messages import ToolUse
from holdfast.core.network import NetworkPolicy, NetworkRule
from holdfast.core.security import Security
from holdfast.runtime import reaching
from holdfast.runtime.authority import Trust
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.securing import SecurityConfig
from holdfast.testing.script import call, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import memory, run

LISTED = Security(hosts=("a.test",))


def _trust(network: NetworkPolicy | None = None, security: Security | None = None) -> Trust:
    trust = Trust()
    trust.network, trust.security = network, security
    return trust


def network_of(trust: Trust, own: Security) -> NetworkPolicy | None:
    """What a session with these settings may reach under an installation."""
    return reaching.network_of(trust.network, trust.binding(own))


def test_without_a_list_there_is_no_network() -> None:
    """Nothing is opened by default, nor by a list that is switched off."""
    assert network_of(_trust(), Security()) is None
    assert network_of(_trust(), Security(enabled=False, hosts=("a.test",))) is None
    assert network_of(_trust(NetworkPolicy()), LISTED) is None


def test_the_session_s_list_and_the_installation_s() -> None:
    """What both have; the installation's policy is the most there is."""
    own = network_of(_trust(), LISTED)
    assert own is not None
    assert ["a.test"] == [rule.host for rule in own.rules]
    joined = network_of(_trust(security=Security(hosts=("a.test", "b.test"))), LISTED)
    assert joined == own
    rules = (NetworkRule(host="a.test", methods=("GET",)), NetworkRule(host="c.test"))
    narrowed = network_of(_trust(NetworkPolicy(rules=rules)), LISTED)
    assert narrowed is not None
    assert rules[:1] == narrowed.rules
    assert rules == (network_of(_trust(NetworkPolicy(rules=rules)), Security()) or own).rules


@pytest.mark.parametrize(("listed", "expected"), [((), "absent"), (("a.test",), "named")])
def test_a_session_s_commands_are_told_of_their_proxy(
    listed: tuple[str, ...], expected: str, tmp_path: object
) -> None:
    """From the settings to the command: `network_whitelist` is what opens a way."""
    command = "env | grep -q '^https_proxy=' && echo named || echo absent"

    async def main() -> str:
        script = [call("bash", {"command": command}), say("done")]
        async with memory(ScriptedModel(script), BashTool()) as sessions:
            config = SessionConfig(
                workspace=str(tmp_path),
                unsafe_auto_approve=True,
                security_config=SecurityConfig(network_whitelist=listed),
            )
            session = await sessions.create_session("s", config)
            return repr([event.data async for event in session.stream("go")])

    found = run(main())
    assert expected in found


def test_a_tool_that_is_online_is_judged_as_one_that_sends(tmp_path: object) -> None:
    """The same call of bash is confined without a list and a sink with one."""

    async def flow_of(*listed: str) -> tuple[Sink, bool]:
        async with memory(ScriptedModel([]), BashTool()) as sessions:
            config = SessionConfig(
                workspace=str(tmp_path),
                security_config=SecurityConfig(network_whitelist=listed),
            )
            session = await sessions.create_session("s", config)
            where = await sessions.locate(session.id)
            make = (await sessions.engine(where)).workers.make
            flow = make.prepare(ToolUse("1", "bash", '{"command":"true"}')).action.flow
            assert flow is not None
            return flow.sink, flow.confined

    assert (Sink.WRITE, True) == run(flow_of())
    assert (Sink.EGRESS, False) == run(flow_of("a.test"))
