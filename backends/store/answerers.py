"""Who gave the stored answers of a model behind an endpoint: what it calls itself, and its configuration."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from time import monotonic

from backends.requests import Response

_LONGEST = 300
_WRITTEN_AFTER = 5.0  # seconds


@dataclass(frozen=True, slots=True, order=True)
class Answerer:
    """asked: the model as `backend:name`. name: what it calls itself. system_fingerprint: the provider's name
    of the configuration that it ran with; empty where none is said."""

    asked: str
    name: str
    system_fingerprint: str = ""


def answerers_of(responses: Iterable[Response]) -> Counter[Answerer]:
    """How many of the responses each of them gave; those that say nothing of it are left out."""
    calls = (response.call for response in responses)
    return Counter(
        _answerer(call.asked, call.model, call.system_fingerprint) for call in calls if call and call.model
    )


@lru_cache(maxsize=1024)
def _answerer(asked: str, name: str, system_fingerprint: str) -> Answerer:
    return Answerer(asked, plain(name), plain(system_fingerprint))


def plain(text: str) -> str:
    """A name as any database takes it, and no longer than names are."""
    return text[:_LONGEST].encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


class PendingCounts:
    """Counts that are not written yet, by the model's key and who answered; for several threads.

    A new name is due at once, a count now and then. A kill loses the last counts, which no score depends on.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._pending: Counter[tuple[str, Answerer]] = Counter()
        self._known: set[tuple[str, Answerer]] = set()
        self._written = monotonic()

    def add(self, model: str, found: Mapping[Answerer, int]) -> Mapping[tuple[str, Answerer], int]:
        """Add counts; those that are due, which are then no longer here."""
        counts = {(model, one): count for one, count in found.items()}
        with self._lock:
            self._pending.update(counts)
            if counts.keys() <= self._known and monotonic() - self._written < _WRITTEN_AFTER:
                return {}
            self._known |= counts.keys()
        return self.take()

    def take(self) -> Mapping[tuple[str, Answerer], int]:
        """All of them, which are then no longer here."""
        with self._lock:
            taken, self._pending = self._pending, Counter()
            self._written = monotonic()
        return taken

    def put_back(self, counts: Mapping[tuple[str, Answerer], int]) -> None:
        """Keep counts that were taken and could not be written."""
        with self._lock:
            self._pending.update(counts)


def names(answerers: Iterable[Answerer]) -> Mapping[str, set[str]]:
    """What they call themselves, by the model that is asked."""
    found: dict[str, set[str]] = {}
    for one in answerers:
        found.setdefault(one.asked, set()).add(one.name)
    return found
