"""The policy file: read strictly, and binding for every session."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.detectors.factory import Classifiers
from holdfast.core.errors import PolicyFileRefused
from holdfast.core.labels import Sensitivity
from holdfast.core.rules import PolicyMode, parse_rule
from holdfast.core.security import (
    CustomRule,
    DataPolicy,
    Fallback,
    FlowMode,
    InjectionDefense,
    RoutingDecision,
    Security,
)
from holdfast.core.settings import ConfirmationPolicy
from holdfast.runtime.budgets import Budget
from holdfast.runtime.configuration import FREE, IN_FILE
from holdfast.runtime.policyfile import PolicyFile, parse_policy
from holdfast.runtime.policyschema import SECTIONS, SEVERAL

KEY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"

EVERYTHING = f"""
[permissions]
mode = "default"
preset = "developer"
allow = ["bash(make deploy:*)", "mcp__github__*"]
ask = ["write(docs/**)"]
deny = [
  "bash(rm:*)",
  "read(**/secrets/**)",
]
always_ask = ["bash(git push:*)"]

[[rules]]
effect = "allow"
rule = "fetch(a*b)"
literal = true
role = "agent"
task_type = "nightly"

[[rules]]
effect = "ask"
rule = "fetch"
always_ask = true
role = "guest"

[confirmation]
attended_s = 300
unattended_s = 86400
timeout_action = "reject"
quorum = 2
critical = ["bash(terraform apply:*)"]

[budget]
usd = "2.00"
action_usd = "0.50"
calls = 100

[budget.tenant]
day_usd = "50"

[[budget.user]]
name = "ann"
usd = "10"

[[budget.workspace]]
path = "/srv/project"
tokens = 1000000

[[hooks]]
id = "audit"
event = "pre_tool_use"
command = ["/usr/bin/env", "true"]
match = "bash"
priority = 5
timeout_ms = 2000
retries_max = 1
fail_open = true
sees = "sensitive"
env = {{ MODE = "quiet" }}

[capabilities]
trusted_keys = ["{KEY}"]

[security]
enabled = true
flow = "strict"
injection = "all"
reader = "normal"
redaction = "mask"
packs = ["PCI-DSS"]
hosts = ["Example.org", "api.example.org"]
dangerous = ["bash(terraform destroy:*)"]
warn_kinds = 2
reject_kinds = 4
half_life_days = 60
extraction = true

[[security.rules]]
name = "project_code"
pattern = "PRJ-[0-9]{{4}}"
level = "HighlySensitive"

[security.data]
tee_threshold = "highly_sensitive"
allow_highly_sensitive = false
type_rules = {{ ssn = "reject", email = "require_confirmation" }}
fallback = "warn"

[network]
bytes_max = 1000
unsafe_addresses = ["10.0.0.1:443"]

[[network.rules]]
host = "Packages.example.com"
ports = [443, 8443]
methods = ["GET"]
schemes = ["https", "http"]

[[network.rules]]
host = "*.example.org"

[[model_network.rules]]
host = "api.example.com"

[tee]
enabled = true
mode = "development"
required = true
allow_simulated = true
socket = "/run/enclave.sock"
anchor = "/var/lib/enclave.anchor"
memory_mb = 512
measurements = ["ab12"]
hardware = false
minimum_tcb = {{ snp = 8 }}
software_keys = ["cd"]

[tee.model]
provider = "openai"
model = "local"
base_url = "http://127.0.0.1:8000/v1"
key = "env:KEY"
"""


# --- reading --------------------------------------------------------------------------


def test_every_key_is_read() -> None:
    """Each section comes out as the values that the rest of the program uses."""
    found = parse_policy(EVERYTHING, "/etc/holdfast.toml")
    assert found.permission is not None
    rules = found.permission.rules
    assert PolicyMode.DEFAULT is found.permission.mode
    assert parse_rule("deny", "bash(rm:*)") in rules
    assert parse_rule("ask", "bash(git push:*)", always_ask=True) in rules
    assert parse_rule("allow", "bash(pytest:*)") in rules
    literal = parse_rule("allow", "fetch(a*b)", literal=True, role="agent", task_type="nightly")
    assert literal in rules
    assert parse_rule("ask", "fetch", always_ask=True, role="guest") in rules
    critical = ("bash(terraform apply:*)",)
    wanted = ConfirmationPolicy(attended_s=300, unattended_s=86400, critical=critical)
    assert wanted == found.confirmation
    assert Budget(usd="2.00", action_usd="0.50", calls=100) == found.budget
    shared = [(one.holder.value, one.who, one.budget) for one in found.shared]
    assert [
        ("tenant", "", Budget(day_usd="50")),
        ("user", "ann", Budget(usd="10")),
        ("workspace", "/srv/project", Budget(tokens=1_000_000)),
    ] == shared
    (hook,) = found.hooks
    assert ("audit", "pre_tool_use", "bash", 5) == (hook.id, hook.event, hook.match, hook.priority)
    assert (2000, 1, True, {"MODE": "quiet"}) == (
        hook.timeout_ms, hook.retries_max, hook.fail_open, hook.env,
    )  # fmt: skip
    assert Sensitivity.SENSITIVE is hook.sees
    assert (KEY,) == found.trusted_keys


def test_every_key_of_content_security_is_read() -> None:
    """As the settings that sessions are joined with."""
    rule = CustomRule(
        name="project_code", pattern="PRJ-[0-9]{4}", level=Sensitivity.HIGHLY_SENSITIVE
    )
    wanted = Security(
        flow=FlowMode.STRICT,
        injection=InjectionDefense.ALL,
        reader=Sensitivity.NORMAL,
        redaction="mask",
        rules=(rule,),
        packs=("pci-dss",),
        hosts=("api.example.org", "example.org"),
        dangerous=("bash(terraform destroy:*)",),
        data=DataPolicy(
            tee_threshold=Sensitivity.HIGHLY_SENSITIVE,
            allow_highly_sensitive=False,
            type_rules=(
                ("email", RoutingDecision.REQUIRE_CONFIRMATION),
                ("ssn", RoutingDecision.REJECT),
            ),
            fallback=Fallback.WARN,
        ),
        warn_kinds=2,
        reject_kinds=4,
        half_life_days=60,
        extraction=True,
    )
    assert wanted == parse_policy(EVERYTHING, "p").security
    assert Security() == parse_policy("[security]", "p").security
    assert Security() == parse_policy("[security.data]", "p").security


def test_packs_and_custom_rules_are_checked_by_making_the_classifier() -> None:
    """What is unknown or cannot be used is named where it stands."""
    rules = "[[security.rules]]\nname='a'\npattern='x+'\n"
    for text, key, line in [
        ("[security]\npacks = ['gdpr',\n'gdrp']", "security.packs[2]", 3),
        ("[[security.rules]]\nname='a'\npattern='('", "security.rules[1].pattern", 3),
        ("[[security.rules]]\nname='A!'\npattern='x'", "security.rules[1].pattern", 3),
        ("[[security.rules]]\nname='a'\npattern='x*'", "security.rules[1].pattern", 3),
        (rules + rules, "security.rules[2].pattern", 6),
    ]:
        with pytest.raises(PolicyFileRefused) as refused:
            parse_policy(text, "p", classifier=Classifiers())
        found = refused.value
        assert ("invalid_input", key, line) == (found.problem, found.key, found.line)
    assert parse_policy(EVERYTHING, "p", classifier=Classifiers()).security


def test_the_example_uses_every_key() -> None:
    """What the test above reads has no hole."""
    words = set(EVERYTHING.replace("{", " ").split())
    read_elsewhere = IN_FILE.keys() | FREE.keys()  # by test_configuration
    keys = {key for name in SECTIONS.keys() - read_elsewhere for key in SECTIONS[name]}
    limits = set(SECTIONS["budget"]) | {"enabled", "unsafe_auto_approve"}
    limits.add("backend")  # excludes a simulated enclave; in test_policynetwork
    assert set() == keys - words - limits


def test_an_empty_file_says_nothing() -> None:
    """Without a section nothing is bound, and no mode is set."""
    assert PolicyFile(path="p") == parse_policy("# nothing yet\n", "p")


WRONG = [
    ("permission = 1", "unknown_key", "permission", 1),
    ("[permissions]\nalow = []", "unknown_key", "permissions.alow", 2),
    ("[[rules]]\neffect='ask'\nrule='x'\nroel=''", "unknown_key", "rules[1].roel", 4),
    ("[confirmation]\nyolo_lanes = []", "unknown_key", "confirmation.yolo_lanes", 2),
    ("[budget]\neuros = '1'", "unknown_key", "budget.euros", 2),
    ("[budget.team]\nusd = '1'", "unknown_key", "budget.team", 1),
    ("[budget.tenant]\nrun_usd = '1'", "unknown_key", "budget.tenant.run_usd", 2),
    ("[[budget.user]]\nname='a'\nact=1", "unknown_key", "budget.user[1].act", 3),
    ("[[budget.workspace]]\npath='/a'\nact=1", "unknown_key", "budget.workspace[1].act", 3),
    ("[[hooks]]\nevent='on_error'\ncommand=['x']\nwhen=1", "unknown_key", "hooks[1].when", 4),
    ("[capabilities]\nkeys = []", "unknown_key", "capabilities.keys", 2),
    ("permissions = 1", "wrong_type", "permissions", 1),
    ("[rules]\neffect = 'ask'", "wrong_type", "rules", 1),
    ("[[permissions]]", "wrong_type", "permissions", 1),
    ("[permissions]\nallow = 'read'", "wrong_type", "permissions.allow", 2),
    ("[permissions]\nallow = [1]", "wrong_type", "permissions.allow", 2),
    ("[permissions]\nmode = true", "wrong_type", "permissions.mode", 2),
    ("[confirmation]\nenabled = 1", "wrong_type", "confirmation.enabled", 2),
    ("[confirmation]\nquorum = true", "wrong_type", "confirmation.quorum", 2),
    ("[confirmation]\nattended_s = -1", "wrong_type", "confirmation.attended_s", 2),
    ("[budget]\nusd = 2.0", "wrong_type", "budget.usd", 2),
    ("[budget]\nusd = 2", "wrong_type", "budget.usd", 2),
    ("[budget]\ncalls = nan", "wrong_type", "budget.calls", 2),
    ("[[hooks]]\nevent='on_error'\ncommand='x'", "wrong_type", "hooks[1].command", 3),
    ("[[hooks]]\nevent='on_error'\ncommand=['x']\nenv={A=1}", "wrong_type", "hooks[1].env", 4),
    ("[permissions]\nmode = 'lax'", "invalid_input", "permissions.mode", 2),
    ("[permissions]\npreset = 'lax'", "invalid_input", "permissions.preset", 2),
    ("[permissions]\nallow = ['a',\n 'b c d']", "malformed_rule", "permissions.allow[2]", 3),
    ("[permissions]\ndeny = ['bash()']", "rule_never_matches", "permissions.deny[1]", 2),
    ("[permissions]\ndeny = ['read(../x)']", "rule_never_matches", "permissions.deny[1]", 2),
    ("[permissions]\ndeny=['x']\nallow=['X']", "rule_never_matches", "permissions.allow[1]", 3),
    ("[permissions]\ndeny=['x']\nask=['x(y)']", "rule_never_matches", "permissions.ask[1]", 3),
    ("[permissions]\nalways_ask=['x']\nallow=['x']", "rule_never_matches",
     "permissions.allow[1]", 3),
    ("[[rules]]\nrule = 'x'", "missing_key", "rules[1].effect", 1),
    ("[[rules]]\neffect='no'\nrule='x'", "malformed_rule", "rules[1].rule", 3),
    ("[[rules]]\neffect='ask'\nrule='x'\n[[rules]]\neffect='deny'\nrule='y'\nalways_ask=true",
     "malformed_rule", "rules[2].rule", 6),
    ("[confirmation]\ntimeout_action = 'maybe'", "invalid_input", "confirmation", 1),
    ("[confirmation]\ncritical = ['bash()']", "rule_never_matches", "confirmation.critical[1]", 2),
    ("[confirmation]\nquorum = 0", "invalid_input", "confirmation", 1),
    ("[permissions]\n[confirmation]\nunsafe_auto_approve = ['execute']", "no_effect",
     "confirmation.unsafe_auto_approve", 3),
    ("[budget]\nusd = '-1'", "invalid_input", "budget.usd", 2),
    ("[budget]\nusd = 'inf'", "invalid_input", "budget.usd", 2),
    ("[budget]\nwarn_percent = 0", "invalid_input", "budget.warn_percent", 2),
    ("[[budget.workspace]]\npath = 'here'", "invalid_input", "budget.workspace[1].path", 2),
    ("[[budget.user]]\nusd = '1'", "missing_key", "budget.user[1].name", 1),
    ("[[hooks]]\nevent = 'on_error'", "missing_key", "hooks[1].command", 1),
    ("[[hooks]]\ncommand = ['x']", "missing_key", "hooks[1].event", 1),
    ("[[hooks]]\nevent='later'\ncommand=['x']", "invalid_input", "hooks[1].event", 2),
    ("[[hooks]]\nevent='on_error'\ncommand=['./x']", "invalid_input", "hooks[1].command", 3),
    ("[[hooks]]\nevent='on_error'\ncommand=['x']\nmatch='a b'", "malformed_rule",
     "hooks[1].match", 4),
    ("[[hooks]]\nevent='pre_prompt'\ncommand=['x']\nmatch='a'", "rule_never_matches",
     "hooks[1].match", 4),
    ("[[hooks]]\nevent='on_error'\ncommand=['x']\nsees='all'", "invalid_input",
     "hooks[1].sees", 4),
    ("[[hooks]]\nevent='on_error'\ncommand=['x']\ntimeout_ms=0", "invalid_input",
     "hooks[1].timeout_ms", 4),
    ("[[hooks]]\nid='a'\nevent='on_error'\ncommand=['x']\n"
     "[[hooks]]\nid='a'\nevent='on_error'\ncommand=['x']", "invalid_input", "hooks[2].id", 6),
    ("[capabilities]\ntrusted_keys = ['ff']", "capability_refused",
     "capabilities.trusted_keys[1]", 2),
    ("[security]\nflows = 'x'", "unknown_key", "security.flows", 2),
    ("[security.date]\nfallback='x'", "unknown_key", "security.date", 1),
    ("[security.data]\nname = 'x'", "unknown_key", "security.data.name", 2),
    ("[[security.rules]]\nname='a'\nregex='x'", "unknown_key", "security.rules[1].regex", 3),
    ("security = 1", "wrong_type", "security", 1),
    ("[[security]]", "wrong_type", "security", 1),
    ("[security.rules]", "wrong_type", "security.rules", 1),
    ("[security]\nenabled = 'no'", "wrong_type", "security.enabled", 2),
    ("[security]\nwarn_kinds = true", "wrong_type", "security.warn_kinds", 2),
    ("[security.data]\ntype_rules = {a=1}", "wrong_type", "security.data.type_rules", 2),
    ("[security]\nflow = 'lax'", "invalid_input", "security.flow", 2),
    ("[security]\ninjection = 'some'", "invalid_input", "security.injection", 2),
    ("[security]\nreader = 'secret'", "invalid_input", "security.reader", 2),
    ("[security]\nredaction = 'blur'", "invalid_input", "security.redaction", 2),
    ("[security]\nhalf_life_days = 0", "invalid_input", "security.half_life_days", 2),
    ("[security]\nreject_kinds = 1001", "invalid_input", "security.reject_kinds", 2),
    ("[security]\npacks = ['1','2','3','4','5','6','7','8','9']", "invalid_input",
     "security.packs", 2),
    ("[security]\ndangerous = ['a',\n'bash()']", "rule_never_matches",
     "security.dangerous[2]", 3),
    ("[security]\nhosts = ['" + 3_100 * "h" + "']", "invalid_input", "security", 1),
    ("[security.data]\ntee_threshold = 'high'", "invalid_input", "security.data.tee_threshold", 2),
    ("[security.data]\nfallback = 'ask'", "invalid_input", "security.data.fallback", 2),
    ("[security.data]\ntype_rules = {a='no'}", "invalid_input", "security.data.type_rules", 2),
    ("[[security.rules]]\nname = 'a'", "missing_key", "security.rules[1].pattern", 1),
    ("[[security.rules]]\npattern = 'a'", "missing_key", "security.rules[1].name", 1),
    ("[[security.rules]]\nname='a'\npattern='b'\nlevel='top'", "invalid_input",
     "security.rules[1].pattern", 3),
    ("[permissions", "not_toml", "", 0),
    ("[permissions]\nmode='strict'\nmode='default'", "not_toml", "", 0),
]  # fmt: skip


@pytest.mark.parametrize(("text", "problem", "key", "line"), WRONG)
def test_what_is_wrong_is_named(text: str, problem: str, key: str, line: int) -> None:
    """Unknown keys at every level, wrong types, bad rules: refused with key and line."""
    with pytest.raises(PolicyFileRefused) as refused:
        parse_policy(text, "/p/holdfast.toml")
    error = refused.value
    assert (problem, key, line) == (error.problem, error.key, error.line)
    assert error.message.startswith(f"/p/holdfast.toml:{line}" if line else "/p/holdfast.toml")


def test_unknown_keys_are_refused_in_every_section() -> None:
    """No section has a hole."""
    for name in SECTIONS.keys() - FREE.keys():
        one = f"[[{name}]]" if name in SEVERAL else f"[{name}]"
        with pytest.raises(PolicyFileRefused, match="no such key") as refused:
            parse_policy(f"{one}\nnot_a_key = 1\n", "p")
        assert "unknown_key" == refused.value.problem


def test_too_many_rules_are_refused() -> None:
    """The preset counts."""
    many = ", ".join(f'"tool{n}"' for n in range(100))
    with pytest.raises(PolicyFileRefused) as refused:
        parse_policy(f'[permissions]\npreset = "developer"\nallow = [{many}]', "p")
    assert "too_large" == refused.value.problem


@given(st.text() | st.sampled_from([one[0] for one in WRONG]).flatmap(
    lambda text: st.integers(0, len(text)).map(lambda n: text[:n] + "]" + text[n:])
))  # fmt: skip
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing else comes out of reading a file."""
    try:
        assert isinstance(parse_policy(text, "p"), PolicyFile)
    except PolicyFileRefused as error:
        assert 0 <= error.line <= len(text.splitlines())
