"""What figures are made of: of many calls as much as must be kept, so that a large run fits in memory.

A table of calls has a row a request, with the columns of `COLUMNS`. Answered are those whose status is scored
(`answer`, `truncated`, `refused`); what was skipped was never asked, and counts nowhere.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self

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
TIMES = ("time_to_first_token", "time_per_output_token", "latency", "queue")
TOKENS = ("in", "out", "cached")

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CallTotals:
    """Counts and times of calls; those of several tasks add up (`together`).

    times: by each of `TIMES`, the seconds of the answered requests that have one, in no order; percentiles
        need them all.
    busy: the begin and end, in seconds since 1970, of each stretch in which calls were under way; shape
        (stretches, 2), in order and apart from each other.
    attempts: of all requests together. failures: how many of the attempts failed, by kind.
    """

    requests: int
    answered: int
    failed: int
    retried: int
    attempts: int
    failures: Counter[str]
    tokens: Mapping[str, int]
    times: Mapping[str, Floats]
    busy: Floats

    @classmethod
    def of(cls, calls: pa.Table) -> Self:
        asked = calls.filter(compute.not_equal(calls["status"], "skipped"))
        answered = asked.filter(compute.is_in(asked["status"], value_set=pa.array(sorted(SCORABLE))))
        enqueued, attempts = _floats(asked, "enqueued"), _floats(asked, "attempts")
        kinds = compute.value_counts(compute.list_flatten(asked["failures"])).to_pylist()
        return cls(
            requests=asked.num_rows,
            answered=answered.num_rows,
            failed=int(compute.sum(compute.equal(asked["status"], "failed")).as_py() or 0),
            retried=int((attempts > 1).sum()),
            attempts=int(attempts.sum()),
            failures=Counter({kind["values"]: kind["counts"] for kind in kinds}),
            tokens={name: int(answered[f"tokens_{name}"].to_numpy().sum()) for name in TOKENS},
            times=_times(answered),
            busy=_stretches(enqueued + _floats(asked, "started"), enqueued + _floats(asked, "finished")),
        )

    @classmethod
    def together(cls, tallies: Collection[Self]) -> Self:
        """Of all their calls. tallies: one at least."""
        busy = np.concatenate([one.busy for one in tallies])
        return cls(
            requests=sum(one.requests for one in tallies),
            answered=sum(one.answered for one in tallies),
            failed=sum(one.failed for one in tallies),
            retried=sum(one.retried for one in tallies),
            attempts=sum(one.attempts for one in tallies),
            failures=sum((one.failures for one in tallies), Counter()),
            tokens={name: sum(one.tokens[name] for one in tallies) for name in TOKENS},
            times={name: np.concatenate([one.times[name] for one in tallies]) for name in TIMES},
            busy=_stretches(busy[:, 0], busy[:, 1]),
        )

    @property
    def active_seconds(self) -> float:
        """How long at least one call was under way."""
        return float((self.busy[:, 1] - self.busy[:, 0]).sum())


def _floats(calls: pa.Table, name: str) -> Floats:
    """A column's values; null is NaN."""
    values: Floats = calls[name].to_numpy().astype(np.float64)
    return values


def _times(answered: pa.Table) -> dict[str, Floats]:
    started, finished = _floats(answered, "started"), _floats(answered, "finished")
    first_token, tokens = _floats(answered, "first_token"), _floats(answered, "tokens_out")
    to_first_token = first_token - started
    is_streamed = ~np.isnan(first_token) & (tokens > 1)
    time = np.where(is_streamed, finished - first_token, finished - started)
    counted = np.where(is_streamed, tokens - 1, tokens)
    return {
        "time_to_first_token": to_first_token[~np.isnan(to_first_token)],
        "time_per_output_token": time[counted > 0] / counted[counted > 0],
        "latency": finished - started,
        "queue": started,
    }


def _stretches(begins: Floats, ends: Floats) -> Floats:
    """The union of intervals, as those of `CallTotals.busy`."""
    if not len(begins):
        return np.empty((0, 2))
    order = np.argsort(begins)
    begins, reached = begins[order], np.maximum.accumulate(ends[order])
    is_first = np.concatenate([[True], begins[1:] > reached[:-1]])
    is_last = np.concatenate([is_first[1:], [True]])
    return np.stack([begins[is_first], reached[is_last]], axis=1)
