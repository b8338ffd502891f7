"""What came and what became of it: the stand-in server's memory, and a file of it where one is wanted."""

import json
import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, TextIO

# The outcome of a call that is still being answered.
PENDING = "pending"
ANSWERED = "answered"
BATCHED = "batched"
# Outcomes after which a client has its answer.
_ANSWERS = frozenset((ANSWERED, BATCHED, "wrong_usage"))


@dataclass(slots=True)
class Arrival:
    """One call. Times are seconds since 1970; body and prompt are `short_hash`es; outcome: `answered`, the
    fault or error it got, `abandoned` where the client went away first, or `pending`."""

    number: int
    arrived: float
    path: str
    body: str
    prompt: str = ""
    outcome: str = PENDING
    first_byte: float | None = None
    last_byte: float | None = None


class Arrivals:
    """All calls since the last reset."""

    def __init__(self) -> None:
        self._all: list[Arrival] = []
        self._outcomes: Counter[str] = Counter()
        self._answers: Counter[str] = Counter()
        self._came: Counter[str] = Counter()
        self._most_in_flight = 0
        self._connections_refused = 0
        self._first_call: float | None = None
        self._file: TextIO | None = None
        self.in_flight = 0

    def arrive(self, path: str, body: str) -> Arrival:
        """A call came in and is in flight until it leaves."""
        now = time.time()
        if self._first_call is None:
            self._first_call = now
        arrival = Arrival(len(self._all), now, path, body)
        self._all.append(arrival)
        self._came[body] += 1
        self.in_flight += 1
        self._most_in_flight = max(self._most_in_flight, self.in_flight)
        self._write("arrived", arrival)
        return arrival

    def leave(self, arrival: Arrival, outcome: str) -> None:
        """A call is over."""
        if arrival.outcome != PENDING:
            return
        arrival.outcome = outcome
        self.in_flight -= 1
        self._outcomes[outcome] += 1
        if outcome in _ANSWERS:
            self._answers[arrival.body] += 1
        self._write(outcome, arrival)

    def refuse(self) -> None:
        """A connection was closed because the server is down."""
        self._connections_refused += 1

    def earlier(self, arrival: Arrival) -> int:
        """How many calls with the same body came before the one that just came."""
        return self._came[arrival.body] - 1

    def since_first_call(self) -> float:
        """Seconds since the first call; -1 before it."""
        return -1.0 if self._first_call is None else time.time() - self._first_call

    def log(self) -> list[dict[str, Any]]:
        """All calls, in the order they came."""
        return [asdict(arrival) for arrival in self._all]

    def counts(self) -> dict[str, Any]:
        """How many calls came and what became of them; of answers, how many distinct requests got one and
        the most that any one got."""
        return {
            "arrived": len(self._all),
            "outcomes": dict(self._outcomes),
            "in_flight": self.in_flight,
            "most_in_flight": self._most_in_flight,
            "distinct": len(self._came),
            "distinct_answered": len(self._answers),
            "most_answers": max(self._answers.values(), default=0),
            "refused_connections": self._connections_refused,
        }

    def log_to(self, path: str | None) -> None:
        """Append to this file from now on, a line at a time; None is to none."""
        if self._file is not None:
            self._file.close()
        self._file = open(path, "a", buffering=1, encoding="utf-8") if path else None  # noqa: SIM115 - stays open

    def _write(self, event: str, arrival: Arrival) -> None:
        if self._file is not None:
            self._file.write(json.dumps({"event": event, **asdict(arrival)}) + "\n")
