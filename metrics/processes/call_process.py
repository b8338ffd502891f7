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
from time import monotonic
from typing import Any, TypeVar, cast

import psutil

from metrics.processes import child
from metrics.processes.call_messages import Ask, Asked, Gave, Job, Logged, Raised, Surroundings
from metrics.processes.limits import WorkLimits
from metrics.processes.marks import Page, Seen

CHILD = "metrics.processes.call_child"
# How often a process at work is looked at.
LOOK_SECONDS = 0.25
# A process that has nothing to do any more removes its temporary files, and ends.
_END_SECONDS = 3.0
# Processes that stay for the next call.
_KEPT = 2
# What a process may be killed by that has nothing to do with its work.
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)

Argument = TypeVar("Argument")
Result = TypeVar("Result")

log = logging.getLogger("assay")


class WorkEnded(Exception):
    """A process ended, or had to be ended, before its work was done; the message says at what it was.

    may_pass: whether the reason may have come from outside, so that another try may help.
    """

    def __init__(self, message: str, *, may_pass: bool) -> None:
        super().__init__(message)
        self.may_pass = may_pass


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
        watch = _Watch(self._process.pid, self._page, job.limits)
        content = pickle.dumps(job)
        try:
            self._connection.send((Surroundings.here(), content))
            while True:
                while not self._connection.poll(LOOK_SECONDS):
                    if not self.is_there:  # and something it has started keeps the connection open
                        raise EOFError
                    watch.look()
                match pickle.loads(self._connection.recv_bytes()):
                    case Logged(name, level, text):
                        logging.getLogger(name).log(level, "%s", text)
                    case Asked(arguments, options):
                        self._connection.send(_answer(answer, arguments, options))
                    case Gave() | Raised() as result:
                        return result
        except (EOFError, ConnectionError) as error:
            raise self._ended(job.limits) from error

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

    def _ended(self, limits: WorkLimits) -> WorkEnded:
        """Why a process is no more that nobody here has ended."""
        status, at = self._process.wait(), self._page.read()
        if status == -signal.SIGXCPU:
            most = limits.processor_seconds(at.is_document)
            return WorkEnded(at.message(f"took more than {most:g} s of processor time"), may_pass=False)
        if status >= 0:  # 0: it may have been idle too long just now
            reason = f"ended its process (exit status {status})"
            return WorkEnded(at.message(reason), may_pass=status == 0)
        said = f"its process was killed by {signal.Signals(-status).name}"
        if status == -signal.SIGKILL:
            said += ", which the system does where there is no more memory"
        return WorkEnded(at.message(said), may_pass=-status in _FROM_OUTSIDE)


class _Watch:
    """What no limit of the system ends: work that waits for ever, and work that takes too much memory."""

    def __init__(self, process: int, page: Page, limits: WorkLimits) -> None:
        self._process, self._page, self._limits = psutil.Process(process), page, limits
        self._number, self._since = -1, monotonic()
        self._waited, self._worked = 0.0, -1.0

    def look(self) -> None:
        """Raise WorkEnded where the process is at one piece of work too long, or has too much memory."""
        at = self._page.read()
        if at.number != self._number:
            self._number, self._since, self._waited = at.number, monotonic(), 0.0
        with suppress(psutil.Error):  # it has just ended
            self._check_memory(at, self._process.memory_info().rss)
            self._check_waiting(at, sum(self._process.cpu_times()[:2]))
        most = self._limits.clock_seconds(at.is_document)
        if monotonic() - self._since > most:
            raise WorkEnded(at.message(f"did not end within {most:g} s"), may_pass=True)

    def _check_waiting(self, at: Seen, worked: float) -> None:
        """What waits for the processor is not asleep, however busy the machine is."""
        before, self._worked = self._worked, worked
        if worked == before and self._process.status() == psutil.STATUS_SLEEPING:
            self._waited += LOOK_SECONDS
        most = self._limits.waiting_seconds(at.is_document)
        if self._waited > most:
            raise WorkEnded(at.message(f"waited for more than {most:g} s"), may_pass=True)

    def _check_memory(self, at: Seen, now: int) -> None:
        most = self._limits.bytes_beyond(at.memory, at.is_document)
        if now > most:
            taken = (now - at.memory if at.is_document else now) / 2**30
            raise WorkEnded(at.message(f"took {taken:.1f} GiB of memory, which is too much"), may_pass=False)


def _answer(answer: Ask | None, arguments: Sequence[Any], options: Mapping[str, Any]) -> Gave | Raised:
    """What the caller says to a question of its function; an error is raised where it was asked."""
    try:
        assert answer is not None, "it was not asked for"
        return Gave(answer(*arguments, **options))
    except Exception as error:  # noqa: BLE001 - whoever asked gets it
        return Raised(error)
