"""`holdfast policy`: checking, explaining and testing the policy file."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from clihelp import Place

from holdfast.cli.policy import Asked, read_cases
from holdfast.core.errors import HoldfastError, InvalidInput, NotFound

RULES = """
[permissions]
allow = ["bash(ls:*)", "write(docs/**)"]
ask = ["bash(make:*)"]
deny = ["bash(rm:*)", "secret_tool"]
always_ask = ["bash(git push:*)"]

[[hooks]]
event = "session_start"
command = ["touch", "{mark}"]
env = {{ TOKEN = "not for eyes" }}
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("HOLDFAST_POLICY", raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A policy file in the configuration directory."""
    path = tmp_path / "xdg" / "holdfast" / "holdfast.toml"
    path.parent.mkdir(parents=True, mode=0o700)
    path.write_text(RULES.format(mark=tmp_path / "ran"), encoding="utf-8")
    path.chmod(0o600)
    return str(path)


def test_check_shows_what_holds(place: Place, file: str, tmp_path: Path) -> None:
    """Where it was found, its rules, and names that no built-in tool has."""
    ran = place.cli("policy", "check")
    assert 0 == ran.code
    assert file in ran.out
    assert "config" in ran.out
    assert "always_ask  bash(git push:*)" in ran.out
    assert "secret_tool is no built-in tool" in ran.err
    found = place.cli("--json", "policy", "check").json()
    assert isinstance(found, dict)
    assert ("default", ["secret_tool"], ["TOKEN"]) == (
        found["mode"],
        found["not_built_in"],
        found["hooks"][0]["env"],
    )
    assert "not for eyes" not in json.dumps(found)
    assert not (tmp_path / "ran").exists()
    assert not place.store.exists()


def test_check_shows_content_security(place: Place, file: str) -> None:
    """In a line, and as JSON what differs from the defaults; without it, that sessions decide."""
    assert "content        as sessions say" in place.cli("policy", "check").out
    rule = "[[security.rules]]\nname = 'a'\npattern = 'b'\n"
    Path(file).write_text(f"[security]\nflow = 'strict'\npacks = ['gdpr']\n{rule}")
    line = "content        flow strict, injection messages, 1 rules, gdpr\n"
    assert line in place.cli("policy", "check").out
    found = place.cli("--json", "policy", "check").json()
    assert isinstance(found, dict)
    assert "strict" == found["security"]["flow"]
    Path(file).write_text("[security]\nenabled = false")
    assert "content        as sessions say" in place.cli("policy", "check").out


def test_check_shows_network_and_enclave(place: Place, file: str) -> None:
    """In lines, and as JSON; no enclave is started for it."""
    said = place.cli("policy", "check").out
    assert all(f"{name} as arguments say" in said for name in ("network       ", "enclave       "))
    rule = "[[network.rules]]\nhost = 'a.test'\nports = [443]\n"
    tee = "[tee]\nenabled = true\nrequired = true\nmode = 'production'\n"
    Path(file).write_text(f"[model_network]\n{rule}{tee}")
    said = place.cli("policy", "check").out
    assert "network        https a.test:443\n" in said
    assert "models reach   nothing\n" in said
    assert "enclave        wanted, production, required\n" in said
    found = place.cli("--json", "policy", "check").json()
    assert isinstance(found, dict)
    assert ["https a.test:443"] == found["network"]["rules"]
    assert [] == found["model_network"]["rules"] and "production" in found["enclave"]
    Path(file).write_text("[tee]\nallow_simulated = true\n")
    assert "not wanted, development, may be simulated" in place.cli("policy", "check").out


def test_check_shows_every_section_as_json(place: Place, tmp_path: Path) -> None:
    """Confirmation, limits and shared limits are plain data too."""
    file = tmp_path / "all.toml"
    file.write_text(
        '[confirmation]\nattended_s = 30\n[budget]\nusd = "2.00"\n[budget.tenant]\ncalls = 5\n'
        '[[budget.user]]\nname = "anna"\nday_usd = "1.00"\n',
        encoding="utf-8",
    )
    file.chmod(0o600)
    ran = place.cli("--json", "policy", "check", str(file))
    found = ran.json()
    assert isinstance(found, dict), ran.err
    assert 30 == found["confirmation"]["attended_s"]
    assert "2.00" == found["budget"]["usd"]
    assert {"anna", ""} == {one.get("who", "") for one in found["shared"]}


@pytest.mark.parametrize("how", ["argument", "option"])
def test_check_refuses_with_code_two(place: Place, tmp_path: Path, how: str) -> None:
    """One line with file, line and key."""
    bad = tmp_path / "bad.toml"
    bad.write_text("[permissions]\nalow = []\n", encoding="utf-8")
    bad.chmod(0o600)
    words = ["policy", "check", str(bad)]
    if how == "option":
        words = ["policy", "check", "--policy", str(bad)]
    ran = place.cli(*words)
    assert (2, "") == (ran.code, ran.out)
    assert f"{bad}:2: permissions.alow: there is no such key" in ran.err
    bad.chmod(0o622)
    assert "chmod go-w" in place.cli(*words).err


def test_check_without_a_file(place: Place) -> None:
    """There is none, which is not an error of the file."""
    assert 3 == place.cli("policy", "check").code


def test_a_bad_file_opens_no_store(place: Place, file: str) -> None:
    """Every command that opens one fails closed."""
    assert 0 == place.say("one").code
    Path(file).write_text("[permissions]\nalow = []\n", encoding="utf-8")
    for words in (["sessions", "list"], ["run", "go", "-s", "one"], ["audit", "verify"]):
        ran = place.cli(*words)
        assert (2, True) == (ran.code, "policy_file_refused" in ran.err)


CALLS = [
    (["-c", "ls -l"], "allow", "installation: allow bash(ls:*)"),
    (["-c", "ls; rm x"], "deny", "installation: deny bash(rm:*)"),
    (["-c", "git push"], "ask", "installation: always_ask bash(git push:*)"),
    (["-c", "make"], "ask", "installation: ask bash(make:*)"),
    (["-c", "curl x"], "ask", "no rule"),
    (["write", "--path", "docs/a.md"], "allow", "installation: allow write(docs/**)"),
    (["write", "--path", "src/a.py"], "ask", "no rule"),
    (["read", '{"file_path": "a"}'], "allow", "no rule"),
    (["bash", '{"command": "rm x"}'], "deny", "installation: deny bash(rm:*)"),
]


@pytest.mark.parametrize(("words", "decision", "by"), CALLS)
def test_explain(
    place: Place, file: str, tmp_path: Path, words: list[str], decision: str, by: str
) -> None:
    """The decision and the rule that made it; nothing runs, not even a hook."""
    assert file
    ran = place.cli("policy", "explain", *words)
    lines = ran.out.splitlines()
    assert (0, f"decision  {decision}", f"by        {by}") == (ran.code, lines[0], lines[1])
    found = place.cli("--json", "policy", "explain", *words).json()
    assert isinstance(found, dict)
    assert decision == found["decision"]
    assert [] == [path.name for path in (tmp_path / "here").iterdir()]
    assert not (tmp_path / "ran").exists()


def test_explain_tells_each_command(place: Place, file: str) -> None:
    """Of a line with several, and every rule that matched."""
    assert file
    found = place.cli("--json", "policy", "explain", "-c", "ls && make | rm x").json()
    assert isinstance(found, dict)
    assert [("ls", "allow"), ("make", "ask"), ("rm x", "deny")] == [
        (one["command"], one["decision"]) for one in found["segments"]
    ]
    assert {"bash(ls:*)", "bash(make:*)", "bash(rm:*)"} == {one["rule"] for one in found["matched"]}
    assert ["permission.rule"] == found["codes"]


def test_explain_for_a_session(place: Place, file: str) -> None:
    """Its own rules count too; it need not be led."""
    assert file
    place.say("one", "done", "--unsafe-auto-approve")
    ran = place.cli("policy", "explain", "-c", "curl x", "--session", "one")
    assert "decision  ask" == ran.out.splitlines()[0]
    assert 3 == place.cli("policy", "explain", "-c", "ls", "-s", "none").code


@pytest.mark.parametrize(
    "words", [[], ["bash", "[1]"], ["bash", "{"], ["read", "-c", "ls"], ["bash", "--path", "x"]]
)
def test_explain_refuses_what_is_no_call(place: Place, words: list[str]) -> None:
    """With the code for a wrong command line."""
    assert 2 == place.cli("policy", "explain", *words).code


CASES = """
[[cases]]
command = "ls -l"
expect = "allow"

[[cases]]
name = "no removing"
tool = "bash"
args = { command = "rm x" }
expect = "deny"

[[cases]]
tool = "write"
path = "docs/a.md"
expect = "allow"
"""


def test_cases_as_expected(place: Place, file: str, tmp_path: Path) -> None:
    """TOML and JSON; exit code 0."""
    assert file
    cases = tmp_path / "cases.toml"
    cases.write_text(CASES, encoding="utf-8")
    ran = place.cli("policy", "test", str(cases))
    assert (0, "3 of 3 cases as expected\n") == (ran.code, ran.out)
    plain = tmp_path / "cases.json"
    plain.write_text(json.dumps([{"command": "make", "expect": "ask"}]), encoding="utf-8")
    assert 0 == place.cli("policy", "test", str(plain)).code


def test_cases_that_differ(place: Place, file: str, tmp_path: Path) -> None:
    """Each is named with what decided, and the exit code is 1."""
    assert file
    cases = tmp_path / "cases.toml"
    cases.write_text(CASES.replace('"deny"', '"allow"'), encoding="utf-8")
    ran = place.cli("policy", "test", str(cases))
    assert 1 == ran.code
    assert [
        "no removing: expected allow, but deny (installation: deny bash(rm:*))",
        "2 of 3 cases as expected",
    ] == ran.out.splitlines()
    found = place.cli("--json", "policy", "test", str(cases)).json()
    assert isinstance(found, dict)
    assert (3, ["no removing"]) == (found["cases"], [one["case"] for one in found["failed"]])


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        '{"cases": [], "more": 1}',
        "[1]",
        '[{"command": "ls"}]',
        '[{"command": "ls", "expect": "maybe"}]',
        '[{"expect": "ask"}]',
        '[{"command": 1, "expect": "ask"}]',
        '[{"tool": "x", "args": 1, "expect": "ask"}]',
        '[{"command": "ls", "expects": "ask", "expect": "ask"}]',
        "{",
    ],
)
def test_bad_cases_are_refused(text: str, tmp_path: Path) -> None:
    """A misspelt case would test nothing."""
    file = tmp_path / "cases.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput):
        read_cases(file)
    with pytest.raises(NotFound):
        read_cases(tmp_path / "none.json")


def test_any_bytes_are_cases_or_refused(tmp_path: Path) -> None:
    """500 broken files: never anything but an error of ours."""
    draw = random.Random(7)
    for number in range(500):
        file = tmp_path / f"c.{('toml', 'json')[number % 2]}"
        data = bytearray(CASES.encode())
        for _ in range(draw.randrange(1, 9)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        file.write_bytes(bytes(data))
        try:
            assert read_cases(file)
        except HoldfastError as error:
            assert str(file) in error.message


def test_a_call_without_a_registered_tool() -> None:
    """Arguments go as they are; a command needs a tool that takes one."""
    assert ("act", {"a": 1}) == Asked(tool="act", args={"a": 1}).call(None)
    with pytest.raises(InvalidInput, match="takes no command"):
        Asked(tool="act", command="ls").call(None)
