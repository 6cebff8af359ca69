"""What `holdfast doctor` looks at."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import platform
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import holdfast
from holdfast.adapters.keys.installation import default_installation_key_path
from holdfast.adapters.models.factory import KNOWN_PROVIDERS
from holdfast.adapters.models.secrets import default_variable
from holdfast.bootstrap import detector_facts, sandbox_facts, tee_facts
from holdfast.cli.output import Cell
from holdfast.cli.world import Options, make_client
from holdfast.core.errors import HoldfastError, Unavailable
from holdfast.runtime.policyfile import parse_policy
from holdfast.runtime.policyplaces import find, read

FREE_BYTES_MIN = 512 * 1024 * 1024
EXTRAS = {"llm": "pydantic_ai"}
GIT_SECONDS = 5.0


@dataclass(slots=True)
class Findings:
    """What was found: facts in order, complaints, and the exit code they come to."""

    facts: list[tuple[str, Cell]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    code: int = 0

    def fact(self, name: str, value: Cell) -> None:
        """Note a fact."""
        self.facts.append((name, value))

    def complain(self, text: str) -> None:
        """Note something that is wrong but lets sessions run."""
        self.complaints.append(text)


def examine(options: Options) -> Findings:
    """Examine the installation; nothing is made or changed."""
    found = Findings()
    found.fact("holdfast", holdfast.__version__)
    found.fact("python", f"{platform.python_version()} ({sys.executable})")
    found.fact("system", f"{platform.system()} {platform.release()} {platform.machine()}")
    _store(options, found)
    _keys(options, found)
    _policy(options, found)
    _sandbox(found)
    found.fact("detectors", detector_facts())
    _git(found)
    _extras(found)
    _variables(found)
    return found


def _store(options: Options, found: Findings) -> None:
    found.fact("store", str(options.store))
    _disk(options.store, found)
    if not options.store.exists():
        found.fact("store health", "there is none yet; `holdfast run` makes it")
        return
    try:
        asyncio.run(_health(options, found))
    except HoldfastError as error:
        found.fact("store health", f"{error.reason}: {error.message}")
        found.complain(f"the store cannot be opened: {error.message}")
        found.code = error.exit_code
    mode = stat.S_IMODE(options.store.stat().st_mode)
    if mode & 0o077:
        found.complain(f"the store's file can be read by others (mode {mode:04o}): chmod 600")


async def _health(options: Options, found: Findings) -> None:
    async with make_client(options) as manager:
        for name, health in await manager.store_health():
            verdict = f"ok, {health.latency_ms:.1f} ms" if health.ok else health.detail
            found.fact("store health", f"{name}: {verdict}")
            for fact, value in health.facts.items():
                found.fact(fact.replace("_", " "), value)
            if not health.ok:
                found.complain(f"the store is not well: {health.detail}")
                found.code = Unavailable.exit_code
            if health.facts.get("ballast") == "given up":
                found.complain("the disk was full: the store has given up its reserve")
        found.fact("sessions", await manager.session_count())


def _disk(store: Path, found: Findings) -> None:
    place = store.parent
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    found.fact("free disk", f"{free / 1024**3:.1f} GiB")
    if free < FREE_BYTES_MIN:
        found.complain(f"only {free // 1024**2} MiB are free where the store is")


def _keys(options: Options, found: Findings) -> None:
    key = options.installation_key or default_installation_key_path()
    wraps = options.store.with_name(options.store.name + ".keys")
    for name, path in (("installation key", key), ("key store", wraps)):
        found.fact(name, f"{path} ({_mode_of(path)})")
        if not path.exists():
            if options.store.exists():
                found.complain(f"the {name} {path} is missing: the sessions cannot be read")
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            found.complain(f"the {name} can be read by others (mode {mode:04o}): chmod 600 {path}")
    data, home = options.store.parent.resolve(), key.parent.resolve()
    if home == data or data in home.parents:
        found.complain(
            "the installation key lies in the data directory: whoever copies that has "
            "everything; move it elsewhere and back it up apart"
        )


def _policy(options: Options, found: Findings) -> None:
    try:
        place = find(options.policy, options.store)
        if place is None:
            found.fact("policy file", "none")
            return
        parse_policy(read(place), str(place.path))
        found.fact("policy file", f"{place.path} ({place.origin.value})")
    except HoldfastError as error:
        found.fact("policy file", f"{error.reason}: {error.message}")
        found.complain(f"nothing opens with this policy file: {error.message}")
        found.code = found.code or error.exit_code


def _mode_of(path: Path) -> str:
    try:
        return f"mode {stat.S_IMODE(path.stat().st_mode):04o}"
    except OSError:
        return "not there"


def _sandbox(found: Findings) -> None:
    facts = sandbox_facts()
    found.fact("sandbox", f"{facts['kind']} ({facts['reason']})")
    found.fact("network of commands", facts["network"])
    found.fact("enclave", tee_facts())
    if facts["kind"] == "none":
        found.complain(
            f"no sandbox: bash is refused unless --unsandboxed is given ({facts['reason']})"
        )


def _git(found: Findings) -> None:
    program = shutil.which("git")
    if program is None:
        found.fact("git", "not installed; sessions record no branch and commit")
        return
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, check=False, timeout=GIT_SECONDS
        )
    except (OSError, subprocess.SubprocessError) as error:
        found.fact("git", f"does not run: {type(error).__name__}")
        return
    found.fact("git", done.stdout.decode("utf-8", "replace").strip().removeprefix("git version "))


def _extras(found: Findings) -> None:
    for extra, module in EXTRAS.items():
        there = importlib.util.find_spec(module) is not None
        missing = f"not installed: pip install 'holdfast[{extra}]'"
        found.fact(f"extra {extra}", "installed" if there else missing)


def _variables(found: Findings) -> None:
    for provider in KNOWN_PROVIDERS:
        name = default_variable(provider)
        found.fact(name, "set" if os.environ.get(name) else "not set")
    found.fact("HOLDFAST_MODEL", os.environ.get("HOLDFAST_MODEL") or "not set")
