"""The score of a group from the scores of its tasks (lm-eval 0.4.13, `Group.aggregate`)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from metrics.errors import MetricError


@dataclass(frozen=True, slots=True)
class GroupScore:
    """stderr: None where one of the tasks has none."""

    value: float
    stderr: float | None


def aggregate_group(
    values: Sequence[float],
    stderrs: Sequence[float | None],
    sizes: Sequence[int],
    *,
    weight_by_size: bool = True,
) -> GroupScore:
    """One metric of a group from its leaf tasks: their values, standard errors and numbers of documents."""
    value = weighted_mean(values, sizes, weight_by_size)
    known = [stderr for stderr in stderrs if stderr is not None]
    if len(known) < len(values):
        return GroupScore(value, None)
    return GroupScore(value, pooled_stderr(known, sizes) if weight_by_size else unweighted_stderr(known))


def weighted_mean(values: Sequence[float], sizes: Sequence[int], weight_by_size: bool = True) -> float:
    """The mean of `values`, each counted `sizes` times, or once if not `weight_by_size`."""
    weights = sizes if weight_by_size else [1] * len(values)
    _check_lengths(values, weights)
    if not sum(weights):
        raise MetricError("A group's score needs a task with documents.")
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)


def pooled_stderr(stderrs: Sequence[float], sizes: Sequence[int]) -> float:
    """The standard error of the size-weighted mean of tasks, from the pooled variance of their documents.

    s^2 = sum((n_i - 1) * n_i * se_i^2) / (N - k), se = sqrt(s^2 / N), for k tasks of n_i documents, N in all.
    Source: https://en.wikipedia.org/wiki/Pooled_variance, with n_i * se_i^2 as a task's variance.
    """
    _check_lengths(stderrs, sizes)
    total, freedom = sum(sizes), sum(sizes) - len(sizes)
    if freedom <= 0:
        raise MetricError("A pooled standard error needs a task with more than one document.")
    variance = sum((n - 1) * se**2 * n for n, se in zip(sizes, stderrs, strict=True)) / freedom
    return math.sqrt(variance / total)


def unweighted_stderr(stderrs: Sequence[float]) -> float:
    """The standard error of the plain mean of k independent tasks: sqrt(sum(se_i^2)) / k."""
    _check_lengths(stderrs, stderrs)
    return math.sqrt(sum(se**2 for se in stderrs)) / len(stderrs)


def _check_lengths(values: Sequence[float], sizes: Sequence[float]) -> None:
    if not values or len(values) != len(sizes):
        raise MetricError(
            f"A group's score needs one size per task: {len(values)} values, {len(sizes)} sizes."
        )
