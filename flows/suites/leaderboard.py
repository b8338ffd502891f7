"""`Leaderboard`: the models of a suite side by side, a column a task."""

import csv
import io
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from flows.common.json_object import JsonObject
from flows.results.results_json import RunRecord
from flows.results.score_table import ARROWS
from metrics.shown_text import in_one_line

_LARGE = 1e6  # as perplexities of models that know nothing; digits after the point say nothing there


@dataclass(frozen=True, slots=True)
class MainScore:
    """A task's main score. stderr: None where there is no formula for one."""

    metric: str
    filter: str
    value: float
    stderr: float | None
    higher_is_better: bool | None

    def text(self) -> str:
        return number(self.value) + ("" if self.stderr is None else f" ± {number(self.stderr)}")


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A model. run: its folder, below that of the suite's run; None where it did not come to its end.

    scores: by column. failures: why tasks have no score. error: why the model has none at all.
    """

    name: str
    model: str
    run: str | None
    scores: Mapping[str, MainScore]
    failures: Mapping[str, str]
    error: str | None = None

    def reasons(self) -> Iterator[str]:
        """What failed, a line each."""
        if self.error is not None:
            yield in_one_line(f"{self.name}: {self.error}")
        for task, reason in self.failures.items():
            said = reason if reason.startswith(task) else f"{task}: {reason}"
            yield in_one_line(f"{self.name}: {said}")


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """suite: its name. stamp: of this run. columns: tasks, and groups that have a score of their own."""

    suite: str
    stamp: str
    columns: Sequence[str]
    rows: Sequence[ModelRow]

    @classmethod
    def read(cls, content: JsonObject) -> "Leaderboard":
        """One from what `content` gave."""
        rows = [
            ModelRow(
                **{key: value for key, value in row.items() if key not in ("scores", "mean_rank")},
                scores=scores,
            )
            for row in content["models"]
            for scores in [{task: MainScore(**score) for task, score in row["scores"].items()}]
        ]
        return cls(content["suite"], content["stamp"], content["columns"], rows)

    def content(self) -> JsonObject:
        """As JSON has it."""
        ranks = self.mean_ranks()
        models = [{**asdict(row), "mean_rank": ranks.get(row.name)} for row in self.rows]
        return {"suite": self.suite, "stamp": self.stamp, "columns": list(self.columns), "models": models}

    def mean_ranks(self) -> dict[str, float]:
        """The mean of a model's ranks in all columns, by name: scores of different units have no mean.

        A model that lacks a score has no mean rank: one over the rest would pass for the whole. Equal scores
        share the mean of their ranks. Columns of which nobody knows which way is better do not count.
        """
        ranked = [ranks for task in self.columns if (ranks := self._ranks(task))]
        whole = [row.name for row in self.rows if all(task in row.scores for task in self.columns)]
        return {name: statistics.fmean(ranks[name] for ranks in ranked) for name in whole if ranked}

    def ordered(self) -> list[ModelRow]:
        """The best first; those without a mean rank last."""
        ranks = self.mean_ranks()
        return sorted(self.rows, key=lambda row: ranks.get(row.name, float("inf")))

    def header(self) -> list[str]:
        return ["Model", "Mean rank", *(self._title(task) for task in self.columns)]

    def cells(self) -> list[list[str]]:
        """A line for each model, the best first."""
        ranks = self.mean_ranks()
        return [
            [
                row.name,
                f"{ranks[row.name]:.2f}" if row.name in ranks else "-",
                *(row.scores[task].text() if task in row.scores else "failed" for task in self.columns),
            ]
            for row in self.ordered()
        ]

    def reasons(self) -> list[str]:
        """What failed, a line each."""
        return [line for row in self.ordered() for line in row.reasons()]

    def csv(self) -> str:
        """A line for each model and column, for spreadsheets and data frames."""
        out, ranks = io.StringIO(), self.mean_ranks()
        writer = csv.writer(out, lineterminator="\n")
        names = ["metric", "filter", "value", "stderr", "higher_is_better"]
        writer.writerow(["name", "model", "mean_rank", "task", *names, "failure"])
        for row in self.ordered():
            for task in self.columns:
                score = asdict(row.scores[task]) if task in row.scores else {}
                failure = "" if score else row.error or row.failures.get(task, "")
                own = [row.name, row.model, ranks.get(row.name, ""), task]
                writer.writerow([*own, *(score.get(name, "") for name in names), failure])
        return out.getvalue()

    def _title(self, task: str) -> str:
        score = next((row.scores[task] for row in self.rows if task in row.scores), None)
        if score is None:
            return task
        return f"{task} {score.metric} {ARROWS[score.higher_is_better]}".strip()

    def _ranks(self, task: str) -> dict[str, float]:
        """Ranks in one column, 1 for the best, by name."""
        scores = {row.name: row.scores[task] for row in self.rows if task in row.scores}
        if not scores or any(score.higher_is_better is None for score in scores.values()):
            return {}
        order = sorted(-one.value if one.higher_is_better else one.value for one in scores.values())
        mean_place = {value: statistics.fmean(_places(order, value)) for value in order}
        return {
            name: mean_place[-one.value if one.higher_is_better else one.value]
            for name, one in scores.items()
        }


def row_of(
    name: str, model: str, run: str, record: RunRecord, wanted: Mapping[str, str]
) -> tuple[ModelRow, list[str]]:
    """The row of a run that came to its end, and what its columns are.

    run: its folder. wanted: by task the metric that counts, as in `main_score`.
    """
    failures = dict(record.assay.failed)
    names = columns(record)
    found = {task: main_score(record, task, wanted.get(task)) for task in names}
    for task, score in found.items():
        if score is None:
            known = ", ".join(one.key for one in record.scores(task))
            failures[task] = f"it has no metric {wanted[task]!r}, but {known}"
    scores = {task: score for task, score in found.items() if score is not None}
    return ModelRow(name, model, run, scores, failures), names


def number(value: float, sign: str = "") -> str:
    """A score as people read it. sign: `+` for a difference."""
    return f"{value:{sign}.4f}" if abs(value) < _LARGE else f"{value:{sign}.4g}"


def columns(record: RunRecord) -> list[str]:
    """What was asked for of a run: of a group without a score its tasks."""

    def scored(name: str) -> Iterator[str]:
        if record.scores(name):
            yield name
        else:
            for child in record.children(name):
                yield from scored(child)

    return list(dict.fromkeys(one for name in record.outermost() for one in scored(name)))


def main_score(record: RunRecord, task: str, wanted: str | None) -> MainScore | None:
    """The score of a task or group that counts; None where it has no such score.

    wanted: `metric` or `metric,filter`; without one, the first that the task has.
    """
    for one in record.scores(task):
        if wanted in (None, one.metric, one.key):
            return MainScore(one.metric, one.filter, one.value, one.stderr, one.higher_is_better)
    return None


def _places(order: Sequence[float], value: float) -> list[int]:
    return [place for place, other in enumerate(order, start=1) if other == value]
