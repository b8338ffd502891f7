"""Two runs side by side: what both have, what of it can be compared, and the differences."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property

from flows.common.errors import SpecError
from flows.comparing.comparability import SharedTask
from flows.comparing.difference import Difference
from flows.comparing.matched_samples import MatchedSamples
from flows.comparing.paired_scores import Number
from flows.results.evaluation_result import EvaluationResult
from flows.results.results_json import RunRecord


@dataclass(frozen=True)
class TwoRuns:
    """patterns: names and wildcards of the tasks and groups to compare; none for all.

    Of a pattern that stands for none SpecError is raised when it is first wanted.
    """

    first: EvaluationResult
    second: EvaluationResult
    patterns: Sequence[str]

    @cached_property
    def tasks(self) -> dict[str, SharedTask]:
        """Those that can be compared."""
        return {name: one for name, one in self._shared.items() if name not in self._problems}

    @cached_property
    def refused(self) -> dict[str, str]:
        """Why other tasks and groups that both runs have cannot be compared."""
        groups = {name: problem for name in self._groups if (problem := self._group_problem(name))}
        return {**self._problems, **groups}

    @cached_property
    def alone(self) -> dict[str, str]:
        """The tasks that only one run scored, and which: `first` or `second`."""
        one, other = (run.tasks for run in self._records)
        found = {**dict.fromkeys(one, "first"), **dict.fromkeys(other, "second")}
        return {
            task: run
            for task, run in found.items()
            if task in self._wanted and not (task in one and task in other)
        }

    def differences(self) -> Iterator[Difference]:
        """Of each number that both runs have, in the order of the first run's table."""
        one, other = self._records
        for entry in one.in_order():
            for score in entry.scores:
                there = other.score(entry.name, score.key)
                if there is not None and (number := self._number(Number(entry, score, there))):
                    yield number.difference()

    @property
    def _records(self) -> tuple[RunRecord, RunRecord]:
        return self.first.record, self.second.record

    @cached_property
    def _wanted(self) -> set[str]:
        """The tasks and groups that the patterns stand for, with what is in the groups."""
        names = {name for run in self._records for name in run.results}
        if not self.patterns:
            return names
        found: set[str] = set()
        for pattern in self.patterns:
            matching = {name for name in names if fnmatchcase(name, pattern)}
            if not matching:
                raise SpecError(f"--tasks: neither run has a task or group {pattern!r}")
            found |= matching
        return found | {leaf for name in found for run in self._records for leaf in run.leaves(name)}

    @cached_property
    def _shared(self) -> dict[str, SharedTask]:
        one, other = self._records
        return {
            task: SharedTask(task, one, other, MatchedSamples.read(self.first, self.second, task))
            for task in one.configs
            if task in self._wanted and task in other.configs
        }

    @cached_property
    def _problems(self) -> dict[str, str]:
        return {name: problem for name, one in self._shared.items() if (problem := one.problem())}

    @cached_property
    def _groups(self) -> list[str]:
        one, other = (run.group_subtasks for run in self._records)
        return [group for group in one if group in other and group in self._wanted]

    def _group_problem(self, group: str) -> str | None:
        """Why a group cannot be compared: a score over the tasks that can be would pass for the group's."""
        own, others = (sorted(run.leaves(group)) for run in self._records)
        if own != others:
            return "the group has other tasks in the one run than in the other"
        left_out = [leaf for leaf in own if leaf not in self.tasks]
        return f"its task {left_out[0]} is not compared" if left_out else None

    def _number(self, bare: Number) -> Number | None:
        """With what it is made of; None where it cannot be compared."""
        name = bare.of.name
        if name in self.tasks:
            return replace(bare, samples=self.tasks[name].samples)
        if name in self._groups and name not in self.refused:
            return replace(bare, members=self._members(bare))
        return None

    def _members(self, number: Number) -> list[Number]:
        """The tasks of a group that have its metric; none where one has it in one of the runs alone."""
        found = []
        for task, times in Counter(self.first.record.leaves(number.of.name)).items():
            first, second = (run.score(task, number.first.key) for run in self._records)
            if first is not None and second is not None:
                found.append(Number(number.of, first, second, self.tasks[task].samples, times=times))
            elif first is not None or second is not None:
                return []
        return found
