"""The sign that answers are wanted no more: the flow that they are for may have ended."""

from threading import Event
from typing import Protocol

# How soon it is seen that answers are wanted no more.
LOOK_SECONDS = 0.1


class Stopped(RuntimeError):
    """The flow has ended while its model was still being asked."""

    def __init__(self, message: str = "the flow has ended") -> None:
        super().__init__(message)


class Sign(Protocol):
    """Tells whether what is being asked is wanted no more.

    in_flight: calls that are being made, which are paid for. Counted by the loop that makes them.
    """

    in_flight: int

    def is_set(self) -> bool: ...

    def hurries(self) -> bool:
        """Whether, once it is set, calls that are in flight are not waited for either."""
        ...


class StopSign:
    """A sign of this process, for all of its threads."""

    def __init__(self) -> None:
        self.in_flight = 0
        self._is_set = Event()
        self._hurries = Event()

    def set(self) -> None:
        """Have no more asked; what is in flight comes to its end."""
        self._is_set.set()

    def hurry(self) -> None:
        """Have no more asked, and what is in flight ended."""
        self._hurries.set()
        self._is_set.set()

    def is_set(self) -> bool:
        return self._is_set.is_set()

    def hurries(self) -> bool:
        return self._hurries.is_set()


class PartSign:
    """The sign of a part of what another sign stands for: set with the whole, or alone."""

    def __init__(self, whole: Sign) -> None:
        self._whole = whole
        self._is_set = Event()

    @property
    def in_flight(self) -> int:
        return self._whole.in_flight

    @in_flight.setter
    def in_flight(self, calls: int) -> None:
        self._whole.in_flight = calls

    def set(self) -> None:
        """Have no more of the part asked; what is in flight comes to its end."""
        self._is_set.set()

    def is_set(self) -> bool:
        return self._is_set.is_set() or self._whole.is_set()

    def hurries(self) -> bool:
        return self._whole.hurries()
