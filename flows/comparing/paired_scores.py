"""The difference of two runs in one number: of a task from its samples, of a group from its tasks.

Where both runs say how the number is made, it is that; an older run does not say, nor does any of a function
of the task's own (`flows.comparing.guessed_aggregation`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from flows.comparing.difference import Difference, Flip
from flows.comparing.guessed_aggregation import guessed_aggregation, guessed_weighing
from flows.comparing.matched_samples import MatchedSamples
from flows.results.results_json import Score, TaskOrGroup
from metrics.statistics.document_means import AS_MEANS
from metrics.statistics.paired import Pairs, paired


@dataclass(frozen=True, slots=True)
class Number:
    """A number of a task or group that both runs have."""

    of: TaskOrGroup
    first: Score
    second: Score

    @property
    def values(self) -> tuple[float, float]:
        return self.first.value, self.second.value

    def difference(self, pairs: Sequence[Pairs], flips: Sequence[Flip] = ()) -> Difference:
        """pairs: of each task that it is the weighted mean of; none where it is no such mean."""
        values = _means(pairs) if pairs else self.values
        return Difference(
            task=self.of.name,
            alias=self.of.alias,
            depth=self.of.depth,
            filter=self.first.filter,
            metric=self.first.metric,
            higher_is_better=self.first.higher_is_better,
            first=values[0],
            second=values[1],
            paired=paired(pairs) if pairs else None,
            flips=tuple(flips),
        )


@dataclass(frozen=True, slots=True)
class Member:
    """A task of a group, which is in it so many times: its number, and the scores of its documents in both
    runs, if the number is their mean."""

    number: Number
    times: int
    pairs: Pairs | None


def pairs_of(number: Number, samples: MatchedSamples) -> Pairs | None:
    """The scores of a task's documents in both runs; None where the value is no mean of them, nor can be made
    one (`metrics.statistics.document_means`)."""
    metric, filter_name = number.first.metric, number.first.filter
    kind, scores = samples.kind(metric), samples.scores(metric, filter_name)
    if kind is None or scores is None or scores.empty:
        return None
    as_means = AS_MEANS[kind].get(_aggregation(number, samples) or "")
    means = as_means and as_means(scores["first"].tolist(), scores["second"].tolist())
    return means and Pairs(*means, scores["cluster"].tolist() if "cluster" in scores else None)


def difference_of_task(number: Number, samples: MatchedSamples) -> Difference:
    pairs = pairs_of(number, samples)
    if pairs is None:
        return number.difference([])
    flips: list[Flip] = []
    if pairs.are_shares and samples.kind(number.first.metric) == "number":
        scores = samples.scores(number.first.metric, number.first.filter)
        flips = [] if scores is None else list(_flips(scores))
    return number.difference([pairs], flips)


def difference_of_group(number: Number, members: Sequence[Member]) -> Difference:
    """members: the tasks that its number is made of."""
    by_size = _weighs_by_size(number, members)
    if by_size is None:
        return number.difference([])
    pairs = [
        replace(one.pairs, weight=one.times * (len(one.pairs.first) if by_size else 1))
        for one in members
        if one.pairs is not None
    ]
    return number.difference(pairs if len(pairs) == len(members) else [])


def _aggregation(number: Number, samples: MatchedSamples) -> str | None:
    """What makes the number of the documents' scores in both runs; None where that is not the same."""
    first, second = number.first.aggregation, number.second.aggregation
    if first is None or second is None or first.name is None or second.name is None:
        return guessed_aggregation(number.first, number.values, samples)
    return first.name if first == second else None


def _weighs_by_size(number: Number, members: Sequence[Member]) -> bool | None:
    """Whether the group weighs its tasks by their documents; None where the runs differ, or it is no mean."""
    first, second = number.first.aggregation, number.second.aggregation
    if first is None or second is None:
        numbers, times = [one.number for one in members], [one.times for one in members]
        sizes = [(one.first.docs or 0, one.second.docs or 0) for one in numbers]
        return guessed_weighing(number.values, [one.values for one in numbers], sizes, times)
    return first.weight_by_size if first == second else None


def _means(tasks: Sequence[Pairs]) -> tuple[float, float]:
    total = sum(task.weight for task in tasks)
    first = sum(task.weight * sum(task.first) / len(task.first) for task in tasks) / total
    second = sum(task.weight * sum(task.second) / len(task.second) for task in tasks) / total
    return first, second


def _flips(scores: pd.DataFrame) -> Iterator[Flip]:
    changed = scores[scores["first"] != scores["second"]]
    for row in changed[["doc_id", "doc_hash", "first", "second"]].itertuples(index=False):
        yield Flip(*row)
