"""A number that two runs have, as a mean of what their documents have, and its difference.

Where both runs say how the number is made, it is that; an older run does not say, nor does any of a function
of the task's own (`flows.comparing.guessed_aggregation`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from flows.comparing.difference import Difference, Flip
from flows.comparing.guessed_aggregation import guessed_aggregation, guessed_weighing
from flows.comparing.matched_samples import MatchedSamples
from flows.results.results_json import Score, TaskOrGroup
from metrics.statistics.document_means import AS_MEANS
from metrics.statistics.paired import Pairs, paired


@dataclass(frozen=True, slots=True)
class Number:
    """A number of a task or group in two runs.

    samples: of a task. members: the tasks that a group's number is made of. times: how often a task is in
    that group.
    """

    of: TaskOrGroup
    first: Score
    second: Score
    samples: MatchedSamples | None = None
    members: "Sequence[Number]" = ()
    times: int = 1

    @property
    def values(self) -> tuple[float, float]:
        return self.first.value, self.second.value

    def difference(self) -> Difference:
        pairs = self.pairs()
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
            flips=self._flips(pairs),
        )

    def pairs(self) -> list[Pairs]:
        """The scores of the documents in both runs, of each task that the number is the weighted mean of;
        empty where it is no such mean, nor can be made one (`metrics.statistics.document_means`)."""
        return self._pairs_of_group() if self.samples is None else self._pairs_of_task(self.samples)

    def _pairs_of_task(self, samples: MatchedSamples) -> list[Pairs]:
        kind, scores = samples.kind(self.first.metric), samples.scores(self.first.metric, self.first.filter)
        if kind is None or scores is None or scores.empty:
            return []
        as_means = AS_MEANS[kind].get(self._aggregation(samples) or "")
        means = as_means and as_means(scores["first"].tolist(), scores["second"].tolist())
        return [Pairs(*means, scores["cluster"].tolist() if "cluster" in scores else None)] if means else []

    def _pairs_of_group(self) -> list[Pairs]:
        by_size = self._weighs_by_size()
        if by_size is None:
            return []
        found = [
            replace(pairs, weight=member.times * (len(pairs.first) if by_size else 1))
            for member in self.members
            for pairs in member.pairs()
        ]
        return found if len(found) == len(self.members) else []

    def _aggregation(self, samples: MatchedSamples) -> str | None:
        """What makes the number of the documents' scores in both runs; None where that is not the same."""
        first, second = self.first.aggregation, self.second.aggregation
        if first is None or second is None or first.name is None or second.name is None:
            return guessed_aggregation(self.first, self.values, samples)
        return first.name if first == second else None

    def _weighs_by_size(self) -> bool | None:
        """Whether a group weighs its tasks by their documents; None where the runs differ, or by neither."""
        first, second = self.first.aggregation, self.second.aggregation
        if first is None or second is None:
            sizes = [(one.first.docs or 0, one.second.docs or 0) for one in self.members]
            times = [one.times for one in self.members]
            return guessed_weighing(self.values, [one.values for one in self.members], sizes, times)
        return first.weight_by_size if first == second else None

    def _flips(self, pairs: Sequence[Pairs]) -> tuple[Flip, ...]:
        """Of a task whose documents score 0 or 1: those that have the other score in the second run."""
        if self.samples is None or not pairs or not pairs[0].are_shares:
            return ()
        scores = self.samples.scores(self.first.metric, self.first.filter)
        if scores is None or self.samples.kind(self.first.metric) != "number":
            return ()
        changed = scores[scores["first"] != scores["second"]]
        columns = changed[["doc_id", "doc_hash", "first", "second"]]
        return tuple(Flip(*row) for row in columns.itertuples(index=False))


def _means(tasks: Sequence[Pairs]) -> tuple[float, float]:
    total = sum(task.weight for task in tasks)
    first = sum(task.weight * sum(task.first) / len(task.first) for task in tasks) / total
    second = sum(task.weight * sum(task.second) / len(task.second) for task in tasks) / total
    return first, second
