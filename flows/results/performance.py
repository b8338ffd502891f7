"""How fast a model answered and how often a call failed, from the totals of its calls."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from flows.results.call_totals import TIMES, CallTotals, Floats


@dataclass(frozen=True, slots=True)
class Spread:
    """Of the requests that have a value: percentiles and mean, in seconds, and how many they are."""

    p50: float
    p90: float
    p99: float
    mean: float
    count: int


@dataclass(frozen=True, slots=True)
class Goodput:
    """The share of answered requests with a latency within the target (seconds), and their rate."""

    latency_target: float
    share: float | None
    requests_per_second: float | None


@dataclass(frozen=True, slots=True)
class Performance:
    """How fast calls were answered. Times are in seconds; None where there is nothing to make a figure of.

    time_to_first_token: from the start of the try that was answered, where the answer was streamed.
    time_per_output_token: of a streamed answer of several tokens the time after its first token by the tokens
        after it; of any other with tokens its latency by its tokens.
    latency: from the start of the try that was answered to its end. queue: from asking to that start.
    active_seconds: how long at least one call was under way. The rates are by that time, so that neither an
        interruption nor work of other kinds between calls counts.
    goodput: None without a target.
    retried, failed: shares of the requests that took more than one attempt, and that have no answer.
    failed_attempts: by kind, the share of all attempts that failed so.
    """

    requests: int
    answered: int
    time_to_first_token: Spread | None
    time_per_output_token: Spread | None
    latency: Spread | None
    queue: Spread | None
    active_seconds: float
    tokens: Mapping[str, int]
    requests_per_second: float | None
    tokens_in_per_second: float | None
    tokens_out_per_second: float | None
    goodput: Goodput | None
    retried: float | None
    failed: float | None
    failed_attempts: Mapping[str, float]

    @classmethod
    def of(cls, calls: CallTotals, latency_target: float | None = None) -> "Performance":
        active = calls.active_seconds
        return cls(
            requests=calls.requests,
            answered=calls.answered,
            **{name: _spread(calls.times[name]) for name in TIMES},
            active_seconds=active,
            tokens=dict(calls.tokens),
            requests_per_second=_ratio(calls.answered, active),
            tokens_in_per_second=_ratio(calls.tokens["in"], active),
            tokens_out_per_second=_ratio(calls.tokens["out"], active),
            goodput=None if latency_target is None else _goodput(calls, latency_target),
            retried=_ratio(calls.retried, calls.requests),
            failed=_ratio(calls.failed, calls.requests),
            failed_attempts=_failed_attempts(calls),
        )

    def text(self) -> str:
        """For people, in a fixed-width font."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"{'':21}{'p50':>11}{'p90':>11}{'p99':>11}{'mean':>11}{'Requests':>10}"
        for title, spread in (
            ("Time to first token", self.time_to_first_token),
            ("Time per output token", self.time_per_output_token),
            ("Latency", self.latency),
            ("Time in the queue", self.queue),
        ):
            if spread is not None:
                times = (spread.p50, spread.p90, spread.p99, spread.mean)
                yield f"{title:21}{''.join(f'{_time(one):>11}' for one in times)}{spread.count:>10,}"
        if self.requests_per_second is not None:
            yield (
                f"{self.requests_per_second:,.2f} requests/s, {self.tokens_in_per_second:,.0f} tokens/s in, "
                f"{self.tokens_out_per_second:,.0f} tokens/s out, "
                f"over {_time(self.active_seconds)} with calls under way"
            )
        if self.goodput is not None and self.goodput.share is not None:
            rate = self.goodput.requests_per_second
            yield (
                f"{self.goodput.share:.2%} of answers within {_time(self.goodput.latency_target)}"
                + ("" if rate is None else f", {rate:,.2f} requests/s")
            )
        if self.requests:
            yield f"{self.retried:.2%} of {self.requests:,} requests retried, {self.failed:.2%} failed"
        if self.failed_attempts:
            shares = ", ".join(f"{kind} {share:.2%}" for kind, share in self.failed_attempts.items())
            yield f"Failed attempts: {shares}"


@dataclass(frozen=True, slots=True)
class RunPerformance:
    """Of all calls of a run, and of each task's."""

    run: Performance
    tasks: Mapping[str, Performance]


def _spread(values: Floats) -> Spread | None:
    if not len(values):
        return None
    p50, p90, p99 = map(float, np.percentile(values, (50, 90, 99)))
    return Spread(p50, p90, p99, float(values.mean()), len(values))


def _goodput(calls: CallTotals, target: float) -> Goodput:
    good = int((calls.times["latency"] <= target).sum())
    return Goodput(target, _ratio(good, calls.answered), _ratio(good, calls.active_seconds))


def _failed_attempts(calls: CallTotals) -> dict[str, float]:
    """The most frequent first."""
    kinds = sorted(calls.failures.items(), key=lambda kind: (-kind[1], kind[0]))
    return {kind: count / calls.attempts for kind, count in kinds}


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _time(seconds: float) -> str:
    return f"{seconds:,.2f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"
