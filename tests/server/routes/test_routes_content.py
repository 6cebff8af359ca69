"""Privacy, labels and the self-test over the app."""

from __future__ import annotations

from serverkit import served
from sessionhelp import run

API = "/api/v1/sessions"
TEXT = {"text": "write to ann.smith@example.com today"}


def test_privacy() -> None:
    """Kinds and places, never the value."""

    async def work() -> None:
        async with served() as made:
            for name in ("classify", "analyze", "scan"):
                found = await made.call("POST", f"/api/v1/privacy/{name}", TEXT)
                assert 200 == found.status_code
                assert "ann.smith" not in found.text
            found = await made.ok("POST", "/api/v1/privacy/classify", TEXT)
            assert (True, 9, 30) == (
                found["requires_tee"],
                found["matches"][0]["start"],
                found["matches"][0]["end"],
            )

    run(work())


def test_labels_risk_and_plans() -> None:
    """What a session says of its content."""

    async def work() -> None:
        async with served() as made:
            id = (await made.ok("POST", API, {}))["id"]
            path = f"{API}/{id}"
            await made.ok("PATCH", path, {"sensitivity_level": "Sensitive"})
            label = {"sensitivity": "Sensitive", "trusted": True, "origins": []}
            assert label == await made.ok("GET", f"{path}/label")
            lower = {"why": "a mistake", "sensitivity": "Normal"}
            assert "Normal" == (await made.ok("POST", f"{path}/label", lower))["sensitivity"]
            await made.ok("POST", f"{path}/risk/reset", {"why": "new case"})
            assert 0 == (await made.ok("GET", f"{path}/risk"))["points"]
            steps = {"steps": [{"tool": "bash", "arguments": {"command": "ls"}}]}
            assert "bash" == (await made.ok("PUT", f"{path}/plan", steps))[0]["tool"]
            assert 1 == len(await made.ok("GET", f"{path}/plan"))
            assert "untrusted" in await made.ok("GET", f"{path}/trifecta")
            assert [] == await made.ok("GET", f"/api/v1/taint/entries?session_id={id}")

    run(work())


def test_the_guards_are_alive() -> None:
    """The overview is the self-test's result, and is not run for every caller anew."""

    async def work() -> None:
        async with served() as made:
            found = await made.ok("GET", "/api/v1/security/overview")
            assert "ok" == found["status"]
            assert all(one["hit"] for one in found["guards"])
            assert found["guards"] == (await made.ok("GET", "/api/v1/security/overview"))["guards"]

    run(work())
