"""Confidence intervals: published values, the equation they solve, and how often they hold."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from metrics.statistics.intervals import Interval, interval
from metrics.statistics.stderr import stderr


def an_interval(value: float, values: Sequence[Any]) -> Interval:
    found = interval(value, 0.1, values)
    assert found is not None
    return found


def shares(right: int, n: int) -> Any:
    return [1] * right + [0] * (n - right)


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    # Newcombe (1998), "Two-sided confidence intervals for the single proportion", table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_a_share_has_wilsons_interval(right: int, n: int, low: float, high: float) -> None:
    found = interval(right / n, 0.1, shares(right, n))
    assert found == pytest.approx((low, high), abs=5e-5)


def test_wilsons_ends_are_as_far_from_the_share_as_their_own_standard_error_says() -> None:
    for end in an_interval(0.7, shares(7, 10)):
        assert abs(0.7 - end) == pytest.approx(1.9599640 * math.sqrt(end * (1 - end) / 10))


def test_wilsons_interval_stays_within_its_bounds_to_the_last_digit() -> None:
    for n in range(1, 300):
        assert an_interval(0.0, shares(0, n)).low >= 0.0
        assert an_interval(1.0, shares(n, n)).high <= 1.0


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_an_interval_holds_as_often_as_its_level_says(share: float) -> None:
    generator, holds = np.random.default_rng(1), 0
    for _ in range(1000):
        values = (generator.random(60) < share).astype(int).tolist()
        found = interval(np.mean(values), stderr("mean", values, metric="acc"), values)
        assert found is not None
        holds += found.low <= share <= found.high
    assert holds / 1000 == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize(
    ("value", "values", "clustered"),
    [
        (0.5, [0.25, 0.75], False),
        (0.5, [(0, 1), (1, 1)], False),
        (0.5, [], False),
        (0.5, [0, 1], True),
        (0.4, [0, 1, 1], False),
    ],
)
def test_what_is_no_share_of_independent_documents_has_the_normal_interval(
    value: Any, values: Any, clustered: bool
) -> None:
    found = interval(value, 0.1, values, clustered=clustered)
    assert found == pytest.approx((value - 0.1959964, value + 0.1959964))


@pytest.mark.parametrize(
    ("value", "error"), [(0.5, None), (math.inf, 1.0), (0.5, math.nan), (math.inf, math.nan)]
)
def test_without_a_standard_error_there_is_no_interval(value: Any, error: Any) -> None:
    assert interval(value, error, [0, 1]) is None
