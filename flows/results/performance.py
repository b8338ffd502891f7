"""How fast a model answered and how often a call failed, from the tally of its calls."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from flows.results.call_totals import TIMES, Floats, Tally

PERCENTILES = (50, 90, 99)
_TITLES = {
    "time_to_first_token": "Time to first token",
    "time_per_output_token": "Time per output token",
    "latency": "Latency",
    "queue": "Time in the queue",
}


def performance(calls: Tally, latency_target: float | None = None) -> dict[str, Any]:
    """Figures as JSON values; None where there is nothing to make one of. Times are in seconds.

    time_to_first_token: from the start of the try that was answered, where the answer was streamed.
    time_per_output_token: of a streamed answer of several tokens the time after its first token by the tokens
        after it; of any other with tokens its latency by its tokens.
    latency: from the start of the try that was answered to its end. queue: from asking to that start.
        Each of these has p50, p90, p99 and mean of the answered requests that have one, and their count.
    active_seconds: how long at least one call was under way. The rates are by that time, so that neither an
        interruption nor work of other kinds between calls counts.
    goodput: with a target (seconds), the share of answered requests with a latency within it, and their rate.
    retried, failed: shares of the requests that took more than one attempt, and that have no answer.
    failed_attempts: by kind, the share of all attempts that failed so.
    """
    active = calls.active_seconds
    return {
        "requests": calls.requests,
        "answered": calls.answered,
        **{name: _spread(calls.times[name]) for name in TIMES},
        "active_seconds": active,
        "tokens": dict(calls.tokens),
        "requests_per_second": _ratio(calls.answered, active),
        "tokens_in_per_second": _ratio(calls.tokens["in"], active),
        "tokens_out_per_second": _ratio(calls.tokens["out"], active),
        "goodput": None if latency_target is None else _goodput(calls, latency_target),
        "retried": _ratio(calls.retried, calls.requests),
        "failed": _ratio(calls.failed, calls.requests),
        "failed_attempts": _failed_attempts(calls),
    }


def lines(figures: Mapping[str, Any]) -> Iterator[str]:
    """The figures of `performance` for people."""
    yield f"{'':21}{'p50':>11}{'p90':>11}{'p99':>11}{'mean':>11}{'Requests':>10}"
    for key, title in _TITLES.items():
        if spread := figures[key]:
            times = "".join(f"{_time(spread[name]):>11}" for name in ("p50", "p90", "p99", "mean"))
            yield f"{title:21}{times}{spread['count']:>10,}"
    if figures["requests_per_second"] is not None:
        rates = [figures[f"{name}_per_second"] for name in ("requests", "tokens_in", "tokens_out")]
        yield (
            "{:,.2f} requests/s, {:,.0f} tokens/s in, {:,.0f} tokens/s out".format(*rates)
            + f", over {_time(figures['active_seconds'])} with calls under way"
        )
    if good := figures["goodput"]:
        yield from _goodput_lines(good)
    if figures["requests"]:
        retried, failed = figures["retried"], figures["failed"]
        yield f"{retried:.2%} of {figures['requests']:,} requests retried, {failed:.2%} failed"
    if kinds := figures["failed_attempts"]:
        shares = ", ".join(f"{kind} {share:.2%}" for kind, share in kinds.items())
        yield f"Failed attempts: {shares}"


def _spread(values: Floats) -> dict[str, float] | None:
    if not len(values):
        return None
    percentiles = np.percentile(values, PERCENTILES)
    named = {f"p{rank}": float(value) for rank, value in zip(PERCENTILES, percentiles, strict=True)}
    return {**named, "mean": float(values.mean()), "count": len(values)}


def _goodput(calls: Tally, target: float) -> dict[str, float | None]:
    good = int((calls.times["latency"] <= target).sum())
    return {
        "latency_target": target,
        "share": _ratio(good, calls.answered),
        "requests_per_second": _ratio(good, calls.active_seconds),
    }


def _failed_attempts(calls: Tally) -> dict[str, float]:
    """The most frequent first."""
    kinds = sorted(calls.failures.items(), key=lambda kind: (-kind[1], kind[0]))
    return {kind: count / calls.attempts for kind, count in kinds}


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _goodput_lines(good: Mapping[str, Any]) -> Iterator[str]:
    if good["share"] is not None:
        rate = (
            "" if good["requests_per_second"] is None else f", {good['requests_per_second']:,.2f} requests/s"
        )
        yield f"{good['share']:.2%} of answers within {_time(good['latency_target'])}{rate}"


def _time(seconds: float) -> str:
    return f"{seconds:,.2f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"
