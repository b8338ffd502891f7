"""In which threads shards are asked: a model of this machine in the flow's own, an endpoint in several."""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Thread
from time import monotonic, sleep
from typing import ParamSpec, TypeVar

from prefect.exceptions import TerminationSignal

from backends.stop_sign import LOOK_SECONDS, StopSign
from flows.common.termination import termination_seconds

P = ParamSpec("P")
T = TypeVar("T")
Work = Callable[[], None]


class SameThread(Executor):
    """Runs what it is given at once, in the thread that gives it."""

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        done: Future[T] = Future()
        try:
            done.set_result(function(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - it is whoever reads the future that it is for
            done.set_exception(error)
        return done


class DaemonThreads(Executor):
    """Runs what it is given in threads that no process waits for when it ends, as it does for those of a
    pool: after Ctrl-C nobody is to wait for an endpoint."""

    def __init__(self, count: int, patience: float) -> None:
        self._patience = patience
        self._waiting: SimpleQueue[Work | None] = SimpleQueue()
        self._threads = [
            Thread(target=self._run, name=f"asking-{number}", daemon=True) for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        future: Future[T] = Future()

        def work() -> None:
            try:
                future.set_result(function(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - it is whoever reads the future that it is for
                future.set_exception(error)

        self._waiting.put(work)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the threads end, each after what it is at. Waits as long as the patience lasts."""
        for _ in self._threads:
            self._waiting.put(None)
        ends = monotonic() + self._patience
        for thread in self._threads if wait else ():
            thread.join(max(ends - monotonic(), 0.0))

    def _run(self) -> None:
        while (work := self._waiting.get()) is not None:
            work()


@contextmanager
def threads(count: int, patience: float, stop: StopSign, say: Callable[[str], None]) -> Iterator[Executor]:
    """What asks up to `count` shards at once. When the block ends, what is still being asked is told so.

    After Ctrl-C, and for some seconds after SIGTERM, calls that are in flight are waited for, which is said:
    they are paid for. Another ends that.
    patience: seconds to wait, then, for the threads to store what was answered.
    """
    executor = SameThread() if count == 1 else DaemonThreads(count, patience)
    try:
        yield executor
    except KeyboardInterrupt:
        _wait_for_calls(stop, math.inf, "; Ctrl-C again ends them", say)
        raise
    except TerminationSignal:
        seconds = termination_seconds()
        _wait_for_calls(stop, seconds, f", for {seconds:g} seconds at most", say)
        raise
    finally:
        stop.hurry()
        executor.shutdown()


def _wait_for_calls(stop: StopSign, seconds: float, until: str, say: Callable[[str], None]) -> None:
    stop.set()
    if stop.in_flight:
        say(f"stopping: waiting for the answers of {stop.in_flight} calls, which are paid for{until}")
    ends = monotonic() + seconds
    while stop.in_flight and monotonic() < ends:
        sleep(LOOK_SECONDS)
