"""Functions in processes of a sandbox, for work that may run what nobody vouches for.

Such a process gets a pickle, and what it says is read as JSON. It may say something else than it should; then
that is what its work gives, and nothing else is touched by it.
"""

import math
import os
import pickle
import select
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from metrics.contained.child import BY_SIGNAL, LENGTH
from metrics.contained.messages import (
    At,
    Failure,
    Message,
    Reader,
    Result,
    Said,
    UnreadableError,
    harmless,
)
from metrics.errors import MetricError
from metrics.processes.call_messages import Ask, Job
from metrics.processes.child import ROOT
from metrics.processes.limits import WorkLimits
from metrics.processes.marks import Seen
from metrics.processes.watch import LOOK_SECONDS, Watch, WorkEnded, ended
from metrics.sandbox.docker import CLIENTS
from metrics.sandbox.family import taken_by
from metrics.sandbox.program import Program, Sandbox
from metrics.sandbox.running import end, start

# What a process may say in all, in bytes, and how many times what it was given: what it gives repeats that.
_MOST, _TIMES = 16 * 2**20, 8
# Bytes of memory of a process that has imported what it needs, beside what its work may take.
_OWN_MEMORY = 2 * 2**30
# A process that has closed what it speaks through ends so soon.
_END_SECONDS = 3.0
_RUN = "import sys; sys.path += sys.argv[1:]; from metrics.contained.child import main; main()"

Log = Callable[[str], None]


class ContainedError(MetricError):
    """What a function raised in a sandbox, in its words."""


@dataclass(frozen=True, slots=True)
class ContainedWork:
    """A function of a module, what it is given, on how many documents it works and what each may take.

    readable: files and folders that it sees, beside Python and its packages.
    """

    function: Callable[[Any, Ask], Any]
    argument: Any
    documents: int
    limits: WorkLimits
    readable: Sequence[Path]

    @property
    def seconds(self) -> float:
        """Of processor time, in all."""
        one, whole = self.limits.processor_seconds(True), self.limits.processor_seconds(False)
        return whole + one * self.documents

    def program(self, packages: Sequence[Path]) -> Program:
        """packages: folders of Python's packages that are there anyway."""
        path = dict.fromkeys([str(ROOT), *sys.path, *map(str, packages)])
        return Program(
            ["python", "-I", "-S", "-c", _RUN, *filter(None, path)],
            seconds=math.ceil(self.seconds),
            memory=self.limits.memory + _OWN_MEMORY,
            readable=self.readable,
        )


class ContainedCalls:
    """The processes of one caller, each for one call.

    sandbox: gives the sandbox, or raises MetricError. log: is told what they log.
    """

    def __init__(self, sandbox: Callable[[], Sandbox], log: Log) -> None:
        self._sandbox, self._log = sandbox, log
        self._at_work: set[_Process] = set()
        self._is_stopped = False
        self._turn = threading.Lock()

    def call(self, work: ContainedWork) -> Any:
        """What the function gives, as JSON has it.

        Raises ContainedError for what the function raises, and WorkEnded where the process ends first or says
        what it has no business to; what may have come from outside is tried again, once.
        """
        sandbox = self._sandbox()
        try:
            return self._call(sandbox, work)
        except WorkEnded as error:
            if not error.may_pass or self._is_stopped:
                raise
            self._log(f"{error}; it is tried again")
        return self._call(sandbox, work)

    def stop(self) -> None:
        """End what is under way: nobody wants it any more, and nothing more is to come."""
        with self._turn:
            self._is_stopped = True
            for process in self._at_work:
                process.end()

    def _call(self, sandbox: Sandbox, work: ContainedWork) -> Any:
        with tempfile.TemporaryFile() as errors, self._process(sandbox, work, errors) as process:
            for message in process.messages():
                match message:
                    case Said(text):
                        self._log(text)
                    case Result(value):
                        return value
                    case Failure(text):
                        raise ContainedError(text)
            raise process.ended()

    @contextmanager
    def _process(self, sandbox: Sandbox, work: ContainedWork, errors: IO[bytes]) -> Iterator["_Process"]:
        with self._turn:
            if self._is_stopped:
                raise WorkEnded("nobody wants it any more", may_pass=False)
            process = _Process(sandbox, work, errors)
            self._at_work.add(process)
        try:
            yield process
        finally:
            with self._turn:
                self._at_work.remove(process)
                process.end()
            process.close()


class _Process:
    """errors: what it writes where it does not come to its work."""

    def __init__(self, sandbox: Sandbox, work: ContainedWork, errors: IO[bytes]) -> None:
        self._work, self._errors = work, errors
        self._at, self._document = Seen(0, 0, False, "", ""), -1
        program, pipe = work.program(sandbox.packages), subprocess.PIPE
        self._process = start(sandbox, program, stdin=pipe, stdout=pipe, stderr=errors)
        kind = _UnseenWatch if sandbox.name in CLIENTS else _FamilyWatch
        self._watch = kind(self._process.pid, work.limits)

    def messages(self) -> Iterator[Message]:
        """What it says, told to work, but for what it works on. Raises WorkEnded."""
        work = self._work
        content = pickle.dumps(Job(work.function, work.argument, work.limits))
        reader = Reader(_MOST + _TIMES * len(content), work.documents)
        self._give(content)
        for piece in self._pieces():
            try:
                for message in reader.feed(piece):
                    if isinstance(message, At):
                        self._turn_to(message)
                    else:
                        yield message
            except UnreadableError as error:
                raise WorkEnded(self._at.message(f"its process {error}"), may_pass=False) from error

    def end(self) -> None:
        """End it at once, with the sandbox; whoever waits for it is told."""
        end(self._process)

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):  # it has ended without reading all it was told
                pipe.close()

    def ended(self) -> WorkEnded:
        """Why it is no more that nobody here has ended."""
        try:
            status = self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            return WorkEnded(self._at.message("its process will say no more"), may_pass=False)
        if not self._at.number:
            self._errors.seek(0)
            said = harmless(self._errors.read().decode(errors="replace").strip())
            return WorkEnded(f"the sandbox did not start: {said or f'exit status {status}'}", may_pass=False)
        return ended(BY_SIGNAL - status if status > BY_SIGNAL else status, self._at, self._work.limits)

    def _give(self, content: bytes) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # what it has ended of shows when it is listened to
            self._process.stdin.write(LENGTH.pack(len(content)) + content)
            self._process.stdin.flush()

    def _pieces(self) -> Iterator[bytes]:
        assert self._process.stdout is not None
        descriptor, poll = self._process.stdout.fileno(), select.poll()
        poll.register(descriptor, select.POLLIN)
        while True:
            if not poll.poll(LOOK_SECONDS * 1000):
                self._look()
            elif piece := os.read(descriptor, 2**16):
                yield piece
            else:
                return

    def _look(self) -> None:
        self._watch.look(self._at)
        most = self._work.seconds
        if self._watch.worked() > most:
            said = f"took more than {most:g} s of processor time in all"
            raise WorkEnded(self._at.message(said), may_pass=False)

    def _turn_to(self, to: At) -> None:
        memory = self._at.memory
        if to.document is not None and to.document != self._document:
            self._document, memory = to.document, self._watch.memory()
        self._at = Seen(self._at.number + 1, memory, to.document is not None, to.before, to.after)


class _FamilyWatch(Watch):
    """Looks at a process with all that it has started."""

    def memory(self) -> int:
        return taken_by(self.pid).memory

    def worked(self) -> float:
        return taken_by(self.pid).seconds

    def is_asleep(self) -> bool:
        return taken_by(self.pid).is_waiting


class _UnseenWatch(Watch):
    """Looks at the client of a sandbox that keeps what it does to itself, and has its own limit of memory."""

    def is_asleep(self) -> bool:
        return False
