"""How fast an endpoint takes calls, learnt from those that it refuses (429).

A pure state machine. Whoever owns it asks `wait` before a call, tells it of each with `sent` and of those
that were refused with `refused`, and of times in which all were with `reopened`. Times are seconds by one
clock that never goes back.

Two kinds of endpoints refuse calls. One enforces a rate: what is sent beyond it is refused, and slower calls
are not. The other refuses a share by chance, or for what others do: there going slower only takes longer. So
slowing down is an experiment. Where many calls are refused, they go a little slower than they were taken,
again and again, until hardly any is refused; that rate is kept, and raised bit by bit. Where as many are
refused at half of the rate, it was chance: that share is put up with from then on, at full speed.
"""

from dataclasses import dataclass, replace
from math import inf, isfinite

from backends.calls.rates import Rate

# The window of nearly all limits; a rate is raised at most so often.
MINUTE = 60.0
# Refusals, at least, that show their share within less than a minute, and those within a minute.
CLEAR = 10
FEW = 3
# The share of calls whose refusal is put up with at first. Slower would be refused less and answer no more.
TOLERATED = 0.03
# The same before a minute is over, as a multiple.
EARLY = 2.0
# How much slower than calls were taken they go in an experiment, and once it has helped.
SLOWER, KEPT = 0.85, 0.97
# Where this share of the refusals before is left, slowing down has helped: by chance it hardly ever is. Where
# that share of the rate is left and it has not, it never will.
HELPED = 0.25
ENOUGH = 0.5
# Where this share of the refusals is left, it has not.
UNCHANGED = 0.6
# What of the rate is left, where most are refused: that is hardly chance.
MOST, ENOUGH_OF_MOST = 0.5, 0.1
# What share is put up with where slowing down did not help, as a multiple of the one that was seen.
CHANCE = 2.0
# A rate is raised by this share after a minute with hardly a refusal, by four times as much after the next.
STEP, FASTER, LONGEST_STEP = 0.02, 4.0, 0.32
# A rate that was found in a moment is raised by this share, again and again, until calls are refused.
SEARCH = 0.5
# The share of a rate that is used where it is what holds calls back.
USED = 0.8
# Seconds without which a rate says nothing, and those after which it says something in any case.
SHORTEST, LONG = 1.0, 20.0


@dataclass(frozen=True, slots=True)
class Experiment:
    """Calls go slower for a while. before: the rate without it. first: the rate at which calls were taken
    then, and `share` that which was refused. taken: the rate at which they were taken last."""

    before: float
    first: float
    share: float
    taken: float

    @property
    def calls(self) -> float:
        """Calls of which `CLEAR` would be refused, if nothing had changed."""
        return CLEAR / self.share


@dataclass(frozen=True, slots=True)
class Count:
    """Calls since `start`, and how many of them were refused."""

    start: float = -inf
    calls: int = 0
    refusals: int = 0

    @property
    def taken(self) -> int:
        return self.calls - self.refusals

    @property
    def share(self) -> float:
        """The calls that were refused, as a share."""
        return self.refusals / self.calls if self.calls else 0.0


_NONE = Count()


@dataclass(frozen=True, slots=True)
class Pace:
    """The state of a pace; it starts with none.

    rate: calls a second; infinity for no limit. good: the last one at which hardly a call was refused.
    experiment: the one that is on.
    tolerated: the share of refusals that is put up with. step: by which share the rate is raised next.
    is_search: whether the rate is raised until calls are refused.
    count: of the calls since the last change. before: of those between the two last ones.
    bucket: what makes calls go evenly.
    """

    rate: float = inf
    good: float = 0.0
    experiment: Experiment | None = None
    tolerated: float = TOLERATED
    step: float = STEP
    is_search: bool = False
    count: Count = _NONE
    before: Count = _NONE
    bucket: Rate | None = None

    def wait(self, now: float) -> float:
        """Seconds until a call may be sent; 0.0: now."""
        return 0.0 if self.bucket is None else self.bucket.wait(now)

    def sent(self, now: float) -> "Pace":
        """After a call was sent."""
        count = self.count
        count = Count(count.start if count.calls else now, count.calls + 1, count.refusals)
        after = Pace(
            self.rate,
            self.good,
            self.experiment,
            self.tolerated,
            self.step,
            self.is_search,
            count,
            self.before,
            self.bucket and self.bucket.used(now, 1),
        )
        if now - count.start >= MINUTE:
            return after._after_a_minute(now)
        if not self.is_search or now - count.start < SHORTEST or count.calls < CLEAR:
            return after
        return replace(after._raised(now, SEARCH), is_search=after._is_used(now))

    def refused(self, now: float, sent_at: float) -> "Pace":
        """After a call was refused for the rate. Those sent before the last change say nothing of it."""
        count = self.count
        if sent_at < count.start:
            return self
        count = Count(count.start, count.calls, count.refusals + 1)
        after = replace(self, count=count, is_search=False)
        if count.refusals < CLEAR or now - count.start < SHORTEST:
            return after
        if after.experiment:
            return after._after_experiment(now) if count.calls >= after.experiment.calls else after
        # Early and again and again one looks at a share that is larger by chance.
        return after._slower(now) if count.share > EARLY * after.tolerated else after

    def reopened(self, now: float, closed: float, earliest: float) -> "Pace":
        """After a time in which all calls were refused, and none by chance.

        closed: when it began. now, earliest: when calls are taken again is known to lie between the two.
        """
        start, taken = self.count.start, self.count.taken
        if now - closed >= LONG and self.before.calls:  # what was used up may be of before the last change
            start, taken = self.before.start, taken + self.before.taken
        seconds = now - start
        if seconds < SHORTEST or (taken < CLEAR and seconds < LONG):
            return self
        if not taken or earliest - closed > MINUTE:  # no window is so long: it was away
            return self._anew(now, self.rate)
        seconds = min(max(MINUTE, earliest - start), seconds)
        slower = self._anew(now, self._slowed(taken, seconds))
        return replace(slower, experiment=None, step=STEP, is_search=seconds < LONG)

    def interrupted(self, now: float) -> "Pace":
        """After a time in which hardly a call was sent, for another reason: it says nothing of the rate."""
        return self._anew(now, self.rate)

    @property
    def is_set(self) -> bool:
        """Whether calls go at a rate that was found to help."""
        return isfinite(self.rate) and self.experiment is None

    def has_helped(self, before: "Pace") -> bool:
        """Whether an experiment has shown since then that it is the rate for which calls are refused."""
        return before.experiment is not None and self.is_set

    @property
    def window_ends(self) -> float:
        """When calls are taken again by an endpoint that refuses them since its window is used up."""
        return self.count.start + MINUTE

    @property
    def refuses_most(self) -> bool:
        """Whether so many calls are refused that there are likely too many at once."""
        return self.count.refusals >= CLEAR and self.count.share > MOST

    @property
    def is_chance(self) -> bool:
        """Whether calls are refused however slowly they go."""
        return self.tolerated > TOLERATED

    def _after_a_minute(self, now: float) -> "Pace":
        if self.experiment:
            return self._after_experiment(now) if self.count.calls >= self.experiment.calls else self
        if self.count.refusals >= FEW and self.count.share > self.tolerated:
            return self._slower(now)
        if self.count.share > self.tolerated / 2:
            return self._anew(now, self.rate)
        step = min(self.step * FASTER, LONGEST_STEP) if self._is_used(now) else self.step
        return replace(self._raised(now, self.step), step=step, good=self.rate)

    def _raised(self, now: float, step: float) -> "Pace":
        """At a rate that is higher by a share; at the same where it was not used up."""
        return self._anew(now, self.rate * (1.0 + step) if self._is_used(now) else self.rate)

    def _is_used(self, now: float) -> bool:
        return self.count.calls >= USED * self.rate * (now - self.count.start)

    def _after_experiment(self, now: float) -> "Pace":
        experiment, share = self.experiment, self.count.share
        assert experiment is not None
        if share <= HELPED * experiment.share:
            rate = min(max(self.rate, KEPT * experiment.taken), experiment.before)
            kept = replace(self._anew(now, rate), experiment=None, step=STEP, good=self.rate)
            return replace(kept, tolerated=TOLERATED)
        enough = ENOUGH if share < MOST else ENOUGH_OF_MOST
        is_as_many = UNCHANGED * experiment.share <= share <= 2 * experiment.share
        if self.rate > enough * experiment.first or not is_as_many:
            return replace(self, good=0.0)._slower(now)
        tolerated = min(MOST, CHANCE * share)
        return replace(self._anew(now, experiment.before), experiment=None, tolerated=tolerated)

    def _slower(self, now: float) -> "Pace":
        """A little slower than calls were taken, or as slow as was good before, as an experiment."""
        count, experiment = self.count, self.experiment
        taken = self._slowed(count.taken, now - count.start, is_clear=self._is_used(now))
        first = count.taken / max(now - count.start, SHORTEST)
        # Where more are refused now, what was taken before was more than the rate: what had been saved.
        if experiment is None or count.share > 2 * experiment.share:
            before = self.rate if experiment is None else experiment.before
            experiment = Experiment(before, first, count.share, taken)
        rate = max(SLOWER * taken, KEPT * self.good) if self.good < self.rate < inf else SLOWER * taken
        slower = self._anew(now, min(rate, self.rate))
        return replace(slower, experiment=replace(experiment, taken=taken), step=STEP)

    def _slowed(self, taken: int, seconds: float, *, is_clear: bool = True) -> float:
        """The rate at which so many calls were taken in so many seconds; where they were few, or it is not
        clear that more would not have been, not less than half of what it was."""
        rate = taken / max(seconds, SHORTEST)
        if not isfinite(self.rate):
            return max(rate, 1.0 / MINUTE)
        return min(self.rate, rate if is_clear and taken >= CLEAR else max(rate, self.rate / 2))

    def _anew(self, now: float, rate: float) -> "Pace":
        """Counting from now on, at a rate."""
        bucket = None
        if isfinite(rate):
            bucket = Rate(MINUTE * rate, self.bucket.paid if self.bucket else now)
        return replace(self, rate=rate, before=self.count, count=Count(now), bucket=bucket)
