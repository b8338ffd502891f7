"""Dask workers that hang: one that has said nothing for a while is taken for lost, as one that died is.

Dask itself waits five minutes, or what its scheduler's configuration says.
"""

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Any

import distributed

log = logging.getLogger("assay")

# A worker says every second or so that it is there; a busy machine, or a library that holds Python's lock
# while it loads weights, keeps it from that for some seconds.
SILENT_SECONDS = 30.0
LOOK_SECONDS = 5.0


@contextmanager
def leaving_silent_workers(client: distributed.Client) -> Iterator[None]:
    """A block in which the shards of workers that hang go to others, which is said."""
    ended = Event()
    thread = Thread(target=_watch, args=(client, ended), name="silent-workers", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(LOOK_SECONDS)


def _watch(client: distributed.Client, ended: Event) -> None:
    suspects = set[str]()
    while not ended.wait(LOOK_SECONDS):
        with suppress(OSError):  # who asks the scheduler for shards is told
            # Twice in a row: where the whole machine slept, all seem silent at first.
            silent = set(client.run_on_scheduler(_silent(SILENT_SECONDS)))
            for worker in suspects & silent:
                log.warning(
                    "worker %s has said nothing for %g seconds; its shards go to others",
                    worker,
                    SILENT_SECONDS,
                )
                client.run_on_scheduler(_removed(worker))
            suspects = silent


# What follows runs in the scheduler's process, where Assay need not be installed: functions within functions
# are sent whole.


def _silent(seconds: float) -> Callable[..., list[str]]:
    def silent(dask_scheduler: Any) -> list[str]:
        from time import time

        workers = dask_scheduler.workers.values()
        return [one.address for one in workers if one.processing and time() - one.last_seen > seconds]

    return silent


def _removed(worker: str) -> Callable[..., Awaitable[None]]:
    async def remove(dask_scheduler: Any) -> None:
        await dask_scheduler.remove_worker(worker, stimulus_id="silent-worker")

    return remove
