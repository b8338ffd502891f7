"""How many calls may be in flight: the limit grows while that helps, and falls when the endpoint says so.

A pure state machine. Whoever owns it keeps no more than `limit` calls in flight and tells it how each ended.
Slow start, then additive increase and multiplicative decrease (Chiu and Jain 1989; RFC 5681), with what one
can see of a model server from outside: 429s, and throughput against latency. Up to a point a server that
batches answers more slowly because it answers more at once, which is no reason to ask for less. Past its
memory it answers more slowly and less. So growth is an experiment: where more calls in flight bring no more
throughput, the limit goes back to where it was best, and the next experiment takes more time. What that is
worth against plain growth stands in docs/benchmarks.md.

Times are seconds by one clock that never goes back.
"""

from dataclasses import dataclass
from math import inf

# The limit at first, where the user's bound is not less. Small servers stand it; large ones get more soon.
START = 8
# What is left of the limit after a sign of congestion. As in CUBIC (RFC 9438): halving, as of old, leaves
# half an endpoint idle for a long time.
DECREASE = 0.7
# Throughput of this many times the best, with more calls in flight, is better. Less may be chance.
GAIN = 1.1
# Throughput of less than this share of the best, with more calls in flight, is worse.
LOSS = 0.8
# How many times the calls in flight at the best are tried before it is known that more do not help. Enough
# for a gain to show.
REACH = 1.25
# The same in slow start, where one round trip that brought no more may be chance; BBR (Cardwell et al. 2016)
# waits for three.
REACH_AT_FIRST = 4.0
# Each time that more did not help, growth takes twice as long, up to this many times. Trying costs: past its
# memory a server may need many times as long for a round trip as before.
MOST_CAUTION = 32
# Throughput of less than `COLLAPSE` times the best, with no more calls in flight and latency of at least
# `SLOWER` times that at the best, is a collapse. Less of either is how answers differ in length.
COLLAPSE = 0.5
SLOWER = 2.0
# What is left of the best throughput after a round trip that had no more calls in flight and did not reach
# it. After seven of them half is left, and a new workload is no longer a collapse.
FADE = 0.9
# Completions without which a round trip says nothing. Of fewer, the longest answer decides.
FEWEST = 8


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """What ended since `start`: how many calls, and summed, their work, their seconds, the calls in flight.

    size: the completions that make a round trip: as many as there were calls in flight at the start.
    most: the most calls that were in flight when one of them ended.
    """

    start: float
    size: int
    most: int
    completions: int = 0
    work: float = 0.0
    seconds: float = 0.0
    in_flight: int = 0

    def after(self, seconds: float, work: float, in_flight: int) -> "RoundTrip":
        """With one more completion."""
        return RoundTrip(
            self.start,
            self.size,
            max(self.most, in_flight),
            self.completions + 1,
            self.work + work,
            self.seconds + seconds,
            self.in_flight + in_flight,
        )

    def is_full(self, now: float, sent_at: float) -> bool:
        """Whether it is complete; of its completions, the last was then sent within it."""
        return self.completions >= self.size and self.start <= sent_at < now

    def level(self) -> "Level":
        """It in three numbers.

        Throughput by Little's law: the mean of calls in flight times work per second of a call. Work per
        second of the round trip would be the same, but for chance: a long answer counts when it ends.
        """
        in_flight = self.in_flight / self.completions
        return Level(in_flight * self.work / self.seconds, self.seconds / self.completions, self.most)


@dataclass(frozen=True, slots=True)
class Level:
    """How it goes with so many calls in flight: work per second, and mean seconds per call."""

    throughput: float
    latency: float
    in_flight: int

    def is_collapse_of(self, best: "Level") -> bool:
        fell = self.throughput < COLLAPSE * best.throughput
        return fell and self.latency >= SLOWER * best.latency

    def after(self, seen: "Level") -> "Level":
        """The best after a round trip with no more calls in flight: what it showed, or this, faded."""
        if seen.throughput >= self.throughput:
            return seen
        return Level(self.throughput * FADE, self.latency, self.in_flight)


_NONE_YET = Level(0.0, inf, 0)


@dataclass(frozen=True, slots=True)
class Concurrency:
    """The state of an adaptive limit; `starting` makes the first.

    highest: the most calls in flight, as the user bounds them; at least one.
    exact: the limit with its fraction.
    slow_start: whether the limit doubles each round trip, until the first sign that this does not help.
    decreased: when it last fell. Calls sent until then say nothing about the limit since.
    caution: how many times as long as usual growth takes.
    round_trip: what is being measured; None until the first call since the last decrease has ended.
    best: the recent round trip with the best throughput, with as few calls in flight as that takes.
    """

    highest: int
    exact: float
    slow_start: bool = True
    decreased: float = -inf
    caution: int = 1
    round_trip: RoundTrip | None = None
    best: Level = _NONE_YET

    @classmethod
    def starting(cls, highest: int) -> "Concurrency":
        return cls(highest, float(min(START, highest)))

    @property
    def limit(self) -> int:
        """The most calls that may be in flight: 1 to `highest`."""
        return int(self.exact)

    def succeeded(self, now: float, sent_at: float, work: float, in_flight: int) -> "Concurrency":
        """After an answer.

        work: its size, in tokens written plus one, so that an answer without any counts too.
        in_flight: the calls that were in flight when it came, this one with them. A limit that is not
            reached does not grow (RFC 7661).
        """
        if sent_at <= self.decreased:
            return self
        if self.round_trip is None:
            seen = _beginning(now, in_flight)
        else:
            seen = self.round_trip.after(now - sent_at, work, in_flight)
        exact = self._raised(seen.most)
        if seen.is_full(now, sent_at):
            return self._judged(now, exact, seen.level(), _beginning(now, in_flight))
        return Concurrency(
            self.highest, exact, self.slow_start, self.decreased, self.caution, seen, self.best
        )

    def rate_limited(self, now: float, sent_at: float) -> "Concurrency":
        """After a 429, or another answer that says there are too many calls at once."""
        if sent_at <= self.decreased:
            return self
        return self._fallen(now, self.exact * DECREASE, self.caution, self.best)

    def _raised(self, in_flight: int) -> float:
        """The limit after one success: one more in slow start, one more for each `limit` of them after."""
        if self.slow_start:
            grown = self.exact + 1.0 if self.exact < 2 * in_flight else self.exact
        else:
            step = 1.0 / (self.limit * self.caution)
            grown = self.exact + step if self.limit <= in_flight else self.exact
        return min(grown, float(self.highest))

    def _judged(self, now: float, exact: float, seen: Level, following: RoundTrip) -> "Concurrency":
        """After a full round trip: go on, or back to where it was better."""
        best, caution = self.best, self.caution
        if seen.in_flight <= best.in_flight:
            if seen.is_collapse_of(best):
                return self._fallen(now, exact * DECREASE, caution, best.after(seen))
            best = best.after(seen)
        elif seen.throughput >= GAIN * best.throughput:
            best, caution = seen, 1
        elif self._is_vain(seen):
            caution = min(2 * caution, MOST_CAUTION)
            return self._fallen(now, min(exact, float(best.in_flight)), caution, best)
        return Concurrency(self.highest, exact, self.slow_start, self.decreased, caution, following, best)

    def _is_vain(self, seen: Level) -> bool:
        """Whether more calls in flight than at the best have been tried enough, or harm."""
        reach = REACH_AT_FIRST if self.slow_start else REACH
        return seen.in_flight >= reach * self.best.in_flight or seen.throughput < LOSS * self.best.throughput

    def _fallen(self, now: float, exact: float, caution: int, best: Level) -> "Concurrency":
        return Concurrency(self.highest, max(1.0, exact), False, now, caution, None, best)


def _beginning(now: float, in_flight: int) -> RoundTrip:
    return RoundTrip(now, max(in_flight, FEWEST), in_flight)
