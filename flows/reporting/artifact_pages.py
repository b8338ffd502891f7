"""What the artifacts of a run say: how far it is, its scores as rows, and a summary as markdown."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path

from flows.common.json_object import JsonObject
from flows.reporting.reporter import Work
from flows.results import score_table
from flows.results.evaluation_result import EvaluationResult
from flows.results.results_json import RunRecord, Score, TaskOrGroup
from flows.results.score_table import interval_text, numbers
from flows.storage.files import Place
from metrics.shown_text import in_one_line

# Rows of a table that are shown: beyond them a page is slow to open, and the run's folder has all.
MOST_ROWS = 300
_COLUMNS = ("Task", "Filter", "Metric", "Value", "Stderr", "95% interval", "Docs")


def progress(work: Work) -> tuple[float, str]:
    """The share that is answered, in per cent, and a line that says so, with the time left."""
    total, done = sum(work.total.values()), sum(work.done.values())
    percent = min(100.0, 100.0 * done / total) if total else 0.0
    said = f"{done:,} of {total:,} requests answered"
    left = work.seconds_left()
    if done >= total or left is None:
        return percent, said
    return percent, f"{said}; about {timedelta(seconds=round(left))} left"


def score_rows(record: RunRecord) -> list[JsonObject]:
    """The scores as rows of a table artifact."""
    shown = islice(numbers(record), MOST_ROWS)
    return [dict(zip(_COLUMNS, _cells(one, score), strict=True)) for one, score in shown]


def summary(result: EvaluationResult) -> str:
    """What a run found and took, as markdown."""
    assay = result.record.assay
    scored, failed = len(assay.tasks), len(assay.failed)
    return "\n".join(
        [
            f"**{scored} {'task' if scored == 1 else 'tasks'} scored, {failed} failed**, "
            f"in {timedelta(seconds=round(assay.seconds))}. Run folder: {_link(result.folder)}",
            "",
            score_table.markdown(result.record, MOST_ROWS),
            *(
                f"- **{name}** failed: {in_one_line(reason)}"
                for name, reason in sorted(result.failures.items())
            ),
            "",
            *(f"- {in_one_line(line)}" for line in result.remarks()),
            "",
            "```",
            result.performance(),
            "```",
        ]
    )


def _cells(one: TaskOrGroup, score: Score) -> Iterator[object]:
    yield "  " * one.depth + in_one_line(one.alias)
    yield score.filter
    yield score.metric
    yield round(score.value, 4)
    yield "" if score.stderr is None else round(score.stderr, 4)
    yield interval_text(score)
    yield score.docs


def _link(folder: Place) -> str:
    """The folder as a link, also where a browser will not follow it."""
    address = folder.as_uri() if isinstance(folder, Path) else str(folder)
    return f"[{folder}]({address})"
