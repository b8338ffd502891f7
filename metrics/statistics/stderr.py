"""Standard errors of aggregated scores.

Rules of lm-eval 0.4.13 (`stderr_for_metric`): analytic for `mean`, bootstrap for what is in `BOOTSTRAPS`.
Where lm-eval has none, but a formula is known, there is one here, unless lm-eval's output is to be
reproduced (`compat`):

- `weighted_perplexity` and `bits_per_byte` are functions of the ratio R = sum(a) / sum(b); its variance is
  that of a ratio estimator (Cochran, Sampling Techniques, 3rd edition, 1977, section 2.11), carried over by
  the delta method;
- `brier_score` is a mean of one term per document.

With `clusters` the formulas are those of `metrics.statistics.clusters`, and a bootstrap draws whole clusters.
"""

import contextlib
import functools
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from metrics.aggregates.aggregation import AGGREGATIONS, NO_OPTIONS, exponential, mean, ratio
from metrics.aggregates.calibration import resampled_ece
from metrics.aggregates.classification import brier_terms, resampled_f1, resampled_mcc
from metrics.aggregates.translation import resampled_translation
from metrics.bootstrap import Floats, Resampled, bootstrap_stderr, of_sums
from metrics.errors import cannot_use, unknown_name
from metrics.statistics.clusters import RESIDUALS, cluster_numbers, clustered_stderr

CAPPED_METRICS = frozenset({"bleu", "chrf", "chrf++", "ter"})
CAP = 100  # iterations for CAPPED_METRICS, lm-eval's number


def stderr(
    aggregation_name: str,
    items: Sequence[Any],
    *,
    metric: str,
    iterations: int = 100_000,
    compat: bool = False,
    clusters: Sequence[Hashable] | None = None,
    options: Mapping[str, Any] = NO_OPTIONS,
) -> float | None:
    """The standard error of `aggregation(aggregation_name, options)(items)`, in the units of the score.

    metric: the metric's name; those in `CAPPED_METRICS` get at most `CAP` iterations.
    iterations: bootstrap resamples, rounded down to whole thousands beyond the first; 0 for no standard error
        at all, not even an analytic one, as in lm-eval.
    compat: no standard error where lm-eval has none.
    clusters: the cluster of each document, where documents are not independent of each other.

    None for fewer than two documents or clusters, and for aggregations without one (`bypass`; more in
    compat).
    """
    if aggregation_name not in AGGREGATIONS:
        raise unknown_name("aggregation", aggregation_name, AGGREGATIONS)
    if iterations <= 0 or len(items) < 2:
        return None
    numbers = None if clusters is None else cluster_numbers(clusters, len(items))
    if numbers is not None and not numbers.any():
        return None
    with cannot_use(f"Metric {metric!r}: no standard error from values like {items[0]!r}"):
        if aggregation_name in BOOTSTRAPS:
            draws = min(iterations, CAP) if metric in CAPPED_METRICS else iterations
            resampled = BOOTSTRAPS[aggregation_name](items, **options)
            return bootstrap_stderr(resampled, len(items), draws, numbers)
        formula = (COMPAT_FORMULAS if compat else FORMULAS).get(aggregation_name)
        if formula is None:
            return None
        if numbers is None:
            return formula(items)
        return clustered_stderr(RESIDUALS[aggregation_name](items), numbers)


def function_stderr(
    aggregate: Callable[[Sequence[Any]], Any],
    items: Sequence[Any],
    *,
    clusters: Sequence[Hashable] | None = None,
) -> float | None:
    """The standard error of an aggregation of task code, by `CAP` bootstrap resamples.

    None for fewer than two documents or clusters, and where the function fails on a resample, as one that
    needs every class of documents may.
    """
    numbers = None if clusters is None else cluster_numbers(clusters, len(items))
    if len(items) < 2 or (numbers is not None and not numbers.any()):
        return None

    def statistic(counts: Floats) -> Floats:
        drawn = (np.repeat(np.arange(len(items)), row.astype(np.intp)) for row in counts)
        return np.array([float(aggregate([items[i] for i in indices.tolist()])) for indices in drawn])

    with contextlib.suppress(Exception):  # a function of others may raise anything
        return bootstrap_stderr(statistic, len(items), CAP, numbers)
    return None


def mean_stderr(items: Sequence[float]) -> float:
    """sqrt(sum((x - mean)^2) / (n - 1)) / sqrt(n)."""
    middle = mean(items)
    variance = sum((value - middle) ** 2 for value in items) / (len(items) - 1)
    return math.sqrt(variance) / math.sqrt(len(items))


def ratio_stderr(items: Sequence[tuple[float, float]]) -> float:
    """Of R = sum(a) / sum(b): sqrt(n / (n - 1) * sum((a_i - R b_i)^2)) / sum(b)."""
    estimate, n = ratio(items), len(items)
    squares = sum((a - estimate * b) ** 2 for a, b in items)
    return math.sqrt(n / (n - 1) * squares) / sum(b for _, b in items)


def _weighted_perplexity_stderr(items: Sequence[tuple[float, float]]) -> float:
    return ratio_stderr(items) * exponential(-ratio(items))


def _bits_per_byte_stderr(items: Sequence[tuple[float, float]]) -> float:
    return ratio_stderr(items) / math.log(2)


def _brier_stderr(items: Sequence[tuple[Any, Any]]) -> float:
    return mean_stderr(brier_terms(items))


def _resampled_perplexity(items: Sequence[float]) -> Resampled:
    terms = np.column_stack([np.asarray(items, dtype=np.float64), np.ones(len(items))])
    return of_sums(terms, lambda sums: np.exp(-sums[:, 0] / sums[:, 1]))


def _resampled_nanmean(items: Sequence[float]) -> Resampled:
    values = np.asarray(items, dtype=np.float64)
    present = ~np.isnan(values)
    terms = np.column_stack([np.where(present, values, 0.0), present])
    return of_sums(terms, lambda sums: sums[:, 0] / sums[:, 1])


def _resampled_median(items: Sequence[float]) -> Resampled:
    values = np.asarray(items, dtype=np.float64)
    order = np.argsort(values)

    def statistic(counts: Floats) -> Floats:
        reached = np.cumsum(counts[:, order], axis=1)
        medians: Floats = values[order][np.argmax(reached > reached[:, -1:] // 2, axis=1)]
        return medians

    return statistic


BOOTSTRAPS: Mapping[str, Callable[..., Resampled]] = {
    "median": _resampled_median,
    "nanmean": _resampled_nanmean,
    "perplexity": _resampled_perplexity,
    "f1": resampled_f1,
    "mcc": resampled_mcc,
    "matthews_corrcoef": resampled_mcc,
    "ece": resampled_ece,
    "bleu": functools.partial(resampled_translation, "bleu"),
    "chrf": functools.partial(resampled_translation, "chrf"),
    "chrf++": functools.partial(resampled_translation, "chrf++"),
    "ter": functools.partial(resampled_translation, "ter"),
}

COMPAT_FORMULAS: Mapping[str, Callable[[Sequence[Any]], float]] = {"mean": mean_stderr}
FORMULAS: Mapping[str, Callable[[Sequence[Any]], float]] = {
    **COMPAT_FORMULAS,
    "weighted_perplexity": _weighted_perplexity_stderr,
    "bits_per_byte": _bits_per_byte_stderr,
    "brier_score": _brier_stderr,
}
