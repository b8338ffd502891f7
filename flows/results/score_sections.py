"""The parts of `results.json` that are made of scores: each task's, and those of the groups above them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from flows.common.json_object import JsonObject
from flows.results.results_json import NO_STDERR, Aggregation
from flows.results.task_scores import TaskScores
from metrics.aggregates.groups import aggregate_group
from metrics.statistics.intervals import interval
from tasks_lib.catalog.selection import Selection
from tasks_lib.files.config import AggregateMetric, GroupConfig
from tasks_lib.scoring.scorer import MetricScore

# A task or group under `results`: its names, its number of documents, and its numbers by metric and filter.
Row = JsonObject


@dataclass(frozen=True)
class ScoreSections:
    """What tasks scored, laid out as lm-eval does; groups have a score where all their tasks have one."""

    selection: Selection
    scores: Mapping[str, TaskScores]

    def sections(self) -> JsonObject:
        """lm-eval's, under its names."""
        tasks, groups = self._tasks, self._groups
        scored = {
            name: row for name, row in groups.items() if self.selection.groups[name].aggregate_metric_list
        }
        return {
            "results": {**tasks, **groups},
            **({"groups": scored} if scored else {}),
            "group_subtasks": {name: list(group.children) for name, group in self.selection.groups.items()},
            "configs": {name: self._config(name) for name in sorted(tasks)},
            "versions": self._versions(),
            "n-shot": self._fewshot(),
            "higher_is_better": self._directions(),
            "n-samples": {
                name: {"original": one.original, "effective": one.effective}
                for name, one in self.scores.items()
            },
        }

    def intervals(self) -> dict[str, dict[str, tuple[float, float]]]:
        """The 95 % confidence interval of each number that has one, by task or group, metric and filter."""
        found = {
            name: {_key(score): score.interval for score in one.scores if score.interval}
            for name, one in self.scores.items()
        }
        return found | {name: _group_intervals(row) for name, row in self._groups.items()}

    def aggregations(self) -> dict[str, dict[str, Aggregation]]:
        """How each number is made, by task or group, metric and filter."""
        found = {
            name: {_key(score): _aggregation(score) for score in one.scores}
            for name, one in self.scores.items()
        }
        for name, group in self.selection.groups.items():
            by_size = {one.metric: one.weight_by_size for one in group.aggregate_metric_list or ()}
            keys = [key for key in self._groups[name] if key.partition(",")[0] in by_size and "," in key]
            found[name] = {
                key: Aggregation(name="mean", weight_by_size=by_size[key.partition(",")[0]]) for key in keys
            }
        return found

    def leaves(self, group: str) -> Iterator[str]:
        """The tasks below a group, in order; one that two subgroups share comes twice, as in lm-eval."""
        for child in self.selection.groups[group].children:
            if child in self.selection.groups:
                yield from self.leaves(child)
            else:
                yield child

    @cached_property
    def _tasks(self) -> dict[str, Row]:
        return {name: self._task(name) for name in self.selection.tasks if name in self.scores}

    @cached_property
    def _groups(self) -> dict[str, Row]:
        return {name: self._group(group, self._tasks) for name, group in self.selection.groups.items()}

    def _task(self, name: str) -> Row:
        config, scores = self.selection.tasks[name].config, self.scores[name].scores
        row: Row = {"name": name, "alias": config.task_alias or name}
        row["sample_len"] = max((one.count for one in scores), default=0)
        for one in scores:
            row[_key(one)] = one.value
            row[f"{one.metric}_stderr,{one.filter}"] = NO_STDERR if one.stderr is None else one.stderr
        return row

    def _group(self, group: GroupConfig, tasks: Mapping[str, Row]) -> Row:
        row: Row = {"alias": group.group_alias or group.group, "name": group.group}
        names = list(self.leaves(group.group))
        if not group.aggregate_metric_list or any(name not in tasks for name in names):
            return row  # a score over the tasks that did not fail would pass for the group's
        leaves = [tasks[name] for name in names]
        row["sample_len"] = sum(leaf["sample_len"] for leaf in leaves)
        counts: dict[str, int] = {}
        for metric in group.aggregate_metric_list:
            for name in _filters(metric, leaves):
                key = f"{metric.metric},{name}"
                own = [leaf for leaf in leaves if key in leaf]
                if own:
                    row |= _aggregated(metric, name, own)
                    counts[key] = sum(leaf["sample_len"] for leaf in own)
        return {**row, "sample_count": counts} if counts else row

    def _config(self, name: str) -> JsonObject:
        config = self.selection.tasks[name].config
        dumped = config.model_dump(mode="json", exclude_none=True, by_alias=True, fallback=str)
        return {**dumped, "num_fewshot": self.scores[name].num_fewshot}

    def _versions(self) -> JsonObject:
        tasks = {name: one.version for name, one in self.scores.items()}
        groups = {name: group.version for name, group in self.selection.groups.items()}
        return dict(sorted((tasks | groups).items()))

    def _fewshot(self) -> dict[str, int]:
        found = {name: one.num_fewshot for name, one in self.scores.items()}
        for group in self.selection.groups:
            own = {found[name] for name in self.leaves(group) if name in self.scores}
            if len(own) == 1:
                found[group] = own.pop()
        return dict(sorted(found.items()))

    def _directions(self) -> dict[str, dict[str, bool | None]]:
        found = {name: dict(one.higher_is_better) for name, one in self.scores.items()}
        for group in self.selection.groups:
            merged: dict[str, bool | None] = {}
            for name in self.leaves(group):
                for metric, better in found.get(name, {}).items():
                    merged[metric] = better if merged.get(metric, better) == better else None
            found[group] = merged
        return dict(sorted(found.items()))


def _key(score: MetricScore) -> str:
    return f"{score.metric},{score.filter}"


def _aggregation(score: MetricScore) -> Aggregation:
    if not score.aggregation_options:
        return Aggregation(name=score.aggregation)
    return Aggregation(name=score.aggregation, options=dict(score.aggregation_options))


def _group_intervals(row: Row) -> dict[str, tuple[float, float]]:
    found: dict[str, tuple[float, float]] = {}
    for key, value in row.items():
        metric, comma, filter_name = key.partition(",")
        error = row.get(f"{metric}_stderr,{filter_name}")
        if comma and isinstance(error, int | float) and (own := interval(value, error)):
            found[key] = own
    return found


def _filters(metric: AggregateMetric, leaves: list[Row]) -> list[str]:
    """The filters a group's metric is aggregated over: those it names, else all its tasks have."""
    if metric.filter_list is not None:
        return metric.filter_list
    prefix = f"{metric.metric},"
    return sorted({key.removeprefix(prefix) for leaf in leaves for key in leaf if key.startswith(prefix)})


def _aggregated(metric: AggregateMetric, name: str, leaves: list[Row]) -> Row:
    key, error_key = f"{metric.metric},{name}", f"{metric.metric}_stderr,{name}"
    errors = [None if leaf[error_key] == NO_STDERR else leaf[error_key] for leaf in leaves]
    score = aggregate_group(
        [leaf[key] for leaf in leaves],
        errors,
        [leaf["sample_len"] for leaf in leaves],
        weight_by_size=metric.weight_by_size,
    )
    return {key: score.value, error_key: NO_STDERR if score.stderr is None else score.stderr}
