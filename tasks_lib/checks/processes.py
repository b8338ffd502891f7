"""Checks many tasks in processes of their own: task code may print, hang, end its process, want a network."""

import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue

from metrics.hf_evaluate.code_eval import allowing_code
from metrics.sandbox.pick import NONE
from tasks_lib.catalog.catalog import Catalog
from tasks_lib.checks.checker import Checker, Finding
from tasks_lib.checks.importer import TaskCode
from tasks_lib.checks.offline import go_offline
from tasks_lib.code.trusted_functions import TrustedRoots

# So many neighbours go to one process: they share files and modules.
_NEIGHBOURS = 60
_SECONDS_TO_END = 10


@dataclass(frozen=True, slots=True)
class CheckSetup:
    """What a process needs to check tasks.

    catalog: where the names are looked up, as it is now. roots: data roots, as of `Checker`.
    seconds: how long a module may take to be imported, and a task for everything else.
    """

    catalog: Catalog
    trusted: TrustedRoots
    roots: tuple[Path, ...] = ()
    seconds: float = 90


def check_all(names: Sequence[str], setup: CheckSetup, processes: int) -> Iterator[Finding]:
    """A finding for each name, as they come; names that share files should stand side by side.

    processes: how many work at once. What task code prints is not shown, and it has no network.
    """
    bundles = [names[start : start + _NEIGHBOURS] for start in range(0, len(names), _NEIGHBOURS)]
    count = min(processes, len(bundles))
    workers = _Workers(setup, count)
    pool = ThreadPoolExecutor(count)
    try:
        for found in as_completed([pool.submit(workers.check, bundle) for bundle in bundles]):
            yield from found.result()
    finally:
        pool.shutdown(cancel_futures=True)
        workers.end()


class _Workers:
    """Workers that check bundles of names, one bundle each at a time."""

    def __init__(self, setup: CheckSetup, count: int) -> None:
        unusable: dict[str, str] = {}
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self._count = count
        for _ in range(count):
            self._idle.put(_Worker(setup, unusable))

    def check(self, names: Sequence[str]) -> list[Finding]:
        worker = self._idle.get()
        try:
            return [worker.check(name) for name in names]
        finally:
            self._idle.put(worker)

    def end(self) -> None:
        for _ in range(self._count):
            self._idle.get().end()


class _Worker:
    """Has a process check names, and another one where task code was the end of that.

    unusable: modules that no process is to import any more, with the reason; all workers know them.
    """

    def __init__(self, setup: CheckSetup, unusable: dict[str, str]) -> None:
        self._setup = setup
        self._unusable = unusable
        self._start()

    def check(self, name: str) -> Finding:
        try:
            return self._ask(name)
        except _Stopped as error:
            if error.module:
                self._unusable[error.module] = error.reason
            self._start()
            return Finding(name, "broken", str(error))

    def end(self) -> None:
        """There is nothing more to check: the process ends by itself, or is ended."""
        self._connection.close()
        self._process.join(_SECONDS_TO_END)
        self._kill()

    def _start(self) -> None:
        context = get_context("spawn")
        self._connection, inner = context.Pipe()
        arguments = (inner, self._setup, dict(self._unusable))
        self._process = context.Process(target=_work, args=arguments, daemon=True)
        self._process.start()
        inner.close()

    def _ask(self, name: str) -> Finding:
        """Errors: _Stopped where the process ended or had to be ended."""
        module: str | None = None
        try:
            self._connection.send(name)
            while self._connection.poll(self._setup.seconds):
                message = self._connection.recv()
                if isinstance(message, Finding):
                    return message
                module = message
        except (EOFError, OSError):
            self._kill()
            raise _Stopped(f"ends its process (exit status {self._process.exitcode})", module) from None
        self._kill()
        raise _Stopped(f"does not end within {self._setup.seconds:g} s", module)

    def _kill(self) -> None:
        self._process.kill()
        self._process.join()


class _Stopped(Exception):
    """A process that is no more. module: the file of task code that it was importing."""

    def __init__(self, reason: str, module: str | None) -> None:
        super().__init__(f"{module}: {reason}" if module else reason)
        self.reason = reason
        self.module = module


def _work(connection: Connection, setup: CheckSetup, unusable: dict[str, str]) -> None:
    """The other side: names come in, files of modules and findings go out."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asks ends this one
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    code = TaskCode(setup.trusted, unusable, importing=connection.send, unreachable=go_offline())
    checker = Checker(setup.catalog, setup.trusted, code, setup.roots)
    # Some task code tries its metric when imported, on a program of its own; no model has written anything.
    with allowing_code(NONE), suppress(EOFError):  # the other side has no more names
        while True:
            connection.send(checker.check(connection.recv()))
