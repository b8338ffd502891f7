"""In which threads shards are asked: a model of this machine in the flow's own, an endpoint in several."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from contextvars import ContextVar
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any, Protocol

Work = Callable[[], None]


class Stopped(RuntimeError):
    """The flow has ended while a shard was still being asked."""


class Here(Executor):
    """Runs what it is given at once, in the thread that gives it."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        done: Future[Any] = Future()
        done.set_result(function(*args, **kwargs))
        return done


class Lanes(Executor):
    """Runs what it is given in threads that no process waits for when it ends, as it does for those of a
    pool: after Ctrl-C nobody is to wait for an endpoint."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._waiting: SimpleQueue[Work | None] = SimpleQueue()
        for number in range(count):
            Thread(target=self._run, name=f"asking-{number}", daemon=True).start()

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()

        def work() -> None:
            try:
                future.set_result(function(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - it is whoever reads the future that it is for
                future.set_exception(error)

        self._waiting.put(work)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the threads end, each after what it is at; `wait` is for nothing here."""
        for _ in range(self._count):
            self._waiting.put(None)

    def _run(self) -> None:
        while (work := self._waiting.get()) is not None:
            work()


class Sign(Protocol):
    """Tells whether what is being asked is wanted no more."""

    def is_set(self) -> bool: ...


_stop: ContextVar[Sign | None] = ContextVar("stop", default=None)


@contextmanager
def until(stop: Sign) -> Iterator[None]:
    """Within the block `check_going_on` heeds the sign."""
    token = _stop.set(stop)
    try:
        yield
    finally:
        _stop.reset(token)


@contextmanager
def lanes(count: int) -> Iterator[Executor]:
    """What asks up to `count` shards at once; when the block ends, so does what is still being asked."""
    stop, asking = Event(), Here() if count == 1 else Lanes(count)
    with until(stop):
        try:
            yield asking
        finally:
            stop.set()
            asking.shutdown(wait=False)


def check_going_on() -> None:
    """Raise Stopped where the flow that wants this has ended."""
    stop = _stop.get()
    if stop is not None and stop.is_set():
        raise Stopped("the flow has ended")
