"""Aggregations and a helper that task code calls."""

from collections.abc import Callable, Iterable
from typing import Any

from metrics.aggregates.aggregation import (
    bits_per_byte,
    mean,
    median,
    nanmean,
    perplexity,
    weighted_perplexity,
)

__all__ = [
    "bits_per_byte",
    "mean",
    "median",
    "metric_max_over_ground_truths",
    "nanmean",
    "perplexity",
    "weighted_perplexity",
]


def metric_max_over_ground_truths(
    metric_fn: Callable[[Any, Any], Any], prediction: Any, ground_truths: Iterable[Any]
) -> Any:
    """The best score of a prediction against any of several targets."""
    return max(metric_fn(prediction, target) for target in ground_truths)
