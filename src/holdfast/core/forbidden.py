"""Commands that nothing permits: the table and what each entry looks for.

An entry looks at one simple command, as its words: never at text, so that
`sum f` is not `su` and `/bin/rm  -fr /` is `rm -rf /` (astrid#AW-4, AW-5). It is
compared without regard to where the program lies and to case.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from holdfast.core.commandline import Segment
from holdfast.core.places import SECRET_WORDS, SHARED_MEMORY, forbidden, near_private
from holdfast.core.tools import Operation
from holdfast.core.vital import vital, within


@dataclass(slots=True)  # not frozen: one is made of every command of every line
class Scene:
    """One command with what stands around it.

    Args:
        name: the program's base name in lower case.
        args: its words.
        folders: where it may run, normalised: "" is the workspace.
        before: commands that feed it.
        private: real paths of the installation's own files.
        workspace: absolute path, or "".
    """

    name: str
    args: tuple[str, ...]
    segment: Segment
    folders: tuple[str, ...] = ("",)
    before: tuple[Segment, ...] = ()
    private: tuple[str, ...] = ()
    workspace: str = ""
    operands: tuple[str, ...] = field(default=())


PRIVILEGE = frozenset((
    "sudo", "su", "doas", "pkexec", "runuser", "sudoedit", "gosu", "su-exec", "visudo", "vipw",
    "setcap", "nsenter", "sudo-rs", "run0",
))  # fmt: skip
DISKS = frozenset((
    "mkfs", "mke2fs", "mkswap", "wipefs", "fdisk", "sfdisk", "cfdisk", "gdisk", "sgdisk", "parted",
    "newfs", "mdadm", "cryptsetup", "lvremove", "vgremove", "pvremove", "pvcreate", "blkdiscard",
    "badblocks", "zpool", "diskutil", "format.com", "debugfs", "tune2fs",
))  # fmt: skip
HALTS = frozenset(("shutdown", "reboot", "halt", "poweroff", "telinit", "kexec"))
HALT_TARGETS = frozenset((
    "poweroff", "reboot", "halt", "kexec", "rescue", "emergency", "suspend", "hibernate",
    "soft-reboot", "reboot.target", "poweroff.target", "rescue.target", "emergency.target",
    "halt.target",
))  # fmt: skip
MODULES = frozenset(("insmod", "rmmod", "modprobe", "depmod", "kmod", "kldload", "kextload"))
ACCOUNTS = frozenset((
    "passwd", "chpasswd", "useradd", "userdel", "usermod", "groupadd", "groupdel", "groupmod",
    "adduser", "deluser", "addgroup", "delgroup", "gpasswd", "chsh", "chfn", "newusers",
))  # fmt: skip
NETWORK = frozenset((
    "curl", "wget", "fetch", "aria2c", "http", "https", "xh", "nc", "ncat", "netcat", "socat",
    "ftp", "tftp", "lynx", "links", "w3m", "lwp-request", "get", "openssl", "ssh", "telnet", "dig",
))  # fmt: skip
READERS = frozenset((
    "sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "fish", "csh", "tcsh", "rbash", "python",
    "pypy", "perl", "ruby", "node", "nodejs", "php", "lua", "luajit", "deno", "bun", "pwsh",
    "source", ".", "eval", "tclsh", "osascript", "at", "batch", "julia", "guile", "rscript",
    "crontab",
))  # fmt: skip
"""Programs that run what they read."""

SYSTEM_FILES = (
    "/etc/passwd", "/etc/shadow", "/etc/gshadow", "/etc/group", "/etc/sudoers", "/etc/sudoers.d",
    "/etc/pam.d", "/etc/ssh", "/etc/crontab", "/etc/cron.d", "/etc/cron.daily",
    "/etc/cron.hourly", "/etc/profile", "/etc/profile.d", "/etc/ld.so.preload",
    "/etc/ld.so.conf", "/etc/systemd", "/etc/init.d", "/etc/rc.local", "/etc/hosts",
    "/etc/fstab", "/etc/environment", "/etc/bash.bashrc", "/boot", "/usr/lib/systemd",
    "/lib/systemd", "/var/spool/cron", "/proc/sys", "/proc/sysrq-trigger", "/sys",
)  # fmt: skip
"""Each with all that lies beneath it: what says who may do what on the machine."""
SAFE_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/stdout", "/dev/stderr", "/dev/stdin",
                "/dev/tty", "/dev/fd/", SHARED_MEMORY)  # fmt: skip

_CHANGERS = frozenset((
    "tee", "rm", "unlink", "shred", "truncate", "chmod", "chown", "chgrp", "chattr", "setfacl",
    "touch", "rmdir", "sponge",
))  # fmt: skip
_REMOVERS = frozenset(("rm", "shred", "srm", "rimraf", "rmdir", "unlink", "del", "wipe"))
_RIGHTS = frozenset(("chmod", "chown", "chgrp", "setfacl", "chattr"))
_COPIERS = frozenset(("cp", "mv", "install", "ln", "rsync", "scp", "link"))
_PROCESS_SECRETS = ("/environ", "/mem", "/kcore", "/auxv")


_NOT_NAMES = frozenset(("", ".", "..", "~", "$HOME", "${HOME}"))
_HERE = ("",)
_ELSEWHERE = frozenset("/~$")
"""What a word begins with that may lead out of the folder it is used in."""


# --- paths ----------------------------------------------------------------------


def places(scene: Scene, word: str) -> list[str]:
    """Where a word may lead: absolute, beneath `~`, or relative to the workspace."""
    if "/" not in word and word not in _NOT_NAMES:  # a plain name, as most words are
        return [
            word if not folder else folder + word if folder[-1] == "/" else f"{folder}/{word}"
            for folder in scene.folders
        ]
    for home in ("$HOME", "${HOME}"):
        if word == home or word.startswith(home + "/"):
            word = "~" + word[len(home) :]
    if word.startswith("/"):
        return ["/" + posixpath.normpath(word).lstrip("/")]
    if word == "~" or word.startswith("~/"):
        return [posixpath.normpath(word)]
    return [posixpath.normpath(posixpath.join(folder, word)) for folder in scene.folders]


def _has(args: tuple[str, ...], letters: str, *long: str) -> bool:
    """Whether an option is given, in a cluster or abbreviated too."""
    for arg in args:
        if arg.startswith("--"):
            name = arg.partition("=")[0]
            if len(name) > 3 and any(one.startswith(name) for one in long):
                return True
        elif arg.startswith("-") and any(letter in arg for letter in letters):
            return True
    return False


# --- entries --------------------------------------------------------------------


def _privilege(scene: Scene) -> bool:
    return scene.name in PRIVILEGE


def _disks(scene: Scene) -> bool:
    if scene.name == "format":
        return any(len(arg) == 2 and arg[1] == ":" for arg in scene.operands)
    return scene.name in DISKS or scene.name.startswith(("mkfs.", "fsck."))


def _removes(scene: Scene) -> bool:
    if scene.name not in _REMOVERS:
        return False
    if _has(scene.args, "", "--no-preserve-root"):
        return True
    hard = scene.name != "rm" or _has(scene.args, "rRf", "--recursive", "--force")
    return hard and any(vital(p) for word in scene.operands for p in places(scene, word))


def _moves(scene: Scene) -> bool:
    sources = scene.operands[:-1] if scene.name == "mv" else ()
    return any(vital(p) and p[0] in "/~" for word in sources for p in places(scene, word))


def _device(scene: Scene) -> bool:
    targets = list(scene.segment.writes)
    if scene.name == "dd":
        targets += [arg[3:] for arg in scene.args if arg.startswith("of=")]
    elif scene.name in _COPIERS:
        targets += scene.operands[-1:]
    elif scene.name in _CHANGERS:
        targets += scene.operands
    if not targets:
        return False
    found = [p for word in targets for p in places(scene, word)]
    return any(p.startswith("/dev/") and not p.startswith(SAFE_DEVICES) for p in found)


def _halts(scene: Scene) -> bool:
    if scene.name in ("init", "openrc-shutdown"):
        return any(arg in ("0", "1", "6", "s", "S") for arg in scene.args)
    if scene.name in ("systemctl", "loginctl"):
        return any(arg.casefold() in HALT_TARGETS for arg in scene.operands)
    return scene.name in HALTS


def _kills_all(scene: Scene) -> bool:
    if scene.name == "killall5":
        return True
    if scene.name == "kill":
        return "-1" in scene.args[1:] or "1" in scene.args or scene.args == ("-1",)
    return scene.name == "pkill" and any(arg in (".", ".*", "") for arg in scene.operands)


def _opens_root(scene: Scene) -> bool:
    if scene.name not in _RIGHTS:
        return False
    if not _has(scene.args, "R", "--recursive"):
        return False
    return any(vital(p) for word in scene.operands for p in places(scene, word))


def _system_file(scene: Scene) -> bool:
    words = list(scene.segment.writes)
    if scene.name in _CHANGERS or scene.name in ("ed", "ex", "vim", "vi", "nano", "emacs"):
        words += scene.operands
    elif scene.name in _COPIERS:
        words += scene.operands[-1:]
    elif scene.name == "dd":
        words += [arg[3:] for arg in scene.args if arg.startswith("of=")]
    elif scene.name in ("sed", "perl") and _has(scene.args, "i", "--in-place"):
        words += scene.operands
    elif scene.name == "sysctl":
        return _has(scene.args, "wp", "--write", "--load") or any("=" in a for a in scene.args)
    if not words:
        return False
    return any(within(p, SYSTEM_FILES) for word in words for p in places(scene, word))


def _accounts(scene: Scene) -> bool:
    return scene.name in ACCOUNTS


def _crontab(scene: Scene) -> bool:
    return scene.name == "crontab" and scene.args != ("-l",)


def _modules(scene: Scene) -> bool:
    return scene.name in MODULES


def _network_code(scene: Scene) -> bool:
    name = scene.name.rstrip("0123456789.")
    if scene.name == ".":
        name = "."
    if name not in READERS:
        return False
    fetched = any(base(one) in NETWORK for one in scene.before)
    return fetched and _takes_input(scene.args)


def _takes_input(args: tuple[str, ...]) -> bool:
    """Whether an interpreter's code is its input, or what a substitution prints."""
    if any("$(" in arg or "`" in arg or "<(" in arg for arg in args):
        return True
    for arg in args:
        if arg in ("-", "-s", "/dev/stdin", "/proc/self/fd/0", "/dev/fd/0"):
            return True
        if arg.startswith("-") and not arg.startswith("--") and set(arg) & set("cemprE"):
            return False
        if not arg.startswith("-"):
            return False
    return True


def _network_shell(scene: Scene) -> bool:
    files = (*scene.segment.reads, *scene.segment.writes, *scene.args)
    if any(one.startswith(("/dev/tcp/", "/dev/udp/")) for one in files):
        return True
    return scene.name in ("nc", "ncat", "netcat") and _has(scene.args, "ec", "--exec", "--sh-exec")


def _own_files(scene: Scene) -> bool:
    if not scene.private:
        return False
    operation = Operation.DELETE if scene.name in ("rm", "mv") else Operation.WRITE
    # Where none lies near the workspace, a word that stays in it leads to none.
    inner = not scene.workspace or near_private(scene.workspace, scene.private)
    inner = inner or any(folder[:1] in _ELSEWHERE for folder in scene.folders if folder)
    for word in (*scene.segment.reads, *scene.segment.writes, *scene.args):
        for part in (word, word.partition("=")[2]) if "=" in word else (word,):
            if not inner and part[:1] not in _ELSEWHERE:
                continue
            for place in places(scene, part) if part else ():
                real = place if place[0] in "/~" else posixpath.join(scene.workspace, place)
                found = forbidden(real, operation, scene.private)
                if found == "the installation's own files":
                    return True
    return False


def _secret(scene: Scene) -> bool:
    if scene.name in ("echo", "printf", "grep", "rg", "commit"):
        words: tuple[str, ...] = ()
    else:
        words = tuple(arg for arg in scene.args if " " not in arg)
    files = (*scene.segment.reads, *scene.segment.writes, *words)
    known = scene.folders == _HERE or not any(
        folder[:1] in _ELSEWHERE or forbidden(folder, Operation.READ)
        for folder in scene.folders
        if folder
    )
    for word in files:
        for part in _words_in(word):
            if known and _harmless(part):
                continue
            for place in places(scene, part) if part else ():
                if place.startswith("/proc/") and place.endswith(_PROCESS_SECRETS):
                    return True
                if place.startswith(("/dev", "/proc", "/sys")):
                    continue
                if forbidden(place, Operation.READ):
                    return True
    return False


def _harmless(word: str) -> bool:
    """Whether a word is a plain name that no secret place has in it, in whatever folder."""
    if "/" in word or word in _NOT_NAMES or not word.isascii():
        return False
    return word.lower().rstrip(". ") not in SECRET_WORDS


def _words_in(word: str) -> tuple[str, ...]:
    """A word, what stands behind its `=`, and the file of an `@file`."""
    if "=" not in word and word[:1] != "@":
        return (word,)
    return word, word.partition("=")[2], word.lstrip("@")


def _forks(scene: Scene) -> bool:
    """A function that pipes into itself: `function` names it, its body stands behind."""
    if scene.name != "function" or not scene.args:
        return False
    piped = [one.pipe for one in scene.before if one.pipe and one.argv[:1] == scene.args[:1]]
    return any(piped.count(number) > 1 for number in piped)


def base(segment: Segment) -> str:
    """A command's program, without folder, in lower case."""
    return segment.argv[0].rpartition("/")[2].casefold() if segment.argv else ""


Check = Callable[[Scene], bool]

ENTRIES: tuple[tuple[str, Check, str], ...] = (
    ("privilege", _privilege, "raises privileges: sudo, su, doas, pkexec and the like"),
    ("disk", _disks, "makes, checks or changes file systems and partitions"),
    ("remove_system", _removes, "removes the root, a system folder, a home, or what `..` leads to"),
    ("move_system", _moves, "moves the root, a system folder or a home away"),
    ("device", _device, "writes to a device"),
    ("halt", _halts, "stops or restarts the machine"),
    ("kill_all", _kills_all, "ends all processes, or the first"),
    ("open_system", _opens_root, "changes rights or owners of the system or a home, recursively"),
    ("system_file", _system_file, "changes files that say who may do what on the machine"),
    ("accounts", _accounts, "changes accounts of the machine"),
    ("crontab", _crontab, "changes the table of timed commands"),
    ("kernel_module", _modules, "loads or removes kernel modules"),
    ("network_code", _network_code, "runs what comes from the network"),
    ("network_shell", _network_shell, "connects a shell with the network"),
    ("own_files", _own_files, "touches the installation's own stores and keys"),
    ("secret_place", _secret, "touches a place where secrets are kept"),
    ("fork_bomb", _forks, "starts itself without end"),
)
"""(reason code, what looks for it, what a person is told)."""

_ONLY: dict[Check, frozenset[str]] = {
    _privilege: PRIVILEGE,
    _removes: _REMOVERS,
    _moves: frozenset(("mv",)),
    _kills_all: frozenset(("killall5", "kill", "pkill")),
    _opens_root: _RIGHTS,
    _accounts: ACCOUNTS,
    _crontab: frozenset(("crontab",)),
    _modules: MODULES,
    _forks: frozenset(("function",)),
}
"""What looks at these programs alone; what is not named here looks at every command."""


@lru_cache(maxsize=1_024)
def entries_for(name: str) -> tuple[tuple[str, Check, str], ...]:
    """The entries that may forbid a command.

    Args:
        name: the program's base name in lower case.
    """
    return tuple(entry for entry in ENTRIES if name in _ONLY.get(entry[1], (name,)))
