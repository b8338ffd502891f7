"""A process of its own for work that may run away, asked line by line."""

import atexit
import json
import subprocess
import threading
from collections.abc import Sequence
from typing import Any

from metrics.errors import MetricError
from metrics.processes import child


class Worker:
    """A module whose `main` answers each line of JSON with one, after a first one that says it is ready.

    The process starts with the first question, is used for all that follow from any thread, one after the
    other, and ends with this one: it must end when its standard input does. Time limits are the module's own.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        atexit.register(self._end)

    def ask(self, question: Sequence[Any]) -> Any:
        """The answer, or None if the process ended instead of giving one; the next question gets a new one.

        Raises MetricError if the process does not start.
        """
        with self._lock:
            process = self._started()
            try:
                answer = _exchange(process, json.dumps(question))
            except BaseException:
                # Whoever was interrupted leaves an answer behind that the next question must not get.
                self._end()
                raise
            if not answer:
                self._end()
                return None
            return json.loads(answer)

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


def _exchange(process: "subprocess.Popen[bytes]", line: str = "") -> bytes:
    """The next line of `process` after it was given `line`, empty if it has ended."""
    assert process.stdin is not None
    assert process.stdout is not None
    if line:
        process.stdin.write(line.encode() + b"\n")
        process.stdin.flush()
    return process.stdout.readline()
