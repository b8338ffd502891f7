"""How fast a model answered and how often a call failed, from the calls of a run.

A table of calls has a row a request, with the columns of `COLUMNS`. Answered are those whose status is scored
(`answer`, `truncated`, `refused`); what was skipped was never asked, and counts nowhere.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute

from backends.requests import SCORABLE

# `enqueued` in seconds since 1970; `started`, `first_token` (null where an answer was not streamed) and
# `finished` in seconds after it. The others as in `Call` and `Response`.
COLUMNS = pa.schema(
    {
        "enqueued": pa.float64(),
        "started": pa.float64(),
        "first_token": pa.float64(),
        "finished": pa.float64(),
        "tokens_in": pa.int64(),
        "tokens_out": pa.int64(),
        "tokens_cached": pa.int64(),
        "attempts": pa.int64(),
        "failures": pa.list_(pa.string()),
        "status": pa.string(),
    }
)
PERCENTILES = (50, 90, 99)
_TIMES = {
    "time_to_first_token": "Time to first token",
    "time_per_output_token": "Time per output token",
    "latency": "Latency",
    "queue": "Time in the queue",
}

Floats = npt.NDArray[np.float64]


def performance(calls: pa.Table, latency_target: float | None = None) -> dict[str, Any]:
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
    asked = calls.filter(compute.not_equal(calls["status"], "skipped"))
    is_answered = compute.is_in(asked["status"], value_set=pa.array(sorted(SCORABLE)))
    answered = asked.filter(is_answered)
    latency = _floats(answered, "finished") - _floats(answered, "started")
    active = _active_seconds(asked)
    tokens = {name: _total(answered, f"tokens_{name}") for name in ("in", "out", "cached")}
    return {
        "requests": asked.num_rows,
        "answered": answered.num_rows,
        "time_to_first_token": _spread(_first_token_times(answered)),
        "time_per_output_token": _spread(_token_times(answered, latency)),
        "latency": _spread(latency),
        "queue": _spread(_floats(answered, "started")),
        "active_seconds": active,
        "tokens": tokens,
        "requests_per_second": _ratio(answered.num_rows, active),
        "tokens_in_per_second": _ratio(tokens["in"], active),
        "tokens_out_per_second": _ratio(tokens["out"], active),
        "goodput": None if latency_target is None else _goodput(latency, active, latency_target),
        "retried": _ratio(int((_floats(asked, "attempts") > 1).sum()), asked.num_rows),
        "failed": _ratio(_count(asked, "failed"), asked.num_rows),
        "failed_attempts": _failed_attempts(asked),
    }


def lines(figures: Mapping[str, Any]) -> Iterator[str]:
    """The figures of `performance` for people."""
    yield f"{'':21}{'p50':>11}{'p90':>11}{'p99':>11}{'mean':>11}{'Requests':>10}"
    for key, title in _TIMES.items():
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


def _floats(calls: pa.Table, name: str) -> Floats:
    """A column's values; null is NaN."""
    values: Floats = calls[name].to_numpy().astype(np.float64)
    return values


def _total(calls: pa.Table, name: str) -> int:
    return int(calls[name].to_numpy().sum())


def _count(calls: pa.Table, status: str) -> int:
    return int(compute.sum(compute.equal(calls["status"], status)).as_py() or 0)


def _first_token_times(answered: pa.Table) -> Floats:
    times = _floats(answered, "first_token") - _floats(answered, "started")
    return times[~np.isnan(times)]


def _token_times(answered: pa.Table, latency: Floats) -> Floats:
    tokens = _floats(answered, "tokens_out")
    after_first = _floats(answered, "finished") - _floats(answered, "first_token")
    is_streamed = ~np.isnan(after_first) & (tokens > 1)
    time = np.where(is_streamed, after_first, latency)
    counted = np.where(is_streamed, tokens - 1, tokens)
    return time[counted > 0] / counted[counted > 0]


def _spread(values: Floats) -> dict[str, float] | None:
    if not len(values):
        return None
    percentiles = np.percentile(values, PERCENTILES)
    named = {f"p{rank}": float(value) for rank, value in zip(PERCENTILES, percentiles, strict=True)}
    return {**named, "mean": float(values.mean()), "count": len(values)}


def _active_seconds(calls: pa.Table) -> float:
    """The length of the union of the intervals in which calls were under way."""
    if not calls.num_rows:
        return 0.0
    enqueued = _floats(calls, "enqueued")
    begins = enqueued - enqueued.min() + _floats(calls, "started")
    ends = begins + _floats(calls, "finished") - _floats(calls, "started")
    order = np.argsort(begins)
    begins, reached = begins[order], np.maximum.accumulate(ends[order])
    gaps = np.maximum(begins[1:] - reached[:-1], 0.0)
    return float(reached[-1] - begins[0] - gaps.sum())


def _goodput(latency: Floats, active: float, target: float) -> dict[str, float | None]:
    good = int((latency <= target).sum())
    return {
        "latency_target": target,
        "share": _ratio(good, len(latency)),
        "requests_per_second": _ratio(good, active),
    }


def _failed_attempts(asked: pa.Table) -> dict[str, float]:
    """The most frequent first."""
    attempts = _total(asked, "attempts")
    kinds = compute.value_counts(compute.list_flatten(asked["failures"])).to_pylist()
    kinds.sort(key=lambda kind: (-kind["counts"], kind["values"]))
    return {kind["values"]: kind["counts"] / attempts for kind in kinds}


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
