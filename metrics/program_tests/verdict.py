"""A program of a model and its tests: run in a sandbox, watched from outside."""

import json
import math
import os
import secrets
import select
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from metrics.errors import MetricError
from metrics.program_tests.tests_process import PASSED, TIMED_OUT
from metrics.sandbox import running
from metrics.sandbox.family import taken_by
from metrics.sandbox.program import ENVIRONMENT, Program, Sandbox

ROOT = Path(__file__).resolve().parents[2]
# A program that has neither ended nor had its time after so many times that, by the clock, was not let run.
PATIENCE = 60
# A process that starts and has not begun after so long was not let run either.
_SECONDS_TO_START = 60.0
# So many times the processor time that is a program's, whatever it does to those that count it within.
_WITH_COUNTING = 1.5
_TRIES = 2
_LONGEST = 8192  # bytes of a verdict
_SURE = (PASSED, TIMED_OUT)
_RUN = (
    "import sys; sys.path[:0], sys.path[len(sys.path):] = sys.argv[1:2], sys.argv[2:]; "
    "from metrics.program_tests.tests_process import main; main()"
)
OUT_OF_MEMORY = "failed: it took too much memory"


class _Stopped(Exception):
    """A program was ended; the message is its result."""


class _NotLetRun(Exception):
    """Nothing came of a program, and it was not its doing."""


def verdict_of(sandbox: Sandbox, program: str, tests: str, seconds: float) -> str:
    """`passed`, `timed out`, or `failed: ` and why; whatever the program started has ended then.

    seconds: of processor time, for program and tests together, and, apart from that, of waiting.

    Raises MetricError where the machine does not let it run, twice.
    """
    for _ in range(_TRIES - 1):
        try:
            return _tried(sandbox, program, tests, seconds)
        except _NotLetRun:
            continue
    try:
        return _tried(sandbox, program, tests, seconds)
    except _NotLetRun as error:
        raise MetricError(f"a program {error}, {_TRIES} times; is the machine too busy?") from error


def _tried(sandbox: Sandbox, program: str, tests: str, seconds: float) -> str:
    token = secrets.token_hex(16)
    case = json.dumps({"token": token, "program": program, "tests": tests, "seconds": seconds})
    with _workplace(sandbox) as (run, how):
        process = running.start(sandbox, run, **how)
        try:
            return _Watch(process, run, token).result(case.encode() + b"\n", seconds)
        finally:
            running.end(process)
            for pipe in (process.stdin, process.stdout, process.stderr):
                assert pipe is not None
                with suppress(BrokenPipeError):  # what it was not there to read is still written
                    pipe.close()


@contextmanager
def _workplace(sandbox: Sandbox) -> Iterator[tuple[Program, dict[str, Any]]]:
    """What is started, and where: a sandbox has a folder of its own."""
    paths = [str(ROOT), *map(str, sandbox.packages)]
    # Where its packages are known, a start does not wait for what they have done at each.
    lean = ["-S"] if sandbox.packages else []
    argv = ["python", "-P", "-s", *lean, "-c", _RUN, *paths]
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    if sandbox.is_apart:
        yield Program(argv, readable=[ROOT / "metrics"]), pipes
        return
    with tempfile.TemporaryDirectory(prefix="candidate-", ignore_cleanup_errors=True) as folder:
        own = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        environment = {**ENVIRONMENT, **own, "HOME": folder, "TMPDIR": folder}
        yield Program(argv), {**pipes, "cwd": folder, "env": environment}


class _Watch:
    """Reads what is said of one program, and sees to it that it does not take more than it may."""

    def __init__(self, process: "subprocess.Popen[bytes]", program: Program, token: str) -> None:
        self._process, self._program, self._token = process, program, token
        assert process.stdout is not None
        self._out = process.stdout.fileno()
        self._poll = select.poll()
        self._poll.register(self._out, select.POLLIN)
        self._read_on = b""

    def result(self, case: bytes, seconds: float) -> str:
        """What comes of the program of a case."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it did not start
            self._process.stdin.write(case)
            self._process.stdin.flush()
        try:
            first = self._line(_SECONDS_TO_START, math.inf)
            if first != b"\n":
                return self._result(first) or self._not_started()
            begun = taken_by(self._process.pid).seconds
            last = self._line(PATIENCE * seconds, begun + _WITH_COUNTING * seconds + 1.0)
            return self._result(last) or self._unsaid()
        except _Stopped as stopped:
            return str(stopped)

    def _line(self, patience: float, most: float) -> bytes:
        """What is written up to a line break or the end. most: seconds of processor time."""
        ends = time.monotonic() + patience
        while b"\n" not in self._read_on and len(self._read_on) < _LONGEST:
            if self._poll.poll(running.LOOK_SECONDS * 1000):
                piece = os.read(self._out, _LONGEST)
                if not piece:
                    break
                self._read_on += piece
                continue
            taken = taken_by(self._process.pid)
            if taken.memory > self._program.memory:
                raise _Stopped(OUT_OF_MEMORY)
            if taken.seconds > most:
                raise _Stopped(TIMED_OUT)
            if time.monotonic() > ends:
                raise _NotLetRun(f"had not ended after {patience:g} s")
        line, end, self._read_on = self._read_on.partition(b"\n")
        return line + end

    def _result(self, line: bytes) -> str | None:
        """The result in a line that has the token; what else comes is none."""
        token, _, result = line.decode("ascii", "replace").removesuffix("\n").partition(" ")
        if token != self._token or not (result in _SURE or result.startswith("failed: ")):
            return None
        return result.encode("ascii", "replace").decode("unicode_escape")

    def _unsaid(self) -> str:
        running.end(self._process)
        return f"failed: the process ended with status {self._process.returncode}"

    def _not_started(self) -> NoReturn:
        running.end(self._process)
        assert self._process.stderr is not None
        said = self._process.stderr.read(_LONGEST).decode("utf-8", "replace").strip()
        raise _NotLetRun(f"did not start: {said[-300:] or 'it said nothing'}")
