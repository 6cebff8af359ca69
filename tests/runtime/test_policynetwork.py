"""What a policy file says of the network and the enclave, as values; and what is refused."""

from __future__ import annotations

import pytest

from holdfast.core.errors import PolicyFileRefused
from holdfast.core.network import NetworkPolicy, NetworkRule, Scheme
from holdfast.core.settings import ModelSettings
from holdfast.runtime.policyfile import parse_policy
from holdfast.runtime.policynetwork import Confined
from holdfast.runtime.tee import TeeAttestation, TeeConfig
from runtime.test_policyfile import EVERYTHING


def read(text: str) -> Confined:
    """What a file says of both."""
    return parse_policy(text, "p").confined


def test_every_key_becomes_what_an_argument_can_say() -> None:
    """Nothing is lost, nothing is added."""
    found = read(EVERYTHING)
    both = (Scheme.HTTPS, Scheme.HTTP)
    packages = NetworkRule(
        host="packages.example.com", ports=(443, 8443), methods=("GET",), schemes=both
    )
    assert found.network == NetworkPolicy(
        rules=(packages, NetworkRule(host="*.example.org")),
        bytes_max=1000,
        unsafe_addresses=("10.0.0.1:443",),
    )
    assert found.model_network == NetworkPolicy(rules=(NetworkRule(host="api.example.com"),))
    assert found.tee == TeeConfig(
        enabled=True,
        required=True,
        allow_simulated=True,
        socket="/run/enclave.sock",
        anchor="/var/lib/enclave.anchor",
        memory_mb=512,
        model=ModelSettings(
            provider="openai",
            model="local",
            base_url="http://127.0.0.1:8000/v1",
            key="env:KEY",
        ),
        attestation=TeeAttestation(
            expected_measurements=frozenset({"ab12"}),
            hardware=False,
            minimum_tcb=(("snp", 8),),
            software_keys=("cd",),
        ),
    )


def test_a_section_alone_says_something_and_none_says_nothing() -> None:
    """An empty `[network]` reaches nothing; an empty `[tee]` is all of its defaults."""
    assert Confined() == read("")
    assert Confined(network=NetworkPolicy()) == read("[network]")
    assert Confined(tee=TeeConfig()) == read("[tee]")
    assert Confined(tee=TeeConfig(backend="amd_sev")) == read("[tee]\nbackend = 'amd_sev'")


WRONG = [
    ("[network]\nbytes_max = '1'", "wrong_type", "network.bytes_max", 2),
    ("[network]\nbytes_max = -1", "wrong_type", "network.bytes_max", 2),
    ("[network]\nunsafe_addresses = ['10.0.0.1:1',\n'host:1']", "invalid_input",
     "network.unsafe_addresses[2]", 3),
    ("[network]\nhosts = ['x']", "unknown_key", "network.hosts", 2),
    ("[network]\nrules = 1", "wrong_type", "network.rules", 2),
    ("[[network]]", "wrong_type", "network", 1),
    ("[[network.rules]]\nports = [1]", "invalid_input", "network.rules[1].host", 1),
    ("[[network.rules]]\nhost = 'a.test'\n[[network.rules]]\nhost = 'a b'", "invalid_input",
     "network.rules[2].host", 4),
    ("[[network.rules]]\nhost = 'a.test'\nports = [0]", "invalid_input",
     "network.rules[1].ports", 3),
    ("[[network.rules]]\nhost = 'a.test'\nports = ['443']", "wrong_type",
     "network.rules[1].ports", 3),
    ("[[network.rules]]\nhost = 'a.test'\nmethods = ['get']", "invalid_input",
     "network.rules[1].methods", 3),
    ("[[network.rules]]\nhost = 'a.test'\nschemes = ['ftp']", "invalid_input",
     "network.rules[1].schemes", 3),
    ("[[network.rules]]\nhost = 'a.test'\nschemes = ['tcp']", "invalid_input",
     "network.rules[1].schemes", 3),
    ("[[network.rules]]\nhost = 'a.test'\nschemes = []", "invalid_input",
     "network.rules[1].schemes", 3),
    ("[model_network]\nbytes_max = 1", "unknown_key", "model_network.bytes_max", 2),
    ("[tee]\nmode = 'test'", "invalid_input", "tee.mode", 2),
    ("[tee]\nmemory_mb = 1", "invalid_input", "tee.memory_mb", 2),
    ("[tee]\nmeasurements = ['AB']", "invalid_input", "tee.measurements", 2),
    ("[tee]\nbackend = 'a3s_box'", "invalid_input", "tee.backend", 2),
    ("[tee]\nminimum_tcb = { a = 'x' }", "wrong_type", "tee.minimum_tcb", 2),
    ("[tee]\nsoftware_keys = ['ab']", "invalid_input", "tee", 1),
    ("[tee]\nmode = 'production'\nallow_simulated = true", "invalid_input", "tee", 1),
    ("[tee]\nvsock_port = 4091", "unknown_key", "tee.vsock_port", 2),
    ("[tee.model]\nprovider = 'openai'", "invalid_input", "tee.model.model", 1),
    ("[tee.model]\nprovider = 'a'\nmodel = 'b'\nkey = 'sk-abc'", "invalid_input",
     "tee.model.key", 4),
    ("tee = 1", "wrong_type", "tee", 1),
]  # fmt: skip


@pytest.mark.parametrize(("text", "problem", "key", "line"), WRONG)
def test_what_is_wrong_is_named(text: str, problem: str, key: str, line: int) -> None:
    """With its key and line."""
    with pytest.raises(PolicyFileRefused) as refused:
        read(text)
    error = refused.value
    assert (problem, key, line) == (error.problem, error.key, error.line)


def test_too_many_rules_are_refused() -> None:
    """As of an argument."""
    many = "".join(f"[[network.rules]]\nhost = 'a{n}.test'\n" for n in range(257))
    with pytest.raises(PolicyFileRefused, match="at most 256"):
        read(many)
