"""Figures of calls: what they are by hand on a few, and by numpy and counting on many."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.results.call_totals import COLUMNS, CallTotals
from flows.results.performance import Performance

BASE: Mapping[str, Any] = {
    "enqueued": 1_750_000_000.0,
    "started": 0.0,
    "first_token": None,
    "finished": 1.0,
    "tokens_in": 10,
    "tokens_out": 5,
    "tokens_cached": 0,
    "attempts": 1,
    "failures": [],
    "status": "answer",
}
SECONDS = st.integers(0, 400).map(lambda tenths: tenths / 10)


def table(calls: Sequence[Mapping[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([{**BASE, **call} for call in calls], schema=COLUMNS)


def figures(*calls: Mapping[str, Any], target: float | None = None) -> dict[str, Any]:
    return asdict(Performance.of(CallTotals.of(table(calls)), target))


def lines(*calls: Mapping[str, Any], target: float | None = None) -> list[str]:
    return Performance.of(CallTotals.of(table(calls)), target).text().splitlines()


def test_times_are_those_of_the_try_that_was_answered() -> None:
    found = figures({"started": 2.0, "first_token": 2.5, "finished": 4.5, "tokens_out": 5})
    assert found["queue"]["mean"] == 2.0
    assert found["time_to_first_token"]["mean"] == 0.5
    assert found["latency"]["mean"] == 2.5
    assert found["time_per_output_token"]["mean"] == 0.5


@pytest.mark.parametrize(
    ("first_token", "tokens_out", "time"),
    [(0.4, 5, 0.4), (0.4, 1, 2.0), (None, 5, 0.4), (None, 1, 2.0)],
)
def test_the_time_per_token_is_without_the_first_only_where_that_was_seen_and_others_followed(
    first_token: float | None, tokens_out: int, time: float
) -> None:
    found = figures({"first_token": first_token, "finished": 2.0, "tokens_out": tokens_out})
    assert found["time_per_output_token"]["p50"] == pytest.approx(time)


def test_what_has_no_tokens_or_was_not_streamed_has_no_time_of_them() -> None:
    found = figures({"tokens_out": 0}, {"tokens_out": 0, "first_token": 0.5})
    assert found["time_per_output_token"] is None
    assert found["time_to_first_token"]["count"] == 1
    assert figures({})["time_to_first_token"] is None


@given(st.lists(st.floats(0, 1e5), min_size=1, max_size=200))
def test_percentiles_and_means_are_those_of_the_sorted_times(times: list[float]) -> None:
    found = figures(*({"finished": time} for time in times))["latency"]
    ordered = sorted(times)
    for rank in (50, 90, 99):
        below, above = np.searchsorted(ordered, found[f"p{rank}"], "left"), found[f"p{rank}"]
        assert found[f"p{rank}"] == pytest.approx(np.percentile(ordered, rank))
        assert below / len(times) <= rank / 100 <= (np.searchsorted(ordered, above, "right") + 1) / len(times)
    assert found["mean"] == pytest.approx(sum(times) / len(times))
    assert found["count"] == len(times)


@given(st.lists(st.tuples(SECONDS, SECONDS, SECONDS), min_size=1, max_size=30))
def test_active_is_every_tenth_of_a_second_in_which_some_call_was_under_way(
    calls: list[tuple[float, float, float]],
) -> None:
    rows = [
        {"enqueued": BASE["enqueued"] + at, "started": wait, "finished": wait + took}
        for at, wait, took in calls
    ]
    tenths = {
        tenth
        for at, wait, took in calls
        for tenth in range(round((at + wait) * 10), round((at + wait + took) * 10))
    }
    assert figures(*rows)["active_seconds"] == pytest.approx(len(tenths) / 10, abs=1e-5)


@given(st.lists(st.lists(st.tuples(SECONDS, SECONDS, SECONDS), max_size=8), min_size=1, max_size=4))
def test_tasks_together_give_what_their_calls_give_at_once(
    tasks: list[list[tuple[float, float, float]]],
) -> None:
    calls = [
        [
            {
                "enqueued": BASE["enqueued"] + at,
                "started": wait,
                "finished": wait + took,
                "attempts": 1 + round(took) % 3,
                "failures": ["timeout"] * (round(took) % 3),
                "status": "failed" if round(wait) % 4 == 0 else "answer",
            }
            for at, wait, took in task
        ]
        for task in tasks
    ]
    together = asdict(
        Performance.of(CallTotals.together([CallTotals.of(table(task)) for task in calls]), 20.0)
    )
    at_once = figures(*(call for task in calls for call in task), target=20.0)
    assert _flat(together) == pytest.approx(_flat(at_once), nan_ok=True)


def _flat(found: Mapping[str, Any], under: str = "") -> dict[str, float]:
    """The numbers by their path; NaN where there is none."""
    numbers: dict[str, float] = {}
    for name, value in found.items():
        inner = {f"{under}{name}": float("nan") if value is None else value}
        numbers |= _flat(value, f"{under}{name}.") if isinstance(value, Mapping) else inner
    return numbers


def test_an_interruption_does_not_slow_a_run_down() -> None:
    day = {"enqueued": BASE["enqueued"] + 86_400}
    found = figures({"finished": 2.0}, {"finished": 2.0}, {"finished": 1.0}, {**day, "finished": 2.0})
    assert found["active_seconds"] == 4.0
    assert found["requests_per_second"] == 1.0
    assert (found["tokens_in_per_second"], found["tokens_out_per_second"]) == (10.0, 5.0)


def test_waiting_in_the_queue_is_no_activity() -> None:
    assert figures({"started": 50.0, "finished": 51.0})["active_seconds"] == pytest.approx(1.0)


def test_goodput_is_what_was_answered_within_the_target() -> None:
    calls = [{"finished": seconds} for seconds in (1.0, 2.0, 3.0, 4.0)]
    found = figures(*calls, {"status": "failed", "finished": 0.1}, target=3.0)
    assert found["goodput"] == {"latency_target": 3.0, "share": 0.75, "requests_per_second": 0.75}
    assert figures(*calls)["goodput"] is None


def test_goodput_does_not_count_the_time_before_the_call() -> None:
    assert figures({"started": 9.0, "finished": 10.0}, target=1.0)["goodput"]["share"] == 1.0


def test_retries_and_failures_are_shares_of_requests_and_their_kinds_of_attempts() -> None:
    found = figures(
        {},
        {"attempts": 3, "failures": ["rate_limited", "transient"]},
        {"attempts": 4, "failures": ["rate_limited"] * 3, "status": "failed"},
        {"attempts": 2, "failures": ["transient"], "status": "refused"},
    )
    assert (found["retried"], found["failed"]) == (0.75, 0.25)
    assert found["failed_attempts"] == {"rate_limited": 0.4, "transient": 0.2}
    assert list(found["failed_attempts"]) == ["rate_limited", "transient"]


def test_only_answers_have_times_and_tokens_but_failed_calls_are_activity() -> None:
    failed = {"status": "failed", "started": 5.0, "finished": 9.0, "first_token": 6.0, "tokens_in": 99}
    found = figures({"status": "truncated", "tokens_cached": 4}, {"status": "refused"}, failed)
    assert (found["requests"], found["answered"]) == (3, 2)
    assert found["latency"]["count"] == found["queue"]["count"] == 2
    assert found["time_to_first_token"] is None
    assert found["tokens"] == {"in": 20, "out": 10, "cached": 4}
    assert found["active_seconds"] == pytest.approx(5.0)


def test_what_was_skipped_counts_nowhere() -> None:
    skipped = {"status": "skipped", "finished": 99.0, "attempts": 2, "failures": ["transient"]}
    assert figures({}, skipped, target=1.0) == figures({}, target=1.0)


@pytest.mark.parametrize(
    "calls",
    [[], [{"status": "failed"}], [{"status": "skipped"}], [{"finished": 0.0}], [{"tokens_out": 0}]],
)
def test_what_there_is_no_data_for_is_null_and_json(calls: list[dict[str, Any]]) -> None:
    found = figures(*calls, target=1.0)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert all("nan" not in line and "None" not in line for line in lines(*calls, target=1.0))


def test_without_calls_there_are_no_figures() -> None:
    found = figures(target=1.0)
    assert (found["latency"], found["requests_per_second"], found["retried"]) == (None, None, None)
    assert found["goodput"]["share"] is None
    assert [line.split() for line in lines(target=1.0)] == [["p50", "p90", "p99", "mean", "Requests"]]


def test_the_lines_show_a_row_for_each_time_and_the_rates() -> None:
    calls: list[dict[str, Any]] = [
        {"first_token": 0.0421, "finished": 2.0, "tokens_in": 3000},
        {"started": 1234.5, "finished": 1236.5, "attempts": 2, "failures": ["transient"]},
    ]
    assert lines(*calls, target=2.0) == [
        "                             p50        p90        p99       mean  Requests",
        "Time to first token      42.1 ms    42.1 ms    42.1 ms    42.1 ms         1",
        "Time per output token   444.7 ms   480.5 ms   488.6 ms   444.7 ms         2",
        "Latency                   2.00 s     2.00 s     2.00 s     2.00 s         2",
        "Time in the queue       617.25 s 1,111.05 s 1,222.15 s   617.25 s         2",
        "0.50 requests/s, 752 tokens/s in, 2 tokens/s out, over 4.00 s with calls under way",
        "100.00% of answers within 2.00 s, 0.50 requests/s",
        "50.00% of 2 requests retried, 0.00% failed",
        "Failed attempts: transient 33.33%",
    ]


def test_lines_leave_out_what_there_is_none_of() -> None:
    shown = "\n".join(lines({"tokens_out": 0}))
    assert "first token" not in shown
    assert "output token" not in shown
    assert "within" not in shown
    assert "Failed attempts" not in shown
