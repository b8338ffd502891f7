"""Functions in the main thread of a process of their own, which stays for the next: task code may use
signals, hang, take all memory or end its process, and who called it is told what it was working on.
"""

import atexit
import logging
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, TypeVar, cast

from metrics.processes import child
from metrics.processes.call_messages import Ask, Asked, Gave, Job, Logged, Raised, Surroundings
from metrics.processes.limits import WorkLimits
from metrics.processes.marks import Page
from metrics.processes.watch import LOOK_SECONDS, Watch, WorkEnded, ended

CHILD = "metrics.processes.call_child"
# A process that has nothing to do any more removes its temporary files, and ends.
_END_SECONDS = 3.0
# Processes that stay for the next call.
_KEPT = 2

Argument = TypeVar("Argument")
Result = TypeVar("Result")

log = logging.getLogger("assay")


@dataclass(frozen=True, slots=True)
class Origin:
    """Who calls, and which code is called: its name, and the digest of its content."""

    caller: str
    code: str
    digest: str


class CallProcesses:
    """Processes that are started when they are needed and kept for the calls that follow.

    module: its `begin` is called in each before anything else.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._idle: list[_CallProcess] = []
        self._at_work: list[_CallProcess] = []
        self._stopped: set[str] = set()
        self._turn = threading.Lock()
        atexit.register(self.end)

    def call(
        self,
        function: Callable[[Argument, Ask], Result],
        argument: Argument,
        limits: WorkLimits,
        *,
        origin: Origin,
        answer: Ask | None = None,
    ) -> Result:
        """What a function of a module gives, of values that can be pickled, or raises.

        origin: whose calls go to one process where they can. answer: what the function's second argument
        calls, in this process.

        Raises WorkEnded where the process ends first; what may have come from outside is tried again, once.
        """
        job = Job(function, argument, limits)
        try:
            return cast(Result, self._call(job, origin, answer))
        except WorkEnded as ended:
            if not ended.may_pass or origin.caller in self._stopped:
                raise
            log.warning("%s; it is tried again", ended)
        return cast(Result, self._call(job, origin, answer))

    def start(self) -> None:
        """Have a process ready for the next call."""
        with self._turn:
            if not self._idle:
                self._idle.append(_CallProcess(self._module))

    def stop(self, caller: str) -> None:
        """End what a caller has under way: nobody wants it any more, and nothing more is to come."""
        with self._turn:
            self._stopped.add(caller)
            for process in self._at_work:
                if process.last_caller == caller:
                    process.kill()

    def end(self) -> None:
        """End all processes that are not at work."""
        with self._turn:
            while self._idle:
                self._idle.pop().end()

    def _call(self, job: Job, origin: Origin, answer: Ask | None) -> Any:
        with self._process(origin) as process:
            result = process.result(job, answer)
        if isinstance(result, Raised):
            raise result.error
        return result.value

    @contextmanager
    def _process(self, origin: Origin) -> Iterator["_CallProcess"]:
        """A process for one call: the one that worked for this caller last, or else any that has imported no
        other code."""
        with self._turn:
            if origin.caller in self._stopped:
                raise WorkEnded("nobody wants it any more", may_pass=False)
            there = [one for one in self._idle if one.is_fit_for(origin)]
            for unfit in set(self._idle) - set(there):
                unfit.end()
            there.sort(key=lambda one: one.last_caller == origin.caller)
            process = there.pop() if there else _CallProcess(self._module)
            process.works_for(origin)
            self._idle = there
            self._at_work.append(process)
        try:
            yield process
        except BaseException:  # what it is doing, nobody wants any more
            with self._turn:
                self._at_work.remove(process)
            process.kill()
            process.end()
            raise
        with self._turn:
            self._at_work.remove(process)
            self._idle.append(process)
            surplus, self._idle = self._idle[:-_KEPT], self._idle[-_KEPT:]
        for one in surplus:
            one.end()


class _CallProcess:
    """One process, and the page on which it writes what it works on."""

    def __init__(self, module: str) -> None:
        own, other = socket.socketpair()
        with tempfile.TemporaryFile() as page, other:
            self._page = Page(page.fileno())
            descriptors = (other.fileno(), page.fileno())
            arguments = map(str, descriptors)
            # What goes through a set has the same order where a task is asked and where it is scored.
            hashes = {**os.environ, "PYTHONHASHSEED": "0"}
            self._process = child.start(CHILD, *arguments, module, pass_fds=descriptors, env=hashes)
        self._connection = Connection(own.detach())
        self.last_caller = ""
        self._path = tuple(sys.path)
        self._code: dict[str, str] = {}

    @property
    def is_there(self) -> bool:
        return self._process.poll() is None

    def is_fit_for(self, origin: Origin) -> bool:
        """Whether it is there and has no modules of other code: Python keeps what it has imported."""
        same_code = self._code.get(origin.code, origin.digest) == origin.digest
        return self.is_there and same_code and self._path == tuple(sys.path)

    def works_for(self, origin: Origin) -> None:
        """Note for whom it works from now on."""
        self.last_caller = origin.caller
        self._code[origin.code] = origin.digest

    def result(self, job: Job, answer: Ask | None) -> Gave | Raised:
        """What comes of a job. Raises WorkEnded."""
        watch = Watch(self._process.pid, job.limits)
        content = pickle.dumps(job)
        try:
            self._connection.send((Surroundings.here(), content))
            while True:
                while not self._connection.poll(LOOK_SECONDS):
                    if not self.is_there:  # and something it has started keeps the connection open
                        raise EOFError
                    watch.look(self._page.read())
                match pickle.loads(self._connection.recv_bytes()):  # nosec B301  # of our child
                    case Logged(name, level, text):
                        logging.getLogger(name).log(level, "%s", text)
                    case Asked(arguments, options):
                        self._connection.send(_answer(answer, arguments, options))
                    case Gave() | Raised() as result:
                        return result
        except (EOFError, ConnectionError) as error:
            raise ended(self._process.wait(), self._page.read(), job.limits) from error

    def end(self) -> None:
        """Have the process end, and see to it that it does."""
        self._connection.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        self.kill()
        child.end(self._process, 0)
        self._page.close()

    def kill(self) -> None:
        """End it at once, with what it has started; whoever waits for its answer is told."""
        with suppress(ProcessLookupError):  # nothing is left of it
            os.killpg(self._process.pid, signal.SIGKILL)


def _answer(answer: Ask | None, arguments: Sequence[Any], options: Mapping[str, Any]) -> Gave | Raised:
    """What the caller says to a question of its function; an error is raised where it was asked."""
    try:
        assert answer is not None, "it was not asked for"
        return Gave(answer(*arguments, **options))
    except Exception as error:  # noqa: BLE001 - whoever asked gets it
        return Raised(error)
