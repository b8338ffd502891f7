"""The sign that answers are wanted no more: the flow that they are for may have ended."""

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
