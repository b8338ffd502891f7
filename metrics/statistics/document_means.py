"""Aggregated values of two runs as means over documents, so that they can be compared by pairs.

A perplexity is exp(m), where m = sum(-a) / sum(b) is a mean over documents: of -a n / sum(b), with a their
log-likelihoods, b their lengths (1 each for `perplexity`) and n their number. Bits per byte are m / ln 2.
Between two runs the documents' parts of m are scaled by the slope from one value to the other,
(v2 - v1) / (m2 - m1), so that their mean difference is that of the values. So the p values are those of the
mean log-likelihood, and the standard error is the delta method's, with the slope of the secant. Lengths are
taken as given: they are of the text, and the same in both runs.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from metrics.aggregates.aggregation import exponential

Floats = npt.NDArray[np.float64]
Means = tuple[list[float], list[float]]
# Of the values of the same documents in two runs: scores of each whose means are the aggregated values; None
# where those are not finite.
AsMeans = Callable[[Sequence[Any], Sequence[Any]], Means | None]


def _as_they_are(first: Sequence[float], second: Sequence[float]) -> Means | None:
    return (list(first), list(second)) if np.isfinite([*first, *second]).all() else None


def _perplexity(first: Sequence[float], second: Sequence[float]) -> Means | None:
    return _scaled(-np.asarray(first, np.float64), -np.asarray(second, np.float64), exponential, exponential)


def _weighted_perplexity(first: Sequence[Any], second: Sequence[Any]) -> Means | None:
    parts = _parts(first, second)
    return None if parts is None else _scaled(*parts, exponential, exponential)


def _bits_per_byte(first: Sequence[Any], second: Sequence[Any]) -> Means | None:
    parts = _parts(first, second)
    return None if parts is None else _scaled(*parts, _bits, lambda _: _bits(1.0))


def _bits(nats: float) -> float:
    return nats / math.log(2)


def _parts(first: Sequence[Any], second: Sequence[Any]) -> tuple[Floats, Floats] | None:
    """The documents' parts of m in both runs; None where the lengths differ."""
    one, other = (np.asarray(list(map(tuple, items)), np.float64) for items in (first, second))
    if not np.array_equal(one[:, 1], other[:, 1]) or not one[:, 1].sum() > 0:
        return None
    share = len(one) / one[:, 1].sum()
    return -one[:, 0] * share, -other[:, 0] * share


def _scaled(
    first: Floats, second: Floats, value: Callable[[float], float], slope: Callable[[float], float]
) -> Means | None:
    """value: the aggregated one, of a mean. slope: its derivative. None where a value is not finite."""
    one, other = float(first.mean()), float(second.mean())
    start, end = value(one), value(other)
    if not math.isfinite(start) or not math.isfinite(end):
        return None
    steep = slope(one) if math.isclose(one, other, rel_tol=1e-9) else (end - start) / (other - one)
    return (start + steep * (first - one)).tolist(), (start + steep * (second - one)).tolist()


# By what documents' scores are (numbers, or pairs of log-likelihood and length), by the aggregation's name.
AS_MEANS: Mapping[str, Mapping[str, AsMeans]] = {
    "number": {"mean": _as_they_are, "nanmean": _as_they_are, "perplexity": _perplexity},
    "pair": {"weighted_perplexity": _weighted_perplexity, "bits_per_byte": _bits_per_byte},
}
