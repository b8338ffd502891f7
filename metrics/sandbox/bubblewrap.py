"""Programs in bubblewrap: of the machine they see /usr, a Python and its packages, and can change nothing.

They have no network, no other processes, no environment, and files in memory only. All that a program starts
ends with it, and with whoever started it.
"""

import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from metrics.sandbox.interpreter import SYSTEM, Interpreter
from metrics.sandbox.program import OPEN_FILES, WORKSPACE, Program

FILTER_DESCRIPTOR = "{filter}"
_NAMESPACES = ("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try")
# What has to be where the loader looks, beside /usr.
_SYSTEM_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_SYSTEM_FILES = (Path("/etc/ld.so.cache"), Path("/etc/alternatives"))
_SHARED_MEMORY = 4 * 2**20  # bytes of what a program has in /dev/shm, out of those for its files
# Users of the system who are nobody in particular. Each program is another one of them, as the processes that
# a user has are counted together.
_USERS = (61184, 65519)


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    """is_root: whether this process is root's; programs are nobody's then, and else of the same user."""

    interpreter: Interpreter
    is_root: bool
    name: str = "bwrap"
    is_apart: bool = True
    has_filter: bool = True

    @property
    def python(self) -> str:
        return str(self.interpreter.executable)

    @property
    def packages(self) -> Sequence[Path]:
        return self.interpreter.packages

    def command(self, program: Program) -> list[str]:
        argv = [self.python if word == "python" else word for word in program.argv[:1]]
        return [
            *("bwrap", *_NAMESPACES, "--die-with-parent", "--new-session"),
            *self._user(),
            *("--clearenv", *_environment(program)),
            *("--ro-bind", str(SYSTEM), str(SYSTEM), *_system()),
            *("--proc", "/proc", "--dev", "/dev"),
            *_room(_SHARED_MEMORY, "/dev/shm"),  # nosec B108  # a folder of the sandbox
            *_room(program.files - _SHARED_MEMORY, WORKSPACE),
            *_read_only([*filter(Path.exists, _SYSTEM_FILES), *self.interpreter.folders, *program.readable]),
            *("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", WORKSPACE),
            *("--seccomp", FILTER_DESCRIPTOR, "--"),
            *_limits(program),
            *self._drop(),
            *argv,
            *program.argv[1:],
        ]

    def _user(self) -> list[str]:
        """Root needs no namespace of users, in which it would stay root to the limits of the system; it keeps
        what it needs to become somebody else. Bubblewrap's own process within, which has the others end, is
        out of reach of these; without root it would not be, and the program takes its place."""
        if not self.is_root:
            return ["--unshare-user", "--cap-drop", "ALL", "--as-pid-1"]
        return ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]

    def _drop(self) -> list[str]:
        if not self.is_root:
            return []
        user = random.randint(*_USERS)
        return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--inh-caps=-all", "--"]


def _environment(program: Program) -> Iterator[str]:
    for name, value in program.environment.items():
        yield from ("--setenv", name, value)


def _system() -> Iterator[str]:
    for name in _SYSTEM_LINKS:
        path = Path("/", name)
        if path.is_symlink():
            yield from ("--symlink", os.readlink(path), str(path))
        elif path.is_dir():
            yield from ("--ro-bind", str(path), str(path))


def _room(size: int, folder: str) -> tuple[str, ...]:
    return ("--size", str(size), "--perms", "1777", "--tmpfs", folder)


def _read_only(paths: Sequence[Path]) -> Iterator[str]:
    """The folders above are made anew, open to the user that programs are."""
    above = {folder for path in paths for folder in path.parents} - {Path("/"), *SYSTEM.parents, SYSTEM}
    for folder in sorted(above):
        yield from ("--perms", "0755", "--dir", str(folder))
    for path in sorted(paths):
        yield from ("--ro-bind", str(path), str(path))


def _limits(program: Program) -> list[str]:
    """Set within: the processes of a namespace of users are counted from its beginning (Linux 5.14)."""
    return [
        "prlimit",
        f"--as={2 * program.memory}",
        f"--fsize={program.files}",
        f"--nproc={program.processes}",
        f"--nofile={OPEN_FILES}",
        "--core=0",
        *([] if program.seconds is None else [f"--cpu={program.seconds}"]),
        "--",
    ]
