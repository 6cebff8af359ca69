"""`holdfast agent-config show|set`, here and by a server."""

from __future__ import annotations

import io
from typing import Any

import pytest
from clihelp import Place, Ran

from clienthelp import beside

SECRET = "sk-" + "canary-cli-0123456789"
HERE = ("openai:m", "--base-url", "http://127.0.0.1:9/v1", "--zone", "local")
THERE = ("openai:m", "--base-url", "https://models.example/v1", "--zone", "private")


def json_of(ran: Ran) -> dict[str, Any]:
    """What a command said; it has to have gone well, and without the key."""
    assert 0 == ran.code, ran.err
    assert SECRET not in ran.out + ran.err
    found = ran.json()
    assert isinstance(found, dict)
    return found


def test_it_is_set_and_shown(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key comes from a variable or from stdin, stays with its address, and is not shown."""
    assert 3 == place.cli("agent-config", "show").code
    place.cli("init")
    assert ("none", 0) == (
        json_of(place.cli("agent-config", "show", "--json"))["source"],
        json_of(place.cli("agent-config", "show", "--json"))["version"],
    )
    monkeypatch.setenv("MY_KEY", SECRET)
    more = ("--key-env", "MY_KEY", "--sees", "Normal", "--idle-s", "5", "--attempts", "2")
    found = json_of(place.cli("agent-config", "set", *HERE, *more, "--json"))
    assert (1, "stored", "local", "Normal", 5.0, 2, True) == (
        found["version"],
        found["source"],
        found["zone"],
        found["sees"],
        found["calls"]["idle_s"],
        found["calls"]["attempts"],
        found["key"]["set"],
    )
    assert found == json_of(place.cli("agent-config", "show", "--json"))
    text = place.cli("agent-config", "show")
    assert "127.0.0.1:9" in text.out and "(set; stored)" in text.out and "version 1" in text.err
    kept = json_of(place.cli("agent-config", "set", *HERE, "--expected", "1", "--json"))
    assert found["key"] == kept["key"]
    assert 6 == place.cli("agent-config", "set", *HERE, "--expected", "1").code
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{SECRET}-2\n"))
    other = json_of(place.cli("agent-config", "set", "openai:n", "--key-stdin", "--json"))
    assert (3, "n", "stored") == (other["version"], other["model"], other["key"]["source"])
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    named = json_of(place.cli("agent-config", "set", "openai:n", "--key", "env:MY_KEY", "--json"))
    assert "env:MY_KEY" == named["key"]["reference"]
    bare = json_of(place.cli("agent-config", "set", "openai:n", "--no-key", "--json"))
    assert not bare["key"]["set"]
    assert "none" == json_of(place.cli("agent-config", "set", "--clear", "--json"))["source"]
    elsewhere = json_of(place.cli("agent-config", "show", "--workspace", "other", "--json"))
    assert (0, 6) == (
        elsewhere["version"],
        json_of(place.cli("agent-config", "show", "--json"))["version"],
    )
    assert 0 == place.cli("audit", "verify").code


WRONG: list[tuple[str, ...]] = [
    (),
    ("openai:m", "--clear"),
    ("--clear", "--zone", "local"),
    ("--clear", "--attempts", "2"),
    ("openai:m", "--key-env", "NO_SUCH_VARIABLE_HERE"),
    ("openai:m", "--key-env", "MY_KEY", "--no-key"),
    ("openai:m", "--key-env", "MY_KEY", "--key-stdin"),
    ("openai:m", "--key", SECRET),
    ("openai:m", "--zone", "moon"),
    ("openai:m", "--zone", "tee", "--key-env", "MY_KEY"),
    ("openai:m", "--sees", "all", "--key-env", "MY_KEY"),
    ("openai:m", "--attempts", "0", "--key-env", "MY_KEY"),
    ("nobody:m", "--key-env", "MY_KEY"),
    ("openai:m", "--key-env", "MY_KEY", "--workspace", "a:b"),
    ("openai:m", "--base-url", "http://127.0.0.1:9/v1", "--key-env", "MY_KEY"),
]


def test_what_is_wrong_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the exit code of a wrong command line, and without the key."""
    monkeypatch.setenv("MY_KEY", SECRET)
    place.cli("init")
    for words in WRONG:
        ran = place.cli("agent-config", "set", *words)
        assert 2 == ran.code, (words, ran.err)
        assert SECRET not in ran.out + ran.err
    assert 0 == json_of(place.cli("agent-config", "show", "--json"))["version"]


def test_a_server_does_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the administrator's token; the workspace is that of the token."""
    monkeypatch.setenv("MY_KEY", SECRET)
    with beside() as found:
        assert found.served is not None
        monkeypatch.setenv("HOLDFAST_SERVER", found.url)
        token = found.served.ann["Authorization"].removeprefix("Bearer ")
        monkeypatch.setenv("HOLDFAST_TOKEN", token)
        assert 5 == place.cli("agent-config", "show").code
        token = found.served.admin["Authorization"].removeprefix("Bearer ")
        monkeypatch.setenv("HOLDFAST_TOKEN", token)
        set_ = place.cli("agent-config", "set", *THERE, "--key-env", "MY_KEY", "--json")
        assert json_of(set_) == json_of(place.cli("agent-config", "show", "--json"))
        refused = place.cli("agent-config", "set", *HERE, "--key-env", "MY_KEY")
        assert (5, True) == (refused.code, "[model_network]" in refused.err)
        assert (1, "user:root") == (json_of(set_)["version"], json_of(set_)["changed_by"])
        assert 2 == place.cli("agent-config", "show", "--workspace", "other").code
        assert "m" == found.run(found.sessions.agent_config()).model


@pytest.mark.slow
def test_run_uses_it_and_a_script_stands_above_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --model a run goes to what is configured; a script is not sent to a provider."""
    monkeypatch.delenv("HOLDFAST_MODEL", raising=False)
    monkeypatch.setenv("MY_KEY", SECRET)
    place.cli("init")
    where = ("-w", str(place.workspace))
    assert "no model" in place.cli("run", "hi", "-s", "one", *where).err
    json_of(place.cli("agent-config", "set", *HERE, "--key-env", "MY_KEY", "--json"))
    script = place.script({"text": "from the script"})
    played = place.cli("run", "hi", "-s", "one", *where, "--script", script)
    assert (0, True) == (played.code, "from the script" in played.out), played.err
    sent = place.cli("run", "hi", "-s", "two", *where)
    assert sent.code and "no model" not in sent.err and SECRET not in sent.out + sent.err
