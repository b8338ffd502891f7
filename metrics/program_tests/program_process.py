"""The process of a program: it defines what the program defines, and does what the tests ask of that."""

import builtins
import fcntl
import importlib
import os
import resource
import select
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NoReturn

from metrics.program_tests.exchange import OF_PROGRAM, Gone, Side
from metrics.program_tests.names import names_of

ADDRESS_SPACE = 2 * 2**30  # bytes
FILE = 64 * 2**20  # bytes of each file that is written
FILES = 256  # open at a time
# Far from the numbers that a program might close or write to by mistake.
_DESCRIPTORS = 100

# What a program of a benchmark has no business with: other processes, and files outside of its folder. The
# list is the one `evaluate` goes by, so that what fails there fails here.
SWITCHED_OFF = {
    "os": "chdir chmod chown chroot fchdir fchmod fchown fork forkpty getcwd kill killpg lchflags lchmod "
    "lchown putenv remove removedirs rename renames replace rmdir setuid system truncate unlink",
    "shutil": "chown move rmtree",
    "subprocess": "Popen",
    "builtins": "exit help quit",
}
WITHOUT_MODULES = ("ipdb", "joblib", "psutil", "resource", "tkinter")


def main(reading: int, writing: int) -> NoReturn:
    """Serve the tests until they are done. reading, writing: descriptors from and to them."""
    reading = fcntl.fcntl(reading, fcntl.F_DUPFD_CLOEXEC, _DESCRIPTORS)
    writing = fcntl.fcntl(writing, fcntl.F_DUPFD_CLOEXEC, _DESCRIPTORS)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    os.closerange(3, _DESCRIPTORS)
    operations: dict[str, Callable[..., Any]] = {**OF_PROGRAM, "load": _load, "define": _define}
    end = os._exit
    with suppress(Gone):
        Side(reading, writing, operations, _wait).serve()
    end(0)


def _wait(descriptor: int, event: int) -> None:
    poll = select.poll()
    poll.register(descriptor, event)
    poll.poll()


def _load(nothing: None, program: str) -> None:
    """Import what the program's lines seem to import, while packages such as numpy still can be; then switch
    off what programs do not get."""
    for line in program.splitlines():
        verb, _, rest = line.strip().partition(" ")
        names = rest.split(",") if verb == "import" else [rest] if verb == "from" else []
        for words in (name.split() for name in names):
            if words and words[0] not in WITHOUT_MODULES:
                with suppress(Exception):  # the program will say so itself
                    importlib.import_module(words[0])
    _limit()
    for switched, switched_off in SWITCHED_OFF.items():
        owner: Any = builtins if switched == "builtins" else importlib.import_module(switched)
        for name in switched_off.split():
            setattr(owner, name, None)
    for missing in WITHOUT_MODULES:
        sys.modules[missing] = None  # type: ignore[assignment]  # importing it fails


def _limit() -> None:
    """Limits of the system, inherited by whatever the program starts; those it does not have are left out."""
    wanted = {
        "RLIMIT_AS": ADDRESS_SPACE,
        "RLIMIT_CORE": 0,
        "RLIMIT_FSIZE": FILE,
        "RLIMIT_NOFILE": FILES,
    }
    for name, value in wanted.items():
        if hasattr(resource, name):
            _, most = resource.getrlimit(getattr(resource, name))
            own = value if most == resource.RLIM_INFINITY else min(value, most)
            resource.setrlimit(getattr(resource, name), (own, own))


def _define(nothing: None, program: str, seconds: float) -> Mapping[str, Any]:
    """Run the program itself; the names that it has then."""
    signal.setitimer(signal.ITIMER_PROF, seconds)  # whose signal ends the process
    own: dict[str, Any] = {}
    exec(program, own)  # nosec B102  # in a sandbox, which is what it is for
    return names_of(own)
