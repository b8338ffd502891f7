"""Ends an engine's processes when the process that started them is gone, also when it was killed with -9.

A process of its own, started before the engine: until the parent says on standard input that the engine is
there, the parent's new children are noted; when standard input closes, they are ended.
"""

import select
import subprocess
import sys
from typing import Self

import psutil

from metrics.processes import child

_LOOK_EVERY = 0.5  # seconds; an engine takes many to start


class Guard:
    """That process, as its parent has it."""

    def __init__(self) -> None:
        parent = str(psutil.Process().pid)
        self._process = child.start(__name__, parent, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._wait()  # until it has seen which children there were before

    def engine_is_there(self) -> None:
        """There will be no more processes of it, and all of them have been seen when this returns."""
        assert self._process.stdin is not None, "it is a pipe"
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        self._wait()

    def _wait(self) -> None:
        assert self._process.stdout is not None, "it is a pipe"
        self._process.stdout.readline()


class _Watch:
    """The processes that a parent starts, by and by."""

    def __init__(self, parent: int) -> None:
        self._parent = psutil.Process(parent)
        self._others = {psutil.Process(), *self._parent.children(recursive=True)}
        self._seen: set[psutil.Process] = set()

    def look(self) -> Self:
        self._seen |= {*self._parent.children(recursive=True)} - self._others
        return self

    def end(self) -> None:
        for process in self._seen:
            try:
                for each in (*process.children(recursive=True), process):
                    each.kill()
            except psutil.NoSuchProcess:
                continue


def main() -> None:
    """Guard what the process starts whose id is the argument."""
    watch = _Watch(int(sys.argv[1]))
    print(flush=True)
    try:
        while not select.select([sys.stdin], [], [], _LOOK_EVERY)[0]:
            watch.look()
        if sys.stdin.buffer.readline():
            watch.look()
            print(flush=True)
            sys.stdin.buffer.read()
    except (psutil.NoSuchProcess, BrokenPipeError):  # the parent is gone, and standard input closes
        pass
    watch.end()
