"""Tables of programs: wrappers, shells, interpreters, options that run something.

They name what is known. A program that is not in them is judged by its own words,
which a rule has to name.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wrapper:
    """How a wrapper's own words are told from those of what it runs.

    Args:
        flags: its short options without a value.
        valued: its short options with one.
        long: its long options without a value.
        long_valued: its long options whose value may be the next word.
        operands: how many words of its own come before the command.
        assigns: `NAME=value` words come before the command.
        line: the rest is a shell's command line.
        doubt: why it is never clear, or "".
    """

    flags: str = ""
    valued: str = ""
    long: tuple[str, ...] = ()
    long_valued: tuple[str, ...] = ()
    operands: int = 0
    assigns: bool = False
    line: bool = False
    doubt: str = ""


LAUNCHES = "runs a program in a way that is not understood"
_LAUNCHER = Wrapper(doubt=LAUNCHES)

WRAPPERS: dict[str, Wrapper] = {
    "sudo": Wrapper("ABbEHiKklnPSsVv", "CDghpRrTtUu", assigns=True),
    "doas": Wrapper("Lns", "aCu"),
    "pkexec": Wrapper(long=("--disable-internal-agent",), long_valued=("--user",)),
    "env": Wrapper("i0v", "uC", ("--ignore-environment", "--null"), ("--unset",), assigns=True),
    "nice": Wrapper("0123456789", "n", (), ("--adjustment",)),
    "ionice": Wrapper("t", "cn", ("--ignore",), ("--class", "--classdata")),
    "timeout": Wrapper(
        "v", "ks", ("--preserve-status", "--foreground", "--verbose"),
        ("--kill-after", "--signal"), operands=1,
    ),
    "nohup": Wrapper(),
    "setsid": Wrapper("cfw", "", ("--ctty", "--fork", "--wait")),
    "stdbuf": Wrapper("", "ioe", (), ("--input", "--output", "--error")),
    "time": Wrapper("apqv", "fo", ("--append", "--portability", "--verbose"), ("--format",)),
    "command": Wrapper("pvV"),
    "builtin": Wrapper(),
    "exec": Wrapper("cl", "a"),
    "xargs": Wrapper(
        "0oprtx", "adEILnPs", ("--null", "--no-run-if-empty", "--verbose", "--exit"),
        ("--arg-file", "--delimiter", "--max-args", "--max-procs", "--max-lines", "--max-chars"),
    ),
    "chrt": Wrapper("bfior", "", operands=1),
    "taskset": Wrapper("", "", operands=1),
    "chroot": Wrapper("", "", operands=1, doubt=LAUNCHES),
    "watch": Wrapper("bcdegtx", "nq", line=True),
    "ssh": Wrapper(
        "46AaCfGgKkMNnqsTtVvXxYy", "BbcDEeFIiJLlmOopQRSWw", operands=1, line=True,
        doubt="runs a command on another machine",
    ),
}  # fmt: skip
"""Programs that run the command behind their own options."""

for _name in (
    "setarch", "linux32", "linux64", "unshare", "nsenter", "strace", "ltrace", "gdb", "valgrind",
    "perf", "firejail", "bwrap", "start-stop-daemon", "systemd-run", "run-parts", "entr",
    "watchexec", "nodemon", "hyperfine", "flock", "script", "expect", "unbuffer", "rlwrap",
    "screen", "tmux", "parallel", "sem", "rush", "dbus-run-session", "dbus-launch", "xvfb-run",
    "fakeroot", "proot", "runuser", "setpriv", "capsh", "sg", "newgrp", "chpst", "softlimit",
    "envdir", "setuidgid", "s6-setuidgid", "trap", "caffeinate", "gtimeout", "catchsegv",
    "faketime", "torsocks", "torify", "proxychains", "proxychains4", "at", "batch", "crontab",
    "systemctl", "launchctl", "busctl", "alias", "shopt", "enable", "hash", "complete",
    "compgen", "bind", "popd", "dirs", "fc", "mapfile", "readarray", "ld.so", "osascript", "tclsh",
    "wish",
    "dc", "ed", "ex", "emacs", "socat", "nc", "ncat", "netcat", "telnet", "rsh", "mosh",
):  # fmt: skip
    WRAPPERS[_name] = _LAUNCHER

SHELLS = frozenset(
    ("sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "fish", "csh", "tcsh", "rbash")
)
"""Programs that read command lines."""

INTERPRETERS: dict[str, str] = {
    "python": "c", "pypy": "c", "perl": "eE", "ruby": "e", "node": "ep", "nodejs": "ep",
    "deno": "", "bun": "ep", "php": "rBREF", "lua": "e", "luajit": "e", "Rscript": "e",
    "julia": "eE", "ghc": "e", "scala": "e", "groovy": "e", "elixir": "e", "erl": "",
    "guile": "c", "racket": "e", "sbcl": "", "jshell": "", "irb": "", "ipython": "c",
    "pwsh": "c", "tsx": "ep", "ts-node": "ep", "clojure": "e", "swipl": "g",
}  # fmt: skip
"""Programs that run code, with the short options that are followed by it."""

CODE_LONG = ("--eval", "--print", "--command", "--execute", "--run", "--require", "--import")

RUNNING_OPTIONS: dict[str, tuple[str, ...]] = {
    "git": (
        "-c", "--config-env", "--exec-path", "--upload-pack", "--receive-pack", "--ext-diff",
        "--textconv", "--exec", "--open-files-in-pager", "--git-dir", "--work-tree", "--extcmd",
        "--tool", "--template", "--tree-filter", "--index-filter", "--msg-filter",
        "--config", "--editor", "--gpg-sign", "--show-signature",
    ),
    "tar": (
        "--checkpoint-action", "--to-command", "--use-compress-program", "--rsh-command",
        "--info-script", "--new-volume-script", "--rmt-command", "-I", "-F",
    ),
    "bsdtar": ("--use-compress-program",),
    "rsync": ("-e", "--rsh", "--rsync-path"),
    "scp": ("-S", "-o", "-F"), "sftp": ("-S", "-o", "-F", "-D"),
    "zip": ("-T", "--unzip-command"), "7z": ("-si",),
    "man": ("-P", "--pager", "-H", "--html", "-C", "--config-file"),
    "vim": ("",), "vi": ("",), "nvim": ("",), "view": ("",), "nano": ("",), "less": ("",),
    "more": ("",), "most": ("",),
    "make": ("--eval",),
    "gmake": ("--eval",),
    "rg": ("--pre", "--hostname-bin", "--search-zip", "-z"),
    "ag": ("--pager",), "ack": ("--pager",), "bat": ("--pager",), "delta": ("--pager",),
    "fd": ("-x", "-X", "--exec", "--exec-batch"),
    "fdfind": ("-x", "-X", "--exec", "--exec-batch"),
    "fzf": ("--preview", "--bind"),
    "sort": ("--compress-program",), "split": ("--filter",), "csplit": (), "tee": (),
    "npm": ("--script-shell", "--prefix", "--userconfig", "--globalconfig", "--node-options"),
    "yarn": ("--cwd", "--use-yarnrc"), "pnpm": ("--script-shell", "--dir", "-C"),
    "pytest": ("-p", "-o", "--override-ini", "--basetemp", "--pdbcls", "--log-file", "--debug"),
    "go": ("-exec", "-toolexec", "-vettool", "-C", "-overlay", "-modfile", "-ldflags"),
    "cargo": ("--config", "--manifest-path", "-Z"), "rustc": ("-C", "-Z"),
    "gcc": ("-wrapper", "-fplugin", "-B", "-specs"), "cc": ("-wrapper", "-fplugin", "-B", "-specs"),
    "g++": ("-wrapper", "-fplugin", "-B", "-specs"), "clang": ("-fplugin", "-B", "-Xclang"),
    "eslint": ("--rulesdir", "--resolve-plugins-relative-to", "--parser", "--plugin"),
    "jest": ("--globalSetup", "--runner", "--testRunner", "--setupFiles"),
    "mypy": ("--python-executable", "--install-types"),
    "wget": ("-e", "--execute", "--use-askpass", "--config"), "curl": ("-K", "--config"),
    "ldd": ("",), "gpg": ("--exec-path", "--photo-viewer"), "mail": ("",), "mutt": ("",),
    "pip": ("--global-option", "--python"), "journalctl": (), "psql": ("-c", "--command", "-f"),
    "sqlite3": ("",), "mysql": ("-e", "--execute"), "ffmpeg": (), "qemu-system-x86_64": ("",),
    "tcpdump": ("-z", "-w"), "nmap": ("--script",), "dpkg": ("",),
    "apt": ("-o",), "apt-get": ("-o",),
    "tox": ("-x", "--override", "-c", "--workdir"), "nox": ("-f", "--noxfile"),
    "black": (), "ruff": ("--output-file",), "pre-commit": (),
    "pylint": ("--init-hook", "--load-plugins"), "prettier": ("--plugin",),
    "ctest": ("-S", "--script", "--build-and-test", "--test-command"),
    "gradle": ("-I", "--init-script", "-b", "--build-file", "-p", "--project-dir"),
    "gradlew": ("-I", "--init-script", "-b", "--build-file", "-p", "--project-dir"),
    "printf": ("-v",), "read": ("",), "let": ("",), "unset": ("",), "wait": ("-p",),
}  # fmt: skip
"""Options that make a program run something else; "" stands for any use at all."""

CONFIG_OPTIONS: dict[str, tuple[str, ...]] = {
    "make": ("-f", "--file", "--makefile", "-C", "--directory", "-I", "--include-dir"),
    "gmake": ("-f", "--file", "--makefile", "-C", "--directory", "-I", "--include-dir"),
    "pytest": ("-c", "--rootdir", "--confcutdir", "--config-file"),
    "mypy": ("--config-file",), "ruff": ("--config",), "black": ("--config",),
    "eslint": ("-c", "--config"), "jest": ("-c", "--config"), "prettier": ("--config",),
    "pre-commit": ("-c", "--config"),
    "pylint": ("--rcfile",), "vitest": ("-c", "--config"), "tsc": ("-p", "--project"),
}  # fmt: skip
"""Options that name a file which says what is run: none outside the workspace."""

PLAIN_READERS = frozenset((
    "cat", "tac", "head", "tail", "wc", "grep", "egrep", "fgrep", "ls", "file", "stat", "du",
    "md5sum", "sha1sum", "sha256sum", "echo", "printf", "basename", "dirname", "realpath", "jq",
    "cut", "nl", "diff", "cmp", "test", "[", "readlink", "strings", "od", "column", "rm",
))  # fmt: skip
"""Programs that no option makes write or run anything, and `rm`, which a rule has to name."""

GIT_RUNNING = frozenset(
    (
        "bisect",
        "submodule",
        "filter-branch",
        "difftool",
        "mergetool",
        "daemon",
        "instaweb",
        "credential",
        "hook",
        "alias",
        "send-email",
        "p4",
        "svn",
    )
)
GIT_QUIET = frozenset(("--no-pager", "-P", "--no-optional-locks", "--literal-pathspecs"))


_SAFE = frozenset((
    "CARGO_TERM_COLOR", "CGO_ENABLED", "CI", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "DEBUG",
    "FLASK_ENV", "FORCE_COLOR", "GOARCH", "GOOS", "HYPOTHESIS_PROFILE", "LANG", "LANGUAGE",
    "LINES", "LOG_LEVEL", "MIX_ENV", "NODE_ENV", "NO_COLOR", "PYTHONDONTWRITEBYTECODE",
    "PYTHONHASHSEED", "PYTHONUNBUFFERED", "QUICK", "RACK_ENV", "RAILS_ENV", "RUST_BACKTRACE",
    "RUST_LOG", "SEED", "SOURCE_DATE_EPOCH", "TERM", "TESTING", "TZ", "VERBOSE",
))  # fmt: skip


def safe_name(name: str) -> bool:
    """Whether a variable of that name changes nothing about what programs run.

    A list of those that do is never complete, so this is one of those that do not.
    Names of one letter are a script's own.
    """
    return name in _SAFE or name.startswith("LC_") or len(name) == 1
