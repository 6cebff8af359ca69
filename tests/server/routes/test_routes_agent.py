"""The agent's configuration over the app: administrators only, keys written and never read."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from pathlib import Path
from typing import Any

import httpx2
import pytest

from adapters.network.networkhelp import HOSTILE, Outside, listening
from holdfast.core.network import NetworkPolicy, NetworkRule
from holdfast.core.principals import ROLES
from holdfast.testing.provider_server import ProviderServer
from holdfast.testing.script import say
from serverkit import Served, served
from sessionhelp import echo, memory, on_file, run

API = "/api/agent/config"
SESSIONS = "/api/v1/sessions"
SECRET = "sk-" + "canary-route-0123456789"
GOOD: dict[str, Any] = {"provider": "openai", "model": "gpt-4o", "api_key": SECRET}
HERE = {**GOOD, "base_url": "https://models.example/v1", "zone": "local"}


def test_it_is_an_administrators() -> None:
    """Everybody else is denied, and so is a token of one session; a stranger is nobody."""

    async def work() -> None:
        async with served() as made:
            for role in ROLES:
                by = await made.token(f"user:{role}", role)
                wanted = 200 if role == "admin" else 403
                for method, body in (("GET", None), ("PUT", GOOD)):
                    found = await made.call(method, API, body, by=by)
                    assert wanted == found.status_code, (role, found.text)
                    assert SECRET not in found.text
            await made.ok("POST", "/api/v1/sessions", {"id": "one"})
            bound = await made.token("user:x", "admin", session="one")
            for method, body in (("GET", None), ("PUT", GOOD)):
                assert 403 == (await made.call(method, API, body, by=bound)).status_code
                assert 401 == (await made.call(method, API, body, by={})).status_code

    run(work())


def test_workspaces_are_apart() -> None:
    """An administrator of one has no other; one of all says which is meant."""

    async def work() -> None:
        async with served() as made:
            other = await made.token("user:x", "admin", workspace="other")
            await made.ok("PUT", API, GOOD, by=other)
            assert 0 == (await made.ok("GET", API, by=made.admin))["version"]
            meant = {"Holdfast-Workspace": "other"}
            found = await made.ok("GET", API, by=made.admin, headers=meant)
            assert (1, "user:x") == (found["version"], found["changed_by"])
            foreign = await made.call(
                "GET", API, by=other, headers={"Holdfast-Workspace": "default"}
            )
            assert 403 == foreign.status_code

    run(work())


def test_what_is_put_is_in_force_and_its_key_is_shown_nowhere(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-real-key")

    async def work() -> None:
        async with served() as made:
            before = await made.call("GET", API, by=made.admin)
            assert ('"0"', "process", "scripted") == (
                before.headers["etag"],
                before.json()["source"],
                before.json()["provider"],
            )
            body = {**HERE, "sees": "Normal", "input_usd": "1", "calls": {"total_s": 30}}
            put = await made.call("PUT", API, body, by=made.admin)
            got = await made.call("GET", API, by=made.admin)
            assert (200, put.json(), '"1"') == (put.status_code, got.json(), got.headers["etag"])
            assert '"1"' == put.headers["etag"]
            found = got.json()
            at = found.pop("changed_at")
            assert {"set": True, "source": "stored", "reference": "", "changed_at": at} == (
                found.pop("key")
            )
            assert {
                "version": 1,
                "source": "stored",
                "provider": "openai",
                "model": "gpt-4o",
                "base_url": "https://models.example/v1",
                "zone": "local",
                "sees": "Normal",
                "input_usd": "1",
                "output_usd": None,
                "calls": {"connect_s": 10.0, "idle_s": 120.0, "total_s": 30.0, "attempts": 4},
                "changed_by": "user:root",
            } == found
            assert SECRET not in put.text + got.text
            kept = await made.ok("PUT", API, {**HERE, "api_key": SECRET}, by=made.admin)
            same = {k: v for k, v in HERE.items() if k != "api_key"}
            again = await made.ok("PUT", API, {**same, "model": "gpt-5"}, by=made.admin)
            assert kept["key"] == again["key"]
            gone = await made.ok("PUT", API, {**same, "api_key": None}, by=made.admin)
            assert not gone["key"]["set"]
            none = await made.ok("PUT", API, {}, by=made.admin)
            assert ("process", 5) == (none["source"], none["version"])

    with caplog.at_level(logging.DEBUG):
        run(work())
    assert SECRET not in caplog.text


REFUSED: list[tuple[Any, int]] = [
    ({**GOOD, "colour": "red"}, 422),
    ({**GOOD, "provider": "nobody"}, 422),
    ({**GOOD, "provider": ""}, 422),
    ({**GOOD, "model": None}, 422),
    ({**GOOD, "model": 7}, 422),
    ({"api_key": SECRET}, 422),
    ({"zone": "local"}, 422),
    ({**HERE, "zone": None}, 422),
    ({**HERE, "zone": "tee"}, 422),
    ({**HERE, "base_url": "http://127.0.0.1:9/?key=" + SECRET}, 422),
    ({**HERE, "base_url": "https://evil.test/v1"}, 403),
    ({**HERE, "base_url": "https://good.example/v1", "api_key": "a b"}, 422),
    ({**GOOD, "api_key": ""}, 422),
    ({**GOOD, "api_key": ["x"]}, 422),
    ({**GOOD, "api_key": "sk-ant-" + SECRET}, 422),
    ({**GOOD, "api_key": "env:HOME"}, 422),
    ({**GOOD, "api_key": SECRET * 400}, 422),
    ({**GOOD, "key": SECRET}, 422),
    ({"provider": "openai", "model": "m", "key": SECRET}, 422),
    ({"provider": "openai", "model": "m", "key": "env:NO_SUCH_VARIABLE_HERE"}, 422),
    ({**GOOD, "sees": "Everything"}, 422),
    ({**GOOD, "input_usd": "-1"}, 422),
    ({**GOOD, "calls": {"total_s": 0}}, 422),
    ({**GOOD, "calls": {"attempts": 1.5}}, 422),
    ({**GOOD, "calls": {"tries": 1}}, 422),
    ([SECRET], 422),
    (SECRET, 422),
]


def test_what_is_refused_changes_nothing_and_is_not_repeated() -> None:
    async def work() -> None:
        network = NetworkPolicy(rules=(NetworkRule(host="good.example"),))
        async with served(sessions=memory(echo(), model_network=network)) as made:
            await made.ok("PUT", API, GOOD, by=made.admin)
            before = await made.ok("GET", API, by=made.admin)
            for body, status in REFUSED:
                found = await made.call("PUT", API, body, by=made.admin)
                assert status == found.status_code, (body, found.text)
                assert "canary" not in found.text
                assert before == await made.ok("GET", API, by=made.admin)

    run(work())


def test_an_address_that_no_client_takes_is_refused_without_a_network_policy() -> None:
    """Stored, it would have every session of the workspace fail, its wipe too."""

    async def work() -> None:
        async with served() as made:
            await made.ok("POST", "/api/v1/sessions", {"id": "x"})
            for address in ("http://[v1.x]/", "http://h/#" + SECRET):
                bad = {**HERE, "base_url": address}
                found = await made.call("PUT", API, bad, by=made.admin)
                assert (422, "invalid_input") == (found.status_code, found.json()["reason"])
                assert "canary" not in found.text
            await made.ok("POST", "/api/v1/sessions/x/messages", {"content": "hi"})
            await made.ok("DELETE", "/api/v1/sessions/x")

    run(work())


def test_of_those_who_saw_a_version_one_changes_it() -> None:
    """A stale entity tag is 412; without one whoever comes last has it."""

    async def work() -> None:
        async with served() as made:
            held = {"If-Match": (await made.call("GET", API, by=made.admin)).headers["etag"]}
            found = await asyncio.gather(
                *(
                    made.call("PUT", API, {**GOOD, "model": f"m{n}"}, by=made.admin, headers=held)
                    for n in range(20)
                )
            )
            assert [200, *[412] * 19] == sorted(one.status_code for one in found)
            stale = next(one for one in found if one.status_code == 412)
            assert "version_mismatch" == stale.json()["reason"]
            for tag in ("*", '"2"'):
                await made.ok("PUT", API, GOOD, by=made.admin, headers={"If-Match": tag})
            assert 3 == (await made.ok("GET", API, by=made.admin))["version"]
            odd = await made.call("PUT", API, GOOD, by=made.admin, headers={"If-Match": "3"})
            assert 422 == odd.status_code

    run(work())


def test_a_request_that_is_repeated_has_its_outcome() -> None:
    """Also with the tag that holds no more; with another body it is refused."""

    async def work() -> None:
        async with served() as made:
            named = {"Idempotency-Key": "k-1", "If-Match": '"0"'}
            for _ in range(3):
                found = await made.ok("PUT", API, GOOD, by=made.admin, headers=named)
                assert 1 == found["version"]
            other = await made.call(
                "PUT", API, {**GOOD, "model": "x"}, by=made.admin, headers=named
            )
            assert (422, "command_mismatch") == (other.status_code, other.json()["reason"])
            another = await made.token("user:two", "admin", workspace="*")
            fresh = {"Idempotency-Key": "k-1"}
            assert 2 == (await made.ok("PUT", API, GOOD, by=another, headers=fresh))["version"]

    run(work())


def test_a_repeated_request_is_answered_with_its_first_outcome(tmp_path: Path) -> None:
    """What came after stays in force; after a restart and on another server, too (0035)."""
    one, two = {"Idempotency-Key": "k-1"}, {"Idempotency-Key": "k-2"}
    local = {**HERE, "sees": "Normal", "input_usd": "1", "calls": {"attempts": 2}}
    other = {"provider": "openai", "model": "gpt-5", "api_key": SECRET + "-b"}

    async def repeated(made: Served, first: httpx2.Response, now: Any) -> None:
        again = await made.call("PUT", API, local, by=made.admin, headers=one)
        assert (200, first.json()) == (again.status_code, again.json())
        assert first.headers["etag"] == again.headers["etag"] and "canary" not in again.text
        assert now == await made.ok("GET", API, by=made.admin)
        wrong = await made.call("PUT", API, other, by=made.admin, headers=one)
        assert (422, "command_mismatch") == (wrong.status_code, wrong.json()["reason"])

    async def work() -> None:
        async with served(sessions=on_file(tmp_path, echo())) as made:
            first = await made.call("PUT", API, local, by=made.admin, headers=one)
            second = await made.ok("PUT", API, other, by=made.admin, headers=two)
            await repeated(made, first, second)
            async with served(sessions=on_file(tmp_path, echo())) as beside:
                await repeated(beside, first, second)
                gone = await beside.call("PUT", API, {}, by=beside.admin, headers=two)
                assert 422 == gone.status_code
                removal = {"Idempotency-Key": "k-3"}
                gone = await beside.call("PUT", API, {}, by=beside.admin, headers=removal)
                assert ("process", 3) == (gone.json()["source"], gone.json()["version"])
                assert second == await made.ok("PUT", API, other, by=made.admin, headers=two)
            third = await made.ok("PUT", API, local, by=made.admin)
            again = await made.call("PUT", API, {}, by=made.admin, headers=removal)
            assert (gone.json(), 4) == (again.json(), third["version"])
        async with served(sessions=on_file(tmp_path, echo())) as made:
            await repeated(made, first, third)
            assert (await made.sessions.audit_verify()).ok

    run(work())


def test_a_workspace_brings_its_own_key() -> None:
    """What the server's environment or files hold is not its administrator's to send away."""

    async def work() -> None:
        async with served() as made:
            local = await made.token("user:x", "admin")
            for body in (
                {**HERE, "api_key": None},
                {"provider": "openai", "model": "m", "key": "env:PATH"},
                {"provider": "openai", "model": "m", "key": "file:/etc/hostname"},
            ):
                found = await made.call("PUT", API, body, by=local)
                assert (403, "scope_denied") == (found.status_code, found.json()["reason"])
            await made.ok("PUT", API, HERE, by=local)

    run(work())


def test_no_address_that_is_not_public_is_named_over_http() -> None:
    """Whoever asks, in whatever form, for the workspace, a session or a child; nothing changes."""

    async def work() -> None:
        async with listening(Outside()) as inside, served() as made:
            await made.ok("POST", SESSIONS, {"id": "one"})
            local = await made.token("user:x", "admin")
            for host in (*HOSTILE, "a.localhost"):
                shown = f"[{host}]" if ":" in host and "[" not in host else host
                model = {"provider": "openai", "model": "m"}
                model |= {"base_url": f"http://{shown}:{inside.port}/v1"}
                put = {**model, "zone": "local", "api_key": SECRET}
                for method, path, body, by in (
                    ("PUT", API, put, made.admin),
                    ("PUT", API, put, local),
                    ("PATCH", f"{SESSIONS}/one", {"model": model}, made.admin),
                    ("POST", SESSIONS, {"config": {"model": model}}, made.admin),
                    ("POST", f"{SESSIONS}/one/children", {"config": {"model": model}}, made.admin),
                ):
                    found = await made.call(method, path, body, by=by)
                    refused = found.status_code, found.json()["reason"]
                    assert refused in ((403, "network_blocked"), (422, "invalid_input")), found.text
                    assert SECRET not in found.text
            assert 0 == (await made.ok("GET", API, by=made.admin))["version"]
            assert 1 == len((await made.ok("GET", SESSIONS))["sessions"])
            assert 0 == inside.connections
            free = {**GOOD, "base_url": "https://h.example/", "zone": "local", "public_only": False}
            assert 422 == (await made.call("PUT", API, free, by=made.admin)).status_code

    run(work())


def test_a_name_that_leads_to_this_machine_is_refused_when_it_is_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It passed when it was stored, as a name does; every call resolves it, and is refused."""
    asked: list[str] = []
    resolve = socket.getaddrinfo

    def rebinding(host: Any, port: Any, *args: Any, **more: Any) -> Any:
        """As a name server that belongs to whoever chose the name answers."""
        if host != "models.example":
            return resolve(host, port, *args, **more)
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    async def work() -> None:
        async with listening(Outside()) as inside, served() as made:
            model = {"provider": "openai", "model": "m", "input_usd": "0", "output_usd": "0"}
            model |= {"base_url": f"http://models.example:{inside.port}/v1"}
            local = await made.token("user:x", "admin")
            put = {**model, "zone": "public", "api_key": SECRET, "calls": {"attempts": 1}}
            await made.ok("PUT", API, put, by=local)
            await made.ok("POST", SESSIONS, {"id": "one"})
            monkeypatch.setenv("OPENAI_API_KEY", "not-a-real-key")
            own = {"id": "two", "user_id": "user:ann", "config": {"model": model}}
            await made.ok("POST", SESSIONS, own, by=made.admin)
            for number, id in enumerate(("one", "two"), start=1):
                path = f"{SESSIONS}/{id}/messages"
                found = await made.call("POST", path, {"content": "hi"})
                assert not found.is_success and "block_address" in found.text
                assert (number, 0) == (len(asked), inside.connections)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    run(work())


def test_where_the_policy_file_lists_it_a_model_on_this_machine_answers(tmp_path: Path) -> None:
    """As a server of models beside this one, for the workspace and for a session."""

    async def work() -> None:
        async with ProviderServer([say("from here"), say("from here")]) as provider:
            port = int(provider.base_url.rpartition(":")[2])
            file = tmp_path / "holdfast.toml"
            file.touch(mode=0o600)
            file.write_text(
                f'[model_network]\nunsafe_addresses = ["127.0.0.1:{port}"]\n'
                f'[[model_network.rules]]\nhost = "127.0.0.1"\nports = [{port}]\n'
                'schemes = ["http"]\n'
            )
            model = {"provider": "local", "model": "m", "base_url": f"{provider.base_url}/v1"}
            model |= {"input_usd": "0", "output_usd": "0"}
            async with served(sessions=memory(echo(), policy=str(file))) as made:
                body = {**model, "zone": "local", "api_key": SECRET}
                await made.ok("PUT", API, body, by=made.admin)
                await made.ok("POST", SESSIONS, {"id": "one"})
                own = {"id": "two", "user_id": "user:ann", "config": {"model": model}}
                await made.ok("POST", SESSIONS, own, by=made.admin)
                stored = (await (await made.sessions.get_session("two")).view()).settings.model
                assert stored is not None and stored.public_only
                for id in ("one", "two"):
                    path = f"{SESSIONS}/{id}/messages"
                    assert "from here" == (await made.ok("POST", path, {"content": "hi"}))["text"]

    run(work())


def test_the_description_says_that_a_key_is_written_only() -> None:
    async def work() -> None:
        async with served() as made:
            parts = (await made.http.get("/openapi.json")).json()["components"]["schemas"]
            assert '"writeOnly": true' in json.dumps(parts["AgentForm"]["properties"]["api_key"])
            assert "api_key" not in json.dumps(parts["AgentConfig"])

    run(work())
