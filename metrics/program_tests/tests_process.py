"""The process in which a program's tests run, and the one in which the program does.

`main` is started in a sandbox, and gets one line of JSON on its standard input: token, program, tests,
seconds. It writes a line break when the program begins, and, when it is known what came of it, a line of the
token and the result (`unicode_escape`). The program is in a process that was forked before the line was read:
it has neither the token nor the tests, and no way to where they are but the questions that it is asked.
"""

import ctypes
import json
import math
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NoReturn

from metrics.program_tests import program_process
from metrics.program_tests.exchange import OF_TESTS, Gone, OutOfTurn, Side, said_by
from metrics.program_tests.names import names_for
from metrics.sandbox.family import family, taken_by

PASSED, TIMED_OUT, OUT_OF_TURN = "passed", "timed out", "failed: it wrote what nobody had asked it for"
_MESSAGE = 500  # characters of an error that are passed on
_LOOK_SECONDS = 0.1
# Of prctl(2).
_SET_DUMPABLE, _SET_SUBREAPER = 4, 36
# What a program imports may take so long, of processor time and of waiting.
_SECONDS_TO_LOAD = 20.0
# Looks at a program that is about to end.
_TRIES_TO_END = 10
_OUT_OF_TIME = (-signal.SIGPROF, -signal.SIGXCPU)


def main() -> None:
    reading, others_writing = os.pipe()
    others_reading, writing = os.pipe()
    program = os.fork()
    if program == 0:
        os.close(reading)
        os.close(writing)
        program_process.main(others_reading, others_writing)
    os.close(others_reading)
    os.close(others_writing)
    _keep_to_oneself()
    TestsProcess(program, reading, writing, os.dup(1)).run(json.loads(_line()))


def _keep_to_oneself() -> None:
    """Nobody else may look into this process; what the program leaves behind comes to it."""
    for number in (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        of_system = ctypes.CDLL(None)
        of_system.prctl(_SET_DUMPABLE, 0, 0, 0, 0)
        of_system.prctl(_SET_SUBREAPER, 1, 0, 0, 0)


def _line() -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(0, 2**16)
        if not piece:
            os._exit(1)
        line += piece
    return line


class TestsProcess:
    """program: its process. reading, writing: descriptors from and to it. saying: the harness's."""

    def __init__(self, program: int, reading: int, writing: int, saying: int) -> None:
        self._program, self._saying = program, saying
        self._status: int | None = None
        self._side = Side(reading, writing, OF_TESTS, self._wait)
        self._token, self._seconds = "", math.inf
        self._at_start = self._worked = self._waited = 0.0

    def run(self, case: Mapping[str, Any]) -> NoReturn:
        """Run a program, then its tests; say what came of it, and end."""
        self._token = case["token"]
        threading.Thread(target=_end_with_parent, daemon=True).start()
        try:
            self._say(self._result(case["program"], case["tests"], case["seconds"]))
        except OutOfTurn:
            self._say(OUT_OF_TURN)
        except Gone:
            self._say(self._end_of_program())

    def _result(self, program: str, tests: str, seconds: float) -> str:
        self._at_start, self._seconds = _seconds_of_all(), _SECONDS_TO_LOAD
        self._side.ask("load", None, program)
        os.write(self._saying, b"\n")
        _let_tests_say_nothing()
        self._waited = 0.0
        self._at_start, self._seconds = _seconds_of_all(), seconds
        signal.signal(signal.SIGPROF, lambda *_: self._say(TIMED_OUT))
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            names = self._side.ask("define", None, program, seconds)
            exec(compile(tests, "<tests>", "exec"), names_for(tests, names))  # nosec B102  # in a sandbox
        except (OutOfTurn, Gone):
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, SystemExit too, the program has failed
            return f"failed: {said_by(error)[:_MESSAGE]}"
        return PASSED if self._side.is_in_order else OUT_OF_TURN

    def _wait(self, descriptor: int, event: int) -> None:
        """Wait for the program; ends all where it takes too long or is no more."""
        poll = select.poll()
        poll.register(descriptor, event)
        while not poll.poll(_LOOK_SECONDS * 1000):
            self._reap()
            if self._status is not None:  # and something that it has started keeps the pipe open
                raise Gone
            before = self._worked
            program = taken_by(os.getpid(), with_itself=False)
            self._worked = program.seconds
            self._waited += _LOOK_SECONDS if program.is_waiting and self._worked == before else 0.0
            if max(self._waited, _seconds_of_all() - self._at_start) >= self._seconds:
                self._say(TIMED_OUT)

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self._program:
                    self._status = os.waitstatus_to_exitcode(status)

    def _end_of_program(self) -> str:
        """What is said of a program that has ended before its tests, or has closed what it hears them by."""
        if self._status is None:
            self._status = _status_of(self._program)
        if self._status in _OUT_OF_TIME:
            return TIMED_OUT
        return f"failed: the process ended with status {self._status}"

    def _say(self, result: str) -> NoReturn:
        _end_others()
        os.write(self._saying, f"{self._token} ".encode() + result.encode("unicode_escape") + b"\n")
        os._exit(0)


def _let_tests_say_nothing() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for standard in (1, 2):
        os.dup2(nowhere, standard)


def _seconds_of_all() -> float:
    """The processor time of this process and of all that are and were below it."""
    return sum(os.times()[:4]) + taken_by(os.getpid(), with_itself=False).seconds


def _status_of(pid: int) -> int:
    """How a process ends that is about to; it is helped where it is not."""
    for _ in range(_TRIES_TO_END):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(_LOOK_SECONDS)
    os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _end_with_parent() -> None:
    """End all when whoever started this is no more: it holds the other end of the standard input."""
    while os.read(0, 2**16):
        pass
    _end_others()
    os._exit(1)


def _end_others() -> None:
    """End all that is below this process."""
    for pid in list(family(os.getpid()))[1:]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
