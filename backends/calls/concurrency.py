"""How many calls may be in flight: the limit grows while that helps, and falls when the endpoint says so.

A pure state machine. Whoever owns it keeps no more than `limit` calls in flight and tells it how each ended.
Slow start, then additive increase and multiplicative decrease (Chiu and Jain 1989; RFC 5681), with what one
can see of a model server from outside: 429s, and throughput against latency. Up to a point a server that
batches answers more slowly because it answers more at once, which is no reason to ask for less. Past its
memory it answers more slowly and less. So growth is an experiment: where more calls in flight bring no more
throughput, the limit goes back to where it was best, and the next experiment takes more time.

Times are seconds by one clock that never goes back.
"""

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class ConcurrencyPolicy:
    """How a limit moves. Raises ValueError where `highest` or `start` is less than 1.

    highest: the most calls in flight, as the user bounds them.
    start: the limit at first, where `highest` is not less. Small servers stand it; large ones get more soon.
    decrease: what is left of the limit after a sign of congestion. As in CUBIC (RFC 9438): halving, as of
        old, leaves half an endpoint idle for a long time.
    gain: throughput of this many times the best, with more calls in flight, is better. Less may be chance.
    loss: throughput of less than this share of the best, with more calls in flight, is worse.
    reach: how many times the calls in flight at the best are tried before it is known that more do not help.
        Enough for a gain to show.
    reach_at_first: the same in slow start, where one window that did not grow may be chance; BBR (Cardwell
        et al. 2016) waits for three.
    patience: each time that more did not help, growth takes twice as long, up to this many times. Trying
        costs: past its memory a server may need many times as long for a window as before.
    collapse, slower: throughput of less than `collapse` times the best, with no more calls in flight and
        latency of at least `slower` times that at the best, is a collapse. Less of either is how answers
        differ in length.
    fade: what is left of the best throughput after a window that had no more calls in flight and did not
        reach it. After seven such windows half is left, and a new workload is no longer a collapse.
    fewest: completions without which a window says nothing. Of fewer, the longest answer decides.
    """

    highest: int
    start: int = 8
    decrease: float = 0.7
    gain: float = 1.1
    loss: float = 0.8
    reach: float = 1.25
    reach_at_first: float = 4.0
    patience: int = 32
    collapse: float = 0.5
    slower: float = 2.0
    fade: float = 0.9
    fewest: int = 8

    def __post_init__(self) -> None:
        if min(self.highest, self.start) < 1:
            raise ValueError(f"at least one call has to be in flight: {self}")


@dataclass(frozen=True, slots=True)
class Window:
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

    def after(self, seconds: float, work: float, in_flight: int) -> "Window":
        """The window with one more completion."""
        return Window(
            self.start,
            self.size,
            max(self.most, in_flight),
            self.completions + 1,
            self.work + work,
            self.seconds + seconds,
            self.in_flight + in_flight,
        )

    def is_full(self, now: float, sent_at: float) -> bool:
        """Whether it spans a round trip; of its completions, the last was then sent within it."""
        return self.completions >= self.size and self.start <= sent_at < now

    def level(self) -> "Level":
        """The window in three numbers.

        Throughput by Little's law: the mean of calls in flight times work per second of a call. Work per
        second of the window would be the same, but for chance: a long answer counts when it ends.
        """
        in_flight = self.in_flight / self.completions
        return Level(in_flight * self.work / self.seconds, self.seconds / self.completions, self.most)


@dataclass(frozen=True, slots=True)
class Level:
    """How it goes with so many calls in flight: work per second, and mean seconds per call."""

    throughput: float
    latency: float
    in_flight: int

    def is_collapse_of(self, best: "Level", policy: ConcurrencyPolicy) -> bool:
        fell = self.throughput < policy.collapse * best.throughput
        return fell and self.latency >= policy.slower * best.latency

    def after(self, seen: "Level", policy: ConcurrencyPolicy) -> "Level":
        """The best after a window with no more calls in flight: that window, or this one, faded."""
        if seen.throughput >= self.throughput:
            return seen
        return Level(self.throughput * policy.fade, self.latency, self.in_flight)


_NONE_YET = Level(0.0, inf, 0)


@dataclass(frozen=True, slots=True)
class Concurrency:
    """The state of an adaptive limit; `starting` makes the first.

    exact: the limit with its fraction.
    slow_start: whether the limit doubles each round trip, until the first sign that this does not help.
    decreased: when it last fell. Calls sent until then say nothing about the limit since.
    caution: how many times as long as usual growth takes.
    window: what is being measured; None until the first call since the last decrease has ended.
    best: the recent window with the best throughput, with as few calls in flight as that takes.
    """

    policy: ConcurrencyPolicy
    exact: float
    slow_start: bool = True
    decreased: float = -inf
    caution: int = 1
    window: Window | None = None
    best: Level = _NONE_YET

    @classmethod
    def starting(cls, policy: ConcurrencyPolicy) -> "Concurrency":
        return cls(policy, float(min(policy.start, policy.highest)))

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
        if self.window is None:
            window = self._window(now, in_flight)
        else:
            window = self.window.after(now - sent_at, work, in_flight)
        exact = self._raised(window.most)
        if window.is_full(now, sent_at):
            return self._judged(now, exact, window.level(), self._window(now, in_flight))
        return Concurrency(
            self.policy, exact, self.slow_start, self.decreased, self.caution, window, self.best
        )

    def rate_limited(self, now: float, sent_at: float) -> "Concurrency":
        """After a 429, or another answer that says there are too many calls at once."""
        if sent_at <= self.decreased:
            return self
        return self._fallen(now, self.exact * self.policy.decrease, self.caution, self.best)

    def _window(self, now: float, in_flight: int) -> Window:
        return Window(now, max(in_flight, self.policy.fewest), in_flight)

    def _raised(self, in_flight: int) -> float:
        """The limit after one success: one more in slow start, one more for each `limit` of them after."""
        if self.slow_start:
            grown = self.exact + 1.0 if self.exact < 2 * in_flight else self.exact
        else:
            step = 1.0 / (self.limit * self.caution)
            grown = self.exact + step if self.limit <= in_flight else self.exact
        return min(grown, float(self.policy.highest))

    def _judged(self, now: float, exact: float, seen: Level, following: Window) -> "Concurrency":
        """After a full window: go on, or back to where it was better."""
        policy, best, caution = self.policy, self.best, self.caution
        if seen.in_flight <= best.in_flight:
            if seen.is_collapse_of(best, policy):
                return self._fallen(now, exact * policy.decrease, caution, best.after(seen, policy))
            best = best.after(seen, policy)
        elif seen.throughput >= policy.gain * best.throughput:
            best, caution = seen, 1
        elif self._is_vain(seen):
            caution = min(2 * caution, policy.patience)
            return self._fallen(now, min(exact, float(best.in_flight)), caution, best)
        return Concurrency(policy, exact, self.slow_start, self.decreased, caution, following, best)

    def _is_vain(self, seen: Level) -> bool:
        """Whether more calls in flight than at the best have been tried enough, or harm."""
        reach = self.policy.reach_at_first if self.slow_start else self.policy.reach
        return (
            seen.in_flight >= reach * self.best.in_flight
            or seen.throughput < self.policy.loss * self.best.throughput
        )

    def _fallen(self, now: float, exact: float, caution: int, best: Level) -> "Concurrency":
        return Concurrency(self.policy, max(1.0, exact), False, now, caution, None, best)
