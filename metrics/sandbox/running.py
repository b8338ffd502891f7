"""Starting what is to run apart, and reading what it says while its memory is watched."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

from metrics.sandbox.bubblewrap import FILTER_DESCRIPTOR
from metrics.sandbox.family import family, taken_by
from metrics.sandbox.program import Program, Sandbox
from metrics.sandbox.system_calls import FILTER

# How often the memory of what runs is looked at.
LOOK_SECONDS = 0.05
_PIECE = 2**16  # bytes

End = Literal["ended", "took too much memory", "said too much", "had not ended"]


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a program.

    end: how it ended, by itself or by who watched it. status: with which it ended (`Popen.returncode`).
    said: what it wrote to its standard output and error, together.
    """

    end: End
    status: int
    said: bytes


def start(sandbox: Sandbox, program: Program, **how: Any) -> "subprocess.Popen[bytes]":
    """Start a program apart, in a session of its own; how: more for `subprocess.Popen`. Who starts it watches
    its memory (`takes_too_much`) and ends it (`end`)."""
    with _filter() as descriptor:
        command = [
            str(descriptor) if word == FILTER_DESCRIPTOR else word for word in sandbox.command(program)
        ]
        passed = (*program.descriptors, *([descriptor] if sandbox.has_filter else []))
        return subprocess.Popen(command, pass_fds=passed, start_new_session=True, **how)  # nosec B603  # the sandbox's own command


def run(sandbox: Sandbox, program: Program, *, seconds: float, most: int = 2**20) -> Ran:
    """Run a program to its end, without input. seconds: by the clock. most: bytes that it may say."""
    process = start(
        sandbox, program, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    try:
        how, said = _watched(process, program, time.monotonic() + seconds, most)
    finally:
        end(process)
        process.stdout.close()
    return Ran(how, process.returncode, said)


def takes_too_much(process: "subprocess.Popen[bytes]", program: Program) -> bool:
    """Whether a program has more memory than it may, in all its processes."""
    return taken_by(process.pid).memory > program.memory


def has_ended(process: "subprocess.Popen[bytes]") -> bool:
    """Whether a program has ended; it is not waited for, so that `end` still knows it."""
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return process.returncode is not None or os.waitid(os.P_PID, process.pid, options) is not None


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a program with all that it has started, and wait for that."""
    if process.returncode is not None:
        return
    for pid in list(family(process.pid)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with suppress(ProcessLookupError, PermissionError):  # macOS refuses where all of a group have ended
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _watched(
    process: "subprocess.Popen[bytes]", program: Program, ends: float, most: int
) -> tuple[End, bytes]:
    assert process.stdout is not None
    poll, said = select.poll(), b""
    poll.register(process.stdout, select.POLLIN)
    while True:
        if poll.poll(LOOK_SECONDS * 1000):
            piece = os.read(process.stdout.fileno(), _PIECE)
            if not piece:
                return "ended", said
            said += piece
        elif has_ended(process):  # and something else keeps the pipe open
            return "ended", said
        if len(said) > most:
            return "said too much", said[:most]
        if takes_too_much(process, program):
            return "took too much memory", said
        if time.monotonic() > ends:
            return "had not ended", said


@contextmanager
def _filter() -> Iterator[int]:
    """A descriptor from which the filter of system calls is read; a pipe holds all of it."""
    reading, writing = os.pipe()
    try:
        os.write(writing, FILTER or b"")
        os.close(writing)
        yield reading
    finally:
        os.close(reading)
