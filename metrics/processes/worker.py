"""A process of its own for work that may run away, asked line by line."""

import atexit
import json
import logging
import signal
import subprocess
import threading
from collections.abc import Sequence
from typing import Any

from metrics.errors import MetricError
from metrics.processes import child

# How a process ends a question: it gives the answer, or has taken all its processor time.
_OF_ITSELF = (0, -signal.SIGPROF)

log = logging.getLogger("assay")


class Worker:
    """A module whose `main` answers each line of JSON with one, after a first one that says it is ready.

    The process starts with the first question, is used for all that follow from any thread, one after the
    other, and ends with this one: it must end when its standard input does. Time limits are the module's own;
    where work takes too much processor time, SIGPROF ends the process.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        atexit.register(self._end)

    def ask(self, question: Sequence[Any]) -> Any:
        """The answer, or None if it took too much processor time; the next question gets a new process.

        Raises MetricError if the process does not start, or ends for another reason, twice.
        """
        answer, status = self._asked(question)
        if status not in _OF_ITSELF:
            log.warning("%s %s; it is asked again", self._module, _end(status))
            answer, status = self._asked(question)
        if status not in _OF_ITSELF:
            raise MetricError(f"{self._module} {_end(status)}, twice, over {question!s:.300}")
        return answer

    def _asked(self, question: Sequence[Any]) -> tuple[Any, int]:
        """The answer, or the status with which the process ended."""
        with self._lock:
            process = self._started()
            try:
                answer = _exchange(process, json.dumps(question))
            except BaseException:
                # Whoever was interrupted leaves an answer behind that the next question must not get.
                self._end()
                raise
            if answer:
                return json.loads(answer), 0
            status = process.wait()
            self._end()
            return None, status or 1

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._process = child.start(self._module, stdout=subprocess.PIPE)
        if not _exchange(self._process):
            self._end()
            raise MetricError(f"The process {self._module} did not start; what it said is above.")
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            child.end(self._process, 0)
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None


def _end(status: int) -> str:
    return f"ended with status {status}" if status > 0 else f"was killed by {signal.Signals(-status).name}"


def _exchange(process: "subprocess.Popen[bytes]", line: str = "") -> bytes:
    """The next line of `process` after it was given `line`, empty if it has ended."""
    assert process.stdin is not None
    assert process.stdout is not None
    if line:
        process.stdin.write(line.encode() + b"\n")
        process.stdin.flush()
    return process.stdout.readline()
