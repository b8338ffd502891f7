"""Two runs side by side: what both have, what of it can be compared, and the differences."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from flows.common.errors import SpecError
from flows.comparing.comparability import Meeting
from flows.comparing.difference import Difference
from flows.comparing.matched_samples import Matched
from flows.comparing.paired_scores import Leaf, Number, of_group, of_task, pairs_of
from flows.results import score_table
from flows.results.evaluation_result import EvaluationResult


@dataclass
class TwoRuns:
    """meetings: the tasks that can be compared; refused: why other tasks and groups cannot."""

    first: EvaluationResult
    second: EvaluationResult
    meetings: dict[str, Meeting] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def selected(self, patterns: Sequence[str]) -> set[str]:
        """The tasks and groups that patterns stand for, with what is in the groups; all without patterns.

        Raises SpecError for a pattern that stands for none.
        """
        names = {name for run in (self.first, self.second) for name in run.results["results"]}
        if not patterns:
            return names
        found: set[str] = set()
        for pattern in patterns:
            matching = {name for name in names if fnmatchcase(name, pattern)}
            if not matching:
                raise SpecError(f"--tasks: neither run has a task or group {pattern!r}")
            found |= matching
        runs = (self.first, self.second)
        return found | {leaf for name in found for run in runs for leaf in leaves(run.results, name)}

    def meet(self, wanted: set[str]) -> None:
        """Find out which of the tasks and groups of both runs can be compared."""
        for task in self.first.results["configs"]:
            if task in wanted and task in self.second.results["configs"]:
                samples = Matched.read(self.first, self.second, task)
                meeting = Meeting(task, self.first.results, self.second.results, samples)
                if problem := meeting.problem():
                    self.refused[task] = problem
                else:
                    self.meetings[task] = meeting
        for group in self._groups(wanted):
            if problem := self._group_problem(group):
                self.refused[group] = problem

    def alone(self, wanted: set[str]) -> dict[str, str]:
        """The tasks that only one run scored, and which: `first` or `second`."""
        one, other = (run.results["configs"] for run in (self.first, self.second))
        found = {**dict.fromkeys(one, "first"), **dict.fromkeys(other, "second")}
        return {
            task: run for task, run in found.items() if task in wanted and not (task in one and task in other)
        }

    def differences(self, wanted: set[str]) -> Iterator[Difference]:
        """Of each number that both runs have, in the order of the first run's table."""
        groups = [group for group in self._groups(wanted) if group not in self.refused]
        for number in self._numbers():
            name = number.row["task"]
            if name in groups:
                yield of_group(number, list(self._leaves(number)))
            elif name in self.meetings:
                samples = self.meetings[name].samples
                yield of_task(number, samples, pairs_of(number, samples))

    def _numbers(self) -> Iterator[Number]:
        there = self.second.results["results"]
        for row in score_table.rows(self.first.results):
            value = there.get(row["task"], {}).get(f"{row['metric']},{row['filter']}")
            if value is not None:
                yield Number(row, value)

    def _groups(self, wanted: set[str]) -> list[str]:
        one, other = (run.results["group_subtasks"] for run in (self.first, self.second))
        return [group for group in one if group in other and group in wanted]

    def _group_problem(self, group: str) -> str | None:
        """Why a group cannot be compared: a score over the tasks that can be would pass for the group's."""
        own, others = (sorted(leaves(run.results, group)) for run in (self.first, self.second))
        if own != others:
            return "the group has other tasks in the one run than in the other"
        left_out = [leaf for leaf in own if leaf not in self.meetings]
        return f"its task {left_out[0]} is not compared" if left_out else None

    def _leaves(self, number: Number) -> Iterator[Leaf]:
        """The tasks of a group that have its metric, with their values in it."""
        metric, filter_name = number.row["metric"], number.row["filter"]
        rows = [run.results["results"] for run in (self.first, self.second)]
        key = f"{metric},{filter_name}"
        for task, times in Counter(leaves(self.first.results, number.row["task"])).items():
            if key in rows[0][task] and key in rows[1][task]:
                values = rows[0][task][key], rows[1][task][key]
                sizes = rows[0][task]["sample_len"], rows[1][task]["sample_len"]
                own = Number({**number.row, "task": task, "value": values[0]}, values[1])
                yield Leaf(values, sizes, times, pairs_of(own, self.meetings[task].samples))


def leaves(results: Mapping[str, Any], name: str) -> Iterator[str]:
    """The tasks below a group, or the task itself; one that two subgroups share comes twice."""
    children: Mapping[str, Sequence[str]] = results["group_subtasks"]
    if name in children:
        for child in children[name]:
            yield from leaves(results, child)
    else:
        yield name
