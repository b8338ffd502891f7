"""Confidence intervals of aggregated scores.

- Wilson's score interval for a share: the mean of values that are all 0 or 1. It stays within [0, 1] and
  holds its level also for few documents and for shares near 0 and 1, where the normal one does not.
  Sources: Wilson (1927), "Probable inference, the law of succession, and statistical inference"; Brown, Cai
  and DasGupta (2001), "Interval estimation for a binomial proportion".
- The normal approximation, value +- z * stderr, for everything else, and for shares over documents in
  clusters, which Wilson's interval would take for independent.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

LEVEL = 0.95  # how often an interval has the true score in it


class Interval(NamedTuple):
    """From `low` to `high`, in the units of the score."""

    low: float
    high: float


def interval(
    value: float,
    stderr: float | None,
    values: Sequence[Any] = (),
    *,
    clustered: bool = False,
) -> Interval | None:
    """The two-sided confidence interval of a score at `LEVEL`.

    value, stderr: the score and its standard error; where there is none (also infinite or NaN), None.
    values: what each document has, as its aggregation read it; empty if that is not known.
    clustered: whether `stderr` is one over clusters.
    """
    if stderr is None or not (math.isfinite(value) and math.isfinite(stderr)):
        return None
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    if not clustered and _is_share(value, values):
        return _wilson(value, len(values), z)
    return Interval(value - z * stderr, value + z * stderr)


def _is_share(value: float, values: Sequence[Any]) -> bool:
    """Whether `value` is the mean of `values`, all of them 0 or 1."""
    if not len(values) or not all(one in (0, 1) for one in values):
        return False
    return math.isclose(value, sum(values) / len(values), abs_tol=1e-12)


def _wilson(share: float, n: int, z: float) -> Interval:
    """The shares p with |share - p| <= z * sqrt(p (1 - p) / n)."""
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return Interval(max(middle - half, 0.0), min(middle + half, 1.0))
