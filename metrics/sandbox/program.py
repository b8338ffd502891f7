"""What is to be run apart, and what a sandbox is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

# The folder in a sandbox that a program may write to; nothing of it is kept.
WORKSPACE = "/w"
MEMORY = 2**30  # bytes
FILES = 64 * 2**20  # bytes
PROCESSES = 64
OPEN_FILES = 256

# Numerical libraries reserve memory for each thread, of which a program may have little.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# All that a program gets to see of its environment.
ENVIRONMENT = {
    **_ONE_THREAD,
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "HOME": WORKSPACE,
    "TMPDIR": WORKSPACE,
    "PYTHONHASHSEED": "0",
}


@dataclass(frozen=True, slots=True)
class Program:
    """A command, and what it may have.

    argv: with "python" as its first word, the sandbox's own Python. seconds: of processor time, of each of
    its processes; None for no limit. memory: bytes of memory of all its processes; each may have twice as
    much address space. files: bytes of all files that it writes. processes: as many, threads too, at a time.
    readable: files and folders that it sees under their own paths. environment: all of it. descriptors: that
    it gets beside the standard ones.
    """

    argv: Sequence[str]
    seconds: int | None = None
    memory: int = MEMORY
    files: int = FILES
    processes: int = PROCESSES
    readable: Sequence[Path] = ()
    environment: Mapping[str, str] = field(default_factory=lambda: ENVIRONMENT)
    descriptors: Sequence[int] = ()


class Sandbox(Protocol):
    """One way to keep programs apart.

    python: the interpreter that programs get. packages: folders of what it can import beside its own library.
    """

    @property
    def name(self) -> str: ...

    @property
    def python(self) -> str: ...

    @property
    def packages(self) -> Sequence[Path]: ...

    def command(self, program: Program) -> list[str]:
        """What is to be started in place of a program's own command."""
        ...

    @property
    def is_apart(self) -> bool:
        """Whether it keeps anything apart."""
        ...

    @property
    def has_filter(self) -> bool:
        """Whether the command reads a filter of system calls (`system_calls.FILTER`) from the descriptor that
        stands in it as `FILTER_DESCRIPTOR`."""
        ...
