"""Tokens over the app: they only narrow; a refreshed or revoked one ends at once."""

from __future__ import annotations

from serverkit import served
from sessionhelp import run

API = "/api/v1/tokens"
SESSIONS = "/api/v1/sessions"


def _shows(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def test_a_token_gives_no_more_than_its_maker_has() -> None:
    """Roles, scopes, sessions and life; what nobody knows is 422 (CW-8)."""

    async def work() -> None:
        async with served() as made:
            agent = await made.ok("POST", API, {"agent_id": "bot", "session": "work"})
            by = _shows(agent["guard_token"])
            assert ("agent", "work", "default") == (
                agent["role"],
                agent["session_id"],
                agent["workspace_id"],
            )
            assert {"work"} == {
                one["id"] for one in (await made.ok("GET", SESSIONS, by=by))["sessions"]
            }
            for body, status in (
                ({"agent_id": "bot/x", "role": "admin"}, 403),
                ({"agent_id": "bot/x", "role": "operator"}, 403),
                ({"agent_id": "bot/x", "scopes": ["*"]}, 422),
                ({"agent_id": "bot/x", "session": "other"}, 403),
                ({"agent_id": "bot/x", "expires_in": 80_000}, 403),
                ({"agent_id": "bot/x", "role": "king"}, 422),
                ({"agent_id": "bot/x", "scopes": ["sessions:all"]}, 422),
                ({"agent_id": "bot/x", "expires_in": -1}, 422),
            ):
                found = await made.call("POST", API, body, by=by)
                assert status == found.status_code, (body, found.text)
            child = await made.ok("POST", API, {"agent_id": "bot/y", "role": "viewer"}, by=by)
            assert "work" == child["session_id"]
            assert 403 == (await made.call("GET", API, by=by)).status_code

    run(work())


def test_metadata_that_cannot_be_told_again_is_refused() -> None:
    """One token with such would have every listing of its workspace fail."""

    async def work() -> None:
        async with served() as made:
            told = {**made.ann, "Content-Type": "application/json"}
            for value in ('"\\ud800"', "[" * 400 + "]" * 400):
                body = f'{{"agent_id": "bot", "session": "", "metadata": {{"x": {value}}}}}'
                found = await made.http.post(API, content=body, headers=told)
                assert (422, "invalid_input") == (found.status_code, found.json()["reason"])
            await made.ok("POST", API, {"agent_id": "bot", "session": "", "metadata": {"x": "ü😀"}})
            listed = await made.ok("GET", API)
            assert {"x": "ü😀"} in [one["metadata"] for one in listed["tokens"]]

    run(work())


def test_the_token_of_a_wiped_session_is_for_no_other() -> None:
    """What it is bound to has a name that nobody can give to a session."""

    async def work() -> None:
        async with served() as made:
            await made.ok("POST", SESSIONS, {"id": "old"})
            by = await made.token("bot", "operator", session="old")
            await made.ok("DELETE", f"{SESSIONS}/old")
            who = await made.sessions.tokens.validate(by["Authorization"].split()[1])
            stream = who.session[-16:]
            for name in (who.session, f"stream-{stream}"):
                await made.call("POST", SESSIONS, {"id": name})
                assert 404 == (await made.call("GET", f"{SESSIONS}/{name}", by=by)).status_code
            assert [] == (await made.ok("GET", SESSIONS, by=by))["sessions"]
            wanted = {"agent_id": "sub"}
            assert (await made.call("POST", API, wanted, by=by)).status_code in (403, 404, 422)

    run(work())


def test_nobody_takes_the_eyes_of_another_author() -> None:
    """What an author wrote is in clear for that author: whose name it is makes the token."""

    async def work() -> None:
        async with served() as made:
            card = {"content": "my card is 4111 1111 1111 1111"}
            planner = await made.token("planner", "agent")
            for id, by in (("a", made.ann), ("p", planner)):
                await made.ok("POST", SESSIONS, {"id": id}, by=by)
                await made.ok("POST", f"{SESSIONS}/{id}/messages", card, by=by)
            evil = await made.token("evil", "agent")
            bound = await made.token("evil", "agent", session="p")
            tim = await made.token("user:tim", "agent")
            for by, name in (
                *((by, name) for by in (evil, bound, tim) for name in ("planner", "agent:planner")),
                *((by, name) for by in (evil, bound, tim) for name in ("user:ann", "user:root")),
                (evil, "planner/searcher"),
                (tim, "user:ann/helper"),
                (tim, "tim"),
            ):
                found = await made.call("POST", API, {"agent_id": name, "role": "viewer"}, by=by)
                assert (403, "scope_denied") == (found.status_code, found.json()["reason"]), name
            for id, by in (("a", evil), ("a", tim), ("p", evil), ("p", bound), ("p", tim)):
                read = await made.call("GET", f"{SESSIONS}/{id}/messages", by=by)
                assert read.is_success and "4111" not in read.text
            read = await made.call("GET", f"{SESSIONS}/p/messages", by=planner)
            assert "4111 1111" in read.text  # the author's own eyes

    run(work())


def test_a_name_of_ones_own_and_below_it_is_given() -> None:
    """Who is below is somebody else, who sees no more than any other reader."""

    async def work() -> None:
        async with served() as made:
            bot, tim = await made.token("bot", "agent"), await made.token("user:tim", "agent")
            await made.ok("POST", SESSIONS, {"id": "b"}, by=bot)
            card = {"content": "my card is 4111 1111 1111 1111"}
            await made.ok("POST", f"{SESSIONS}/b/messages", card, by=bot)
            for by, name in (
                (bot, "bot"),
                (bot, "agent:bot"),
                (tim, "user:tim"),
                (tim, "user:tim/helper"),
                (made.ann, "user:new"),
                (made.ann, "bot/of-anns"),
            ):
                await made.ok("POST", API, {"agent_id": name, "role": "viewer"}, by=by)
            child = await made.ok("POST", API, {"agent_id": "bot/sub", "session": "b"}, by=bot)
            sub = _shows(child["guard_token"])
            assert "bot/sub" == child["agent_id"]
            read = await made.call("GET", f"{SESSIONS}/b/messages", by=sub)
            assert read.is_success and "4111" not in read.text
            await made.ok("POST", API, {"agent_id": "bot/sub/deeper"}, by=sub)
            for name in ("bot", "bot/other", "sub"):
                found = await made.call("POST", API, {"agent_id": name}, by=sub)
                assert (403, "scope_denied") == (found.status_code, found.json()["reason"]), name

    run(work())


def test_refresh_and_revocation() -> None:
    """T-41, T-46: the old text is nobody's, whoever was made with it falls with it."""

    async def work() -> None:
        async with served() as made:
            first = await made.ok("POST", API, {"agent_id": "bot", "session": "work"})
            again = await made.ok("POST", f"{API}/refresh", by=_shows(first["guard_token"]))
            assert (first["id"], 1) == (again["id"], again["generation"] - first["generation"])
            assert (
                401
                == (await made.call("GET", SESSIONS, by=_shows(first["guard_token"]))).status_code
            )
            one = await made.ok("POST", API, {"agent_id": "cat", "session": "work"})
            by = _shows(one["guard_token"])
            listed = await made.ok("GET", f"{API}?agent_id=cat")
            assert [one["id"]] == [each["id"] for each in listed["tokens"]]
            assert one["id"] == (await made.ok("GET", f"{API}/{one['id']}"))["id"]
            assert "guard_token" not in listed["tokens"][0]
            assert 404 == (await made.call("DELETE", f"{API}/{one['id']}", by=made.bob)).status_code
            await made.ok("DELETE", f"{API}/{one['id']}")
            assert 401 == (await made.call("GET", SESSIONS, by=by)).status_code
            two = await made.ok("POST", API, {"agent_id": "dog", "session": "work"})
            assert {"revoked": 1} == await made.ok("DELETE", f"{API}?agent_id=dog")
            gone = await made.call("GET", SESSIONS, by=_shows(two["guard_token"]))
            assert 401 == gone.status_code
            assert "Active" == (await made.ok("GET", f"{SESSIONS}/work"))["state"]

    run(work())


def test_a_key_makes_one_token() -> None:
    """The answer is the same, another body is 422, and what is over is not told again."""

    async def work() -> None:
        async with served() as made:
            key = {"Idempotency-Key": "k"}
            body = {"agent_id": "bot", "session": "work"}
            first = await made.ok("POST", API, body, headers=key)
            assert first == await made.ok("POST", API, body, headers=key)
            other = await made.call("POST", API, {**body, "agent_id": "cat"}, headers=key)
            assert (422, "command_mismatch") == (other.status_code, other.json()["reason"])
            foreign = await made.ok("POST", API, body, headers=key, by=made.bob)
            assert foreign["guard_token"] != first["guard_token"]
            assert "other" == foreign["workspace_id"]
            bare = await made.ok("POST", API, body)
            assert first["id"] != bare["id"]
            await made.ok("POST", f"{API}/refresh", by=_shows(first["guard_token"]))
            late = await made.call("POST", API, body, headers=key)
            assert (409, "not_now") == (late.status_code, late.json()["reason"])
            assert first["guard_token"] not in late.text

    run(work())
