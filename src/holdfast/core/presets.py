"""Named sets of rules that a policy can begin with.

`developer` allows what somebody who works on code runs all day: looking at files,
the history, linters, builds and tests, and to remove what builds leave behind. It
does not allow to remove, copy or move other files by a command, to install, to
reach the network, or to publish. Whoever allows a test runner allows the code in
the workspace to run; what that can reach is for the sandbox.
docs/reference/commands.md lists the rules.
"""

from __future__ import annotations

from holdfast.core.rules import Policy, PolicyMode, Rule, RuleEffect, parse_rule

DEVELOPER = "developer"
"""The name of the preset."""

_TOOLS = ("read", "glob", "grep", "ls", "write(**)", "edit(**)")

_LOOKING = (
    "ls", "pwd", "cd", "cat", "tac", "head", "tail", "wc", "file", "stat", "du", "df", "tree",
    "find", "grep", "rg", "fd", "sort", "uniq", "cut", "tr", "nl", "diff", "cmp", "comm", "paste",
    "column", "jq", "basename", "dirname", "realpath", "readlink", "which", "type", "command",
    "echo", "printf", "true", "false", ":", "test", "[", "[[", "date", "sleep", "seq", "sed",
    "awk", "md5sum", "sha256sum", "xxd", "od", "hexdump", "strings", "ps", "uname", "whoami",
    "id", "hostname", "nproc", "wait", "exit", "set",
)  # fmt: skip
_WRAPPING = ("xargs", "timeout", "time", "nice", "env", "bash -c", "bash -lc", "bash -n", "sh -c")
_MAKING = ("mkdir", "touch", "tee")
_GIT = (
    "status", "diff", "log", "show", "rev-parse", "rev-list", "ls-files", "ls-tree", "blame",
    "describe", "stash list", "shortlog", "reflog show", "grep", "merge-base", "cat-file", "add",
    "commit -m", "commit -am",
)  # fmt: skip
_TESTING = (
    "pytest", "python* -m pytest", "python* -m unittest", "python* -m mypy", "python* -m ruff",
    "ruff", "mypy", "black", "isort", "flake8", "pylint", "pyright", "coverage run -m pytest",
    "coverage report", "coverage html", "coverage xml", "pre-commit run", "unittest",
    "uv run pytest", "poetry run pytest", ".venv/bin/pytest", ".venv/bin/python -m pytest",
    ".venv/bin/ruff", ".venv/bin/mypy", "pip list", "pip show", "pip freeze", "pip check",
    "npm test", "npm run test*", "npm run lint", "npm run build", "npm run typecheck", "npm ls",
    "npm outdated", "npx tsc", "npx eslint", "npx prettier", "npx jest", "npx vitest", "yarn test",
    "yarn lint", "yarn build", "pnpm test", "pnpm lint", "pnpm build", "pnpm run test*",
    "pnpm run lint", "pnpm run build", "tsc", "eslint", "prettier", "jest", "vitest", "make",
    "cmake --build", "ctest", "cargo build", "cargo test", "cargo check", "cargo clippy",
    "cargo fmt", "cargo doc", "cargo tree", "go build", "go test", "go vet", "go fmt", "go list",
    "go version", "go mod graph", "gofmt", "mvn test", "mvn verify", "mvn package",
    "./mvnw test", "./mvnw -q test", "gradle test", "./gradlew test", "./gradlew build",
    "bundle exec rspec", "rspec", "docker ps", "docker images", "docker compose ps",
)  # fmt: skip
_EXACT = (
    "git branch", "git branch -a", "git branch -r", "git branch -v", "git branch -vv",
    "git branch --show-current", "git branch --list *",
    "git tag", "git tag -l", "git tag -l *", "git remote", "git remote -v", "git remote show",
    "git config --get *", "git config --list", "git reflog", "tox", "tox -e *", "nox",
    "nox -s *", "dotnet test", "dotnet build", "* --version", "source .venv/bin/activate",
    ". .venv/bin/activate", "source venv/bin/activate",
)  # fmt: skip
_MADE = ("build", "build/", "dist", "dist/", "node_modules", "coverage", "target",
         ".pytest_cache", ".mypy_cache", ".ruff_cache")  # fmt: skip

DEVELOPER_RULES: tuple[str, ...] = (
    *_TOOLS,
    *(f"bash({words}:*)" for words in (*_LOOKING, *_WRAPPING, *_MAKING, *_TESTING)),
    *(f"bash(git {words}:*)" for words in _GIT),
    *(f"bash({words})" for words in _EXACT),
    *(f"bash(rm -rf {name})" for name in _MADE),
)
"""What `developer` allows, as rules are written."""


def developer_policy() -> Policy:
    """Return the policy `developer`: what is not in its rules is asked about."""
    rules: list[Rule] = [parse_rule(RuleEffect.ALLOW, text) for text in DEVELOPER_RULES]
    return Policy(mode=PolicyMode.DEFAULT, rules=tuple(rules))
