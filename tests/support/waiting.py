"""Waiting for what another process or thread does."""

import time
from collections.abc import Callable
from typing import Protocol

# A machine that runs other tests beside these may take long to start a process. Seconds.
PATIENCE = 240.0


class Ending(Protocol):
    """What may end: a process."""

    def poll(self) -> int | None: ...


def until(
    holds: Callable[[], object],
    process: Ending | None = None,
    *,
    seconds: float = PATIENCE,
    every: float = 0.005,
) -> bool:
    """Wait until something holds, at most until the process has ended; whether it came true.

    every: seconds between two looks.
    """
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline or (process is not None and process.poll() is not None):
            return bool(holds())
        time.sleep(every)
    return True
