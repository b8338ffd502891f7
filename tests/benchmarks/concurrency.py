"""What the search for the best number of calls in flight is worth: `python -m tests.benchmarks.concurrency`.

Servers of known capacity, in simulated time, so that the figures are the same on every machine. Each is asked
with the limit as it is; with plain additive increase and multiplicative decrease (AIMD), which grows until it
is refused; with AIMD that takes a time-out, too, for a sign of too many calls; and with fixed limits, whose
best is the measure. Printed are the tokens of answers as a share of that one's, and the share of calls that
were refused or timed out.
"""

import heapq
import math
import random
import statistics
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol, Self

from backends.calls.concurrency import DECREASE, START, Concurrency

SEEDS = (1, 2, 3)
FIXED = (1, 2, 4, 8, 16, 32, 64, 128, 256)
REFUSAL = 0.001  # seconds until a call is refused
TIMEOUT = 300.0  # seconds; the default of a model string


class Limit(Protocol):
    """What decides how many calls may be in flight."""

    @property
    def limit(self) -> int: ...

    def succeeded(self, now: float, sent_at: float, work: float, in_flight: int) -> "Limit": ...

    def rate_limited(self, now: float, sent_at: float) -> "Limit": ...


@dataclass(frozen=True, slots=True)
class Fixed:
    """Always as many."""

    limit: int

    def succeeded(self, now: float, sent_at: float, work: float, in_flight: int) -> Self:
        return self

    def rate_limited(self, now: float, sent_at: float) -> Self:
        return self


@dataclass(frozen=True, slots=True)
class Additive:
    """Twice as many each round trip until the first sign of congestion, then one more."""

    highest: int
    exact: float = float(START)
    slow_start: bool = True
    decreased: float = -math.inf

    @property
    def limit(self) -> int:
        return int(min(self.exact, self.highest))

    def succeeded(self, now: float, sent_at: float, work: float, in_flight: int) -> "Additive":
        if sent_at <= self.decreased or in_flight < self.limit / (2 if self.slow_start else 1):
            return self
        step = 1.0 if self.slow_start else 1.0 / self.limit
        return Additive(self.highest, min(self.exact + step, self.highest), self.slow_start, self.decreased)

    def rate_limited(self, now: float, sent_at: float) -> "Additive":
        if sent_at <= self.decreased:
            return self
        return Additive(self.highest, max(1.0, self.exact * DECREASE), False, now)


@dataclass(frozen=True, slots=True)
class Server:
    """What is asked.

    each: tokens a second of a call alone. highest: calls in flight, as its user bounds them. fits: calls of
    which none slows another. below: the share of the best throughput that is left with twice as many; 1 of a
    server that batches. places: calls that are worked on at once; others wait in line. most: calls of which
    each more is refused. refusing: share of calls refused by chance. tokens: of an answer, in the mean.
    """

    name: str
    highest: int
    tokens: float = 100.0
    each: float = 200.0
    fits: int = 1 << 30
    below: float = 1.0
    places: int = 1 << 30
    most: int = 1 << 30
    refusing: float = 0.0

    def rate(self, in_flight: int) -> float:
        """Tokens a second of all calls together."""
        over = max(0.0, min(1.0, (in_flight - self.fits) / self.fits))
        return self.each * min(in_flight, self.fits) * (1.0 - (1.0 - self.below) * over)

    def drawn(self, chance: random.Random) -> float:
        """The tokens of an answer: half of them are short, the others of very different lengths."""
        if chance.random() < 0.5:
            return 0.2 * self.tokens
        return 1.8 * self.tokens * chance.lognormvariate(-0.5, 1.0)


SERVERS = (
    Server("takes all there is", 256),
    Server("refuses more than 40 calls", 256, most=40),
    Server("refuses one in fifty by chance", 64, refusing=0.02),
    Server("batches: 128 calls at full speed", 256, each=50.0, fits=128),
    Server("batches: 16 calls at full speed", 256, each=50.0, fits=16),
    Server("memory for 64 calls; 80 % with twice", 256, 200.0, 50.0, fits=64, below=0.8),
    Server("memory for 64 calls; 25 % with twice", 256, 200.0, 50.0, fits=64, below=0.25),
    Server("memory for 16 calls; 25 % with twice", 32, 200.0, 50.0, fits=16, below=0.25),
    Server("4 calls, others in line; 40 s a call", 32, 4000.0, 100.0, fits=4, places=4),
    Server("4 calls, others in line; 40 s a call", 256, 4000.0, 100.0, fits=4, places=4),
    Server("1 call, others in line; 10 s a call", 32, 1000.0, 100.0, fits=1, places=1),
)


@dataclass(slots=True, eq=False)
class Call:
    """ends: the tokens that each place has written, since the start, when it is answered."""

    sent: float
    tokens: float
    ends: float = math.inf
    is_over: bool = False

    def __lt__(self, other: "Call") -> bool:
        return self.ends < other.ends


@dataclass(slots=True)
class Simulation:
    """Calls to one server. written: tokens that each place has written since the start. tokens: of answers.
    lost: calls that were refused or timed out."""

    server: Server
    limit: Limit
    chance: random.Random
    timeouts_count: bool
    now: float = 0.0
    written: float = 0.0
    served: list[Call] = field(default_factory=list)
    line: deque[Call] = field(default_factory=deque)
    sent: deque[Call] = field(default_factory=deque)
    tokens: float = 0.0
    answered: int = 0
    lost: int = 0

    def run(self, seconds: float) -> Self:
        while self.now < seconds:
            while self.in_flight < self.limit.limit and self._send():
                pass
            while self.sent[0].is_over:
                self.sent.popleft()
            speed = self.server.rate(self.in_flight) / len(self.served)
            answered = self.now + (self.served[0].ends - self.written) / speed
            timed_out = max(self.now, self.sent[0].sent + TIMEOUT)
            until = min(answered, timed_out)
            self.written += (until - self.now) * speed
            self.now = until
            if answered <= timed_out:
                self._answer()
            else:
                self._time_out()
            self._serve()
        return self

    @property
    def in_flight(self) -> int:
        return len(self.served) + len(self.line)

    def _send(self) -> bool:
        """Send a call; whether it was taken. After a refusal something has to end before the next."""
        is_refused = self.in_flight >= self.server.most or self.chance.random() < self.server.refusing
        if is_refused and self.in_flight:
            self.lost += 1
            self.limit = self.limit.rate_limited(self.now + REFUSAL, self.now)
            return False
        call = Call(self.now, self.server.drawn(self.chance))
        self.sent.append(call)
        self.line.append(call)
        self._serve()
        return True

    def _serve(self) -> None:
        while self.line and len(self.served) < self.server.places:
            call = self.line.popleft()
            call.ends = self.written + call.tokens
            heapq.heappush(self.served, call)

    def _answer(self) -> None:
        in_flight, call = self.in_flight, heapq.heappop(self.served)
        call.is_over = True
        self.tokens += call.tokens
        self.answered += 1
        self.limit = self.limit.succeeded(self.now, call.sent, call.tokens + 1, in_flight)

    def _time_out(self) -> None:
        call = self.sent.popleft()
        self.lost += 1
        if call.ends == math.inf:
            self.line.remove(call)
        else:
            self.served.remove(call)
            heapq.heapify(self.served)
        if self.timeouts_count:
            self.limit = self.limit.rate_limited(self.now, call.sent)


def measured(server: Server, limit: Limit, *, timeouts_count: bool = False) -> tuple[float, float]:
    """Tokens of answers, and the share of calls that were lost; means over the seeds."""
    seconds = max(60.0, 150 * server.tokens / server.each)
    runs = [Simulation(server, limit, random.Random(seed), timeouts_count).run(seconds) for seed in SEEDS]
    lost = statistics.mean(run.lost / (run.lost + run.answered) for run in runs)
    return statistics.mean(run.tokens for run in runs), lost


def main() -> None:
    print(f"{'server':38}{'bound':>6}{'best':>6}{'search':>16}{'AIMD':>16}{'AIMD, time-outs':>17}")
    for server in SERVERS:
        fixed = {many: measured(server, Fixed(many))[0] for many in FIXED if many <= server.highest}
        best = max(fixed, key=lambda many: fixed[many])
        found = (
            measured(server, Concurrency.starting(server.highest)),
            measured(server, Additive(server.highest)),
            measured(server, Additive(server.highest), timeouts_count=True),
        )
        columns = "".join(f"{tokens / fixed[best]:8.2f}{lost:8.1%}" for tokens, lost in found)
        print(f"{server.name:38}{server.highest:6}{best:6}{columns}", flush=True)


if __name__ == "__main__":
    main()
