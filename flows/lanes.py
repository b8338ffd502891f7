"""In which threads shards are asked: a model of this machine in the flow's own, an endpoint in several."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any


class Here(Executor):
    """Runs what it is given at once, in the thread that gives it."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        done: Future[Any] = Future()
        done.set_result(function(*args, **kwargs))
        return done


@contextmanager
def lanes(count: int) -> Iterator[Executor]:
    """What asks up to `count` shards at once. Where the block ends with an error, such as Ctrl-C, none is
    begun any more."""
    if count == 1:
        yield Here()
        return
    pool = ThreadPoolExecutor(count, thread_name_prefix="asking")
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
