"""Standard errors where documents come in clusters, such as the questions about one text.

Answers within a cluster go together, so that a standard error over single documents is too small. The
variance of an estimate is taken from the sums of its residuals over clusters: sum_c (sum_{i in c} r_i)^2.
Sources: Liang and Zeger (1986), "Longitudinal data analysis using generalized linear models"; for means
Miller (2024), "Adding Error Bars to Evals", section 2.2. There is no correction for few clusters: where each
document is its own cluster, the result is the unclustered standard error times sqrt((n - 1) / n).
"""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from metrics.aggregates.aggregation import exponential, mean, ratio
from metrics.aggregates.classification import brier_terms
from metrics.bootstrap import Indices
from metrics.errors import MetricError


def cluster_numbers(clusters: Sequence[Hashable], documents: int) -> Indices:
    """The number of each document's cluster, in the order in which clusters are met."""
    if len(clusters) != documents:
        raise MetricError(f"{documents} documents have values, but {len(clusters)} have a cluster.")
    numbers: dict[Hashable, int] = {}
    try:
        found = [numbers.setdefault(cluster, len(numbers)) for cluster in clusters]
    except TypeError as error:
        raise MetricError(f"A cluster is named by a text or a number: {error}.") from error
    return np.array(found, dtype=np.intp)


def clustered_stderr(residuals: npt.ArrayLike, numbers: Indices) -> float:
    """sqrt(sum over clusters of (sum of the residuals in it)^2)."""
    sums = np.bincount(numbers, weights=np.asarray(residuals, dtype=np.float64))
    return math.sqrt(float(np.sum(sums**2)))


def mean_residuals(items: Sequence[float]) -> list[float]:
    """What each document adds to the error of the mean: (x_i - mean) / n."""
    middle = mean(items)
    return [(value - middle) / len(items) for value in items]


def ratio_residuals(items: Sequence[tuple[float, float]]) -> list[float]:
    """What each document adds to the error of R = sum(a) / sum(b), to first order: (a_i - R b_i) / sum(b)."""
    estimate, total = ratio(items), sum(b for _, b in items)
    return [(a - estimate * b) / total for a, b in items]


def _weighted_perplexity_residuals(items: Sequence[tuple[float, float]]) -> list[float]:
    slope = exponential(-ratio(items))
    return [slope * residual for residual in ratio_residuals(items)]


def _bits_per_byte_residuals(items: Sequence[tuple[float, float]]) -> list[float]:
    return [residual / math.log(2) for residual in ratio_residuals(items)]


def _brier_residuals(items: Sequence[tuple[Any, Any]]) -> list[float]:
    return mean_residuals(brier_terms(items))


RESIDUALS: Mapping[str, Callable[[Sequence[Any]], list[float]]] = {
    "mean": mean_residuals,
    "weighted_perplexity": _weighted_perplexity_residuals,
    "bits_per_byte": _bits_per_byte_residuals,
    "brier_score": _brier_residuals,
}
