"""The process that `metrics.contained.call` starts in a sandbox: it runs one function, of whose work nothing
leaves it but what it says.

It gets a `Job` as a pickle on its standard input, its length before it, and ends when that is closed. What it
says are lines of JSON, of one key each: `at` (what it works on from now on), `logged`, and at last `gave` or
`raised`.
"""

import json
import logging
import os
import pickle
import signal
import struct
import sys
import threading
from typing import Any

from metrics.processes import child
from metrics.processes.call_messages import Job
from metrics.processes.marks import Mark, Watched
from metrics.processes.processor_alarm import count_processor_time

LENGTH = struct.Struct("=Q")
# With so much more than its number a process says that a signal has ended what it held.
BY_SIGNAL = 128


def main() -> None:
    """Work in a process below this one, and end as that does: this one may be the first of its namespace,
    which few signals end."""
    if worker := os.fork():
        status = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
        os._exit(status if status >= 0 else BY_SIGNAL - status)
    _work()


def _work() -> None:
    caller = _Caller(os.dup(1))
    standard_input = os.dup(0)
    with open(standard_input, "rb", buffering=0, closefd=False) as given:
        (length,) = LENGTH.unpack(_read(given, LENGTH.size))
        content = _read(given, length)
    child.when_parent_ends(lambda: os._exit(0), standard_input)
    _leave_standard_files()
    count_processor_time()
    watched = Watched.by(caller)
    logging.getLogger().addHandler(_ToCaller(caller))
    caller.say(_result(watched, content))


def _result(watched: Watched, content: bytes) -> dict[str, Any]:
    try:
        job: Job = pickle.loads(content)  # nosec B301  # from the process that started this one
        with watched.limited(job.limits):
            gave = {"gave": job.function(job.argument, _nobody_to_ask)}
            json.dumps(gave)  # what cannot be said is an error like another
            return gave
    except BaseException as error:  # noqa: BLE001 - it is the caller's
        own = type(error).__module__.split(".")[0] in ("metrics", "tasks_lib")
        return {"raised": str(error) if own else f"{type(error).__name__}: {error}"}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _read(given: Any, length: int) -> bytes:
    """So many bytes; raises EOFError where there are fewer."""
    content = bytearray()
    while len(content) < length:
        piece = given.read(length - len(content))
        if not piece:
            raise EOFError
        content += piece
    return bytes(content)


def _leave_standard_files() -> None:
    """Task code finds no input, and what it prints goes nowhere."""
    nothing = os.open(os.devnull, os.O_RDWR)
    sys.stdout.flush()
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)


def _nobody_to_ask(*arguments: Any, **options: Any) -> Any:
    raise RuntimeError("nobody is asked from here")


class _Caller:
    """Whoever reads what this process says."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._process = descriptor, os.getpid()
        self._turn = threading.Lock()

    def say(self, message: dict[str, Any]) -> None:
        """Say it; processes that task code starts say nothing."""
        if os.getpid() != self._process:
            return
        line = json.dumps(message).encode() + b"\n"
        with self._turn:
            while line:
                line = line[os.write(self._descriptor, line) :]

    def write(self, number: int, memory: int, mark: Mark) -> None:
        """What this process works on, as `Watched` writes it to a page."""
        self.say({"at": [mark.before, mark.after, mark.document]})


class _ToCaller(logging.Handler):
    """Has the caller log what is logged here."""

    def __init__(self, caller: _Caller) -> None:
        super().__init__(logging.WARNING)
        self._caller = caller

    def emit(self, record: logging.LogRecord) -> None:
        self._caller.say({"logged": record.getMessage()})
