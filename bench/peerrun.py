"""Runs the peers, each in its own process of the peers' environment.

A peer that cannot be installed or run is a line with the reason, never left out.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from common import median, pick, report, scratch

HERE = Path(__file__).parent
PEERS = {
    "OpenAI Agents SDK": "openai_agents.py",
    "LangGraph": "langgraph_peer.py",
    "Google ADK": "google_adk.py",
    "pydantic-ai": "pydantic_ai_peer.py",
}
TIMEOUT_S = 1200


def python() -> Path:
    """The peers' interpreter."""
    return Path(os.environ.get("BENCH_VENV", ".bench-venv")) / "bin" / "python"


def run(script: str, directory: Path) -> tuple[dict[str, object] | None, str]:
    """Run one peer; its figures, or None and why not."""
    if not python().exists():
        return None, f"{python()} is missing; `make bench` makes it"
    sizes = [str(pick(16, 4)), str(pick(500, 60))]
    command = [str(python()), "-W", "ignore", str(HERE / "peers" / script), str(directory), *sizes]
    quiet = {**os.environ, "LANGSMITH_TRACING": "false", "OTEL_SDK_DISABLED": "true"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, env=quiet, check=False
        )
    except subprocess.TimeoutExpired:
        return None, f"not done after {TIMEOUT_S} s"
    for line in done.stdout.splitlines():
        if line.startswith("PEER "):
            return json.loads(line.removeprefix("PEER ")), ""
    last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
    return None, f"exit {done.returncode}: {last[:300]}"


def main() -> None:
    """Take the figures of all peers."""
    for name, script in PEERS.items():
        with scratch() as directory:
            found, why = run(script, directory)
        if found is None:
            report(f"peer append 128: {name}", None, "messages/s", note=why)
            report(f"peer turn p50: {name}", None, "ms", note=why)
            continue
        what = f"{found['versions']}; {found['store']}"
        spent = found["turn_ms"]
        assert isinstance(spent, list), "a peer reports every turn"
        appended = float(str(found["append_128"]))
        report(f"peer append 128: {name}", appended, "messages/s", against=what)
        report(f"peer turn p50: {name}", median(spent[:200]), "ms", against=what)
        early, late = median(spent[5:25]), median(spent[-20:])
        growth = f"turn {len(spent)} over turn 10"
        report(f"peer {growth}: {name}", late / early, "ratio", against=f"{early:.1f} ms")


if __name__ == "__main__":
    main()
