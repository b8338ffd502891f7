"""The process that `metrics.processes.call_process` starts: it runs functions in its main thread, one after
the other, until nobody wants any more.

Its arguments: the descriptors of the connection and of the page for marks, and a module whose `begin` is
called before anything is asked.
"""

import contextlib
import importlib
import logging
import os
import pickle
import resource
import signal
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from metrics.processes import child
from metrics.processes.call_messages import Asked, Gave, Job, Logged, Raised, Surroundings
from metrics.processes.limits import set_limit
from metrics.processes.marks import Page, Watched
from metrics.processes.processor_alarm import count_processor_time

# After so long without work the process ends, and its memory is given back.
IDLE_SECONDS = 600.0


def main() -> None:
    connection, page = Connection(int(sys.argv[1])), Page(int(sys.argv[2]))
    child.when_parent_ends(_end_group, _without_input())
    _be_first_to_go()
    count_processor_time()
    watched, caller = Watched.by(page), _Caller(connection)
    logging.getLogger().addHandler(_ToCaller(caller))
    importlib.import_module(sys.argv[3]).begin()
    with contextlib.suppress(EOFError):  # nobody wants any more
        while connection.poll(IDLE_SECONDS):
            caller.send(_result(watched, caller, *connection.recv()))


def _result(watched: Watched, caller: "_Caller", surroundings: Surroundings, job: bytes) -> Gave | Raised:
    """What comes of a job; its modules are looked for where the caller has them."""
    try:
        surroundings.take()
        asked: Job = pickle.loads(job)  # nosec B301  # from the process that started this one
        with watched.limited(asked.limits):
            return Gave(asked.function(asked.argument, caller.ask))
    except BaseException as error:  # noqa: BLE001 - it is the caller's
        return Raised(_portable(error))
    finally:
        _disarm()
        sys.stdout.flush()


def _end_group() -> None:
    """End this process and what task code has started."""
    os.killpg(0, signal.SIGKILL)


def _without_input() -> int:
    """Task code finds no input; the descriptor of what stood there."""
    ends_with_parent = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return ends_with_parent


def _be_first_to_go() -> None:
    """Leave no core, and where the machine has no more memory, let the system take this process first."""
    set_limit(resource.RLIMIT_CORE, 0)
    with contextlib.suppress(OSError):  # only Linux has it
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")


def _disarm() -> None:
    """End alarms that task code has left."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


def _portable(error: BaseException) -> Exception:
    """The error as another process can have it, with where it was raised."""
    portable: Exception = RuntimeError(f"{type(error).__name__}: {error}")
    with contextlib.suppress(Exception):  # whatever an error of task code does when it is pickled
        same = pickle.loads(pickle.dumps(error))  # nosec B301  # what was made here
        if isinstance(same, Exception) and str(same) == str(error):
            portable = same
    portable.add_note("".join(traceback.format_exception(error)))
    return portable


class _Caller:
    """The process that asks, and that may be asked."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._turn = threading.Lock()

    def send(self, message: Gave | Raised | Logged | Asked) -> None:
        content = pickle.dumps(message)
        with self._turn:
            self._connection.send_bytes(content)

    def ask(self, *arguments: Any, **options: Any) -> Any:
        self.send(Asked(arguments, options))
        match self._connection.recv():
            case Raised(error):
                raise error
            case Gave(value):
                return value


class _ToCaller(logging.Handler):
    """Has the caller log what is logged here; not in processes that task code starts."""

    def __init__(self, caller: _Caller) -> None:
        super().__init__()
        self._caller, self._process = caller, os.getpid()

    def emit(self, record: logging.LogRecord) -> None:
        if os.getpid() == self._process:
            self._caller.send(Logged(record.name, record.levelno, record.getMessage()))
