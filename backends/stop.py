"""Whether whoever asks still wants answers: the flow that they are for may have ended.

Backends are asked by requests alone; the sign is there for the time of the asking (`until`).
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

# How soon it is seen that answers are wanted no more.
LOOK_SECONDS = 0.1


class Stopped(RuntimeError):
    """The flow has ended while its model was still being asked."""

    def __init__(self, message: str = "the flow has ended") -> None:
        super().__init__(message)


class Sign(Protocol):
    """Tells whether what is being asked is wanted no more."""

    def is_set(self) -> bool: ...


_stop: ContextVar[Sign | None] = ContextVar("stop", default=None)


@contextmanager
def until(stop: Sign) -> Iterator[None]:
    """Whatever is asked within the block is wanted until the sign is set."""
    token = _stop.set(stop)
    try:
        yield
    finally:
        _stop.reset(token)


def is_stopped() -> bool:
    """Whether what is being asked is wanted no more; where there is no sign, it is wanted."""
    stop = _stop.get()
    return stop is not None and stop.is_set()


def check_going_on() -> None:
    """Raise Stopped where what is being asked is wanted no more."""
    if is_stopped():
        raise Stopped


def rest(seconds: float) -> None:
    """Sleep; raises Stopped within `LOOK_SECONDS` of the sign."""
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        check_going_on()
        time.sleep(min(left, LOOK_SECONDS))
