"""Which questions are being asked, so that none is asked by two shards at once, be they of one run or of two
runs on one response store."""

from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from threading import Event, Lock
from time import monotonic, sleep

from backends.stop_sign import LOOK_SECONDS, Sign, Stopped
from backends.store.leases import Leases

_LOOK_AT_RUNS_SECONDS = 0.3
_SAID_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class QuestionsUnderWay:
    """The questions of the shards that are being asked now, by the keys of their answers.

    A shard that waits for others has none under way, and waits only for shards that began before it: so no
    two ever wait for each other.
    """

    _asked_by: dict[str, Event] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    @contextmanager
    def asking(self, keys: Set[str]) -> Iterator[dict[str, Event]]:
        """Within the block these are under way, but for those that are already: they are given, each with
        the sign that its shard has ended."""
        ended = Event()
        with self._lock:
            others = {key: self._asked_by[key] for key in keys & self._asked_by.keys()}
            own = dict.fromkeys(keys - others.keys(), ended)
            self._asked_by.update(own)
        try:
            yield others
        finally:
            with self._lock:
                for key in own:
                    del self._asked_by[key]
            ended.set()


def wait_for_runs(leases: Leases, askers: Set[str], stop: Sign, say: Callable[[str], None]) -> None:
    """Wait until other runs no longer ask for what they do; said where it takes long. Raises Stopped where
    nobody wants the answers any more."""
    said_after = monotonic() + _SAID_SECONDS
    while leases.still_asking(askers):
        look_again = monotonic() + _LOOK_AT_RUNS_SECONDS
        while monotonic() < look_again:
            if stop.is_set():
                raise Stopped
            sleep(LOOK_SECONDS)
        if monotonic() > said_after:
            say("another run is asking the same questions; its answers are waited for")
            said_after = inf


def wait_for(ended: Set[Event], stop: Sign) -> None:
    """Wait until shards have ended. Raises Stopped where nobody wants the answers any more."""
    for one in ended:
        while not one.wait(LOOK_SECONDS):
            if stop.is_set():
                raise Stopped
