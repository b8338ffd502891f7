"""Runs one program, in the process that `metrics.hf_evaluate.code_eval` starts for it:
`python code_child.py FILE SECONDS`, of processor time.

It writes a line break to its standard output when the program begins, and a line (`unicode_escape`) with what
came of it when it has ended.
"""

import builtins
import contextlib
import fcntl
import importlib
import os
import resource
import signal
import sys
from typing import Any

MEMORY = 4 * 2**30  # bytes of address space
FILE = 64 * 2**20  # bytes of each file that is written
FILES = 256  # open at a time
MESSAGE = 500  # characters of an error that are passed on

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


def main(file: str, seconds: float) -> None:
    with open(file, "rb") as source:
        program = source.read().decode("utf-8", "surrogatepass")
    # Far from the numbers that a program might close or write to by mistake.
    answer = fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, 100)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    write = os.write
    limit(seconds)
    load_modules(program)
    switch_off()
    write(answer, b"\n")
    signal.setitimer(signal.ITIMER_PROF, seconds)  # whose signal ends the process
    result = run(program)
    signal.setitimer(signal.ITIMER_PROF, 0)
    write(answer, result.encode("unicode_escape") + b"\n")


def limit(seconds: float) -> None:
    """Limits of the system, inherited by whatever the program starts; those it does not have are left out."""
    wanted = {
        "RLIMIT_AS": MEMORY,
        "RLIMIT_CORE": 0,
        "RLIMIT_CPU": int(4 * seconds) + 10,
        "RLIMIT_FSIZE": FILE,
        "RLIMIT_NOFILE": FILES,
    }
    for name, value in wanted.items():
        if hasattr(resource, name):
            _, most = resource.getrlimit(getattr(resource, name))
            own = value if most == resource.RLIM_INFINITY else min(value, most)
            resource.setrlimit(getattr(resource, name), (own, own))


def load_modules(program: str) -> None:
    """Import what the program's lines seem to import, while packages such as numpy still can be."""
    for line in program.splitlines():
        verb, _, rest = line.strip().partition(" ")
        names = rest.split(",") if verb == "import" else [rest] if verb == "from" else []
        for words in (name.split() for name in names):
            if words and words[0] not in WITHOUT_MODULES:
                with contextlib.suppress(Exception):  # the program will say so itself
                    importlib.import_module(words[0])


def switch_off() -> None:
    for module, names in SWITCHED_OFF.items():
        owner: Any = builtins if module == "builtins" else importlib.import_module(module)
        for name in names.split():
            setattr(owner, name, None)
    for module in WITHOUT_MODULES:
        sys.modules[module] = None  # type: ignore[assignment]  # importing it fails


def run(program: str) -> str:
    try:
        exec(program, {})
    except BaseException as error:  # noqa: BLE001 - whatever a program raises, SystemExit too, it has failed
        return f"failed: {_said(error)}"
    return "passed"


def _said(error: BaseException) -> str:
    try:
        return str(error)[:MESSAGE]
    except Exception:  # noqa: BLE001 - the program's own exception class
        return type(error).__name__[:MESSAGE]


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
