"""The differences of two runs in the rows of their tables: of a task from its samples, of a group from its
tasks."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from flows.comparing.difference import Difference, Flip
from flows.comparing.matched_samples import Matched
from metrics.aggregates.aggregation import AGGREGATIONS
from metrics.aggregates.groups import weighted_mean
from metrics.statistics.document_means import AS_MEANS
from metrics.statistics.paired import Paired, Pairs, paired


@dataclass(frozen=True, slots=True)
class Number:
    """A row of the first run's table, and the value that it has in the second."""

    row: Mapping[str, Any]
    second: float

    @property
    def values(self) -> tuple[float, float]:
        return self.row["value"], self.second

    def difference(
        self, found: Paired | None, values: tuple[float, float], flips: Sequence[Flip] = ()
    ) -> Difference:
        """values: those to show."""
        names = ("task", "alias", "depth", "filter", "metric", "higher_is_better")
        own = {name: self.row[name] for name in names}
        return Difference(**own, first=values[0], second=values[1], paired=found, flips=tuple(flips))


@dataclass(frozen=True, slots=True)
class Leaf:
    """A task of a group: its values and numbers of documents in the two runs, how many times it is in the
    group, and the scores of both, if its value is the mean of them."""

    values: tuple[float, float]
    sizes: tuple[int, int]
    times: int
    pairs: Pairs | None

    def weighted(self, by_size: bool) -> "Pairs | None":
        """The scores, with the weight of the task in the group, over the documents of both runs."""
        if self.pairs is None:
            return None
        return replace(self.pairs, weight=self.times * (len(self.pairs.first) if by_size else 1))


def pairs_of(number: Number, samples: Matched) -> Pairs | None:
    """The scores of a task's documents in both runs; None where the value is no mean of them, nor can be made
    one (`metrics.statistics.document_means`)."""
    metric, filter_name = number.row["metric"], number.row["filter"]
    scores = samples.scores(metric, filter_name)
    if scores is None or scores.empty:
        return None
    everything = samples.all_scores(metric, filter_name)
    for aggregation, as_means in AS_MEANS[samples.kind(metric) or "number"].items():
        if all(map(_is_close, map(AGGREGATIONS[aggregation], everything), number.values)):
            means = as_means(scores["first"].tolist(), scores["second"].tolist())
            return means and Pairs(*means, scores["cluster"].tolist() if "cluster" in scores else None)
    return None


def of_task(number: Number, samples: Matched, pairs: Pairs | None) -> Difference:
    """The difference in a metric of a task. pairs: as `pairs_of` gives them."""
    if pairs is None:
        return number.difference(None, number.values)
    flips = []
    if pairs.are_shares and samples.kind(number.row["metric"]) == "number":
        scores = samples.scores(number.row["metric"], number.row["filter"])
        flips = list(_flips(scores)) if scores is not None else []
    return number.difference(paired([pairs]), _means([pairs]), flips)


def of_group(number: Number, leaves: Sequence[Leaf]) -> Difference:
    """The difference in a metric of a group, if it is the mean of its tasks', weighted by size or not."""
    for by_size in (True, False):
        tasks = [pairs for leaf in leaves if (pairs := leaf.weighted(by_size)) is not None]
        if leaves and len(tasks) == len(leaves) and _is_mean(number, leaves, by_size):
            return number.difference(paired(tasks), _means(tasks))
    return number.difference(None, number.values)


def _is_mean(number: Number, leaves: Sequence[Leaf], by_size: bool) -> bool:
    """Whether the group's value is this mean in both runs."""
    means = (
        weighted_mean(
            [leaf.values[run] for leaf in leaves],
            [leaf.times * (leaf.sizes[run] if by_size else 1) for leaf in leaves],
        )
        for run in (0, 1)
    )
    return all(map(_is_close, means, number.values))


def _means(tasks: Sequence[Pairs]) -> tuple[float, float]:
    total = sum(task.weight for task in tasks)
    first = sum(task.weight * sum(task.first) / len(task.first) for task in tasks) / total
    second = sum(task.weight * sum(task.second) / len(task.second) for task in tasks) / total
    return first, second


def _flips(scores: pd.DataFrame) -> Iterator[Flip]:
    changed = scores[scores["first"] != scores["second"]]
    for row in changed[["doc_id", "doc_hash", "first", "second"]].itertuples(index=False):
        yield Flip(*row)


def _is_close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
