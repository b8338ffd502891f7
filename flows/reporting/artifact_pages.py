"""What the artifacts of a run say: how far it is, its scores as rows, and a summary as markdown."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from flows.reporting.reporter import Work
from flows.results import score_table
from flows.results.evaluation_result import EvaluationResult
from flows.storage.files import Place

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


def score_rows(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The scores as rows of a table artifact. results: as in `results.json`."""
    rows = [dict(zip(_COLUMNS, _cells(row), strict=True)) for row in score_table.rows(results)]
    return rows[:MOST_ROWS]


def summary(result: EvaluationResult) -> str:
    """What a run found and took, as markdown."""
    results = result.results
    scored, failed = len(results["assay"]["tasks"]), len(result.failures)
    return "\n".join(
        [
            f"**{scored} {'task' if scored == 1 else 'tasks'} scored, {failed} failed**, "
            f"in {timedelta(seconds=round(results['assay']['seconds']))}. Run folder: {_link(result.folder)}",
            "",
            *_markdown_table(score_rows(results)),
            *(f"- **{name}** failed: {reason}" for name, reason in sorted(result.failures.items())),
            "",
            *(f"- {line}" for line in result.remarks()),
            "",
            "```",
            result.performance(),
            "```",
        ]
    )


def _cells(row: Mapping[str, Any]) -> Iterator[Any]:
    yield "  " * row["depth"] + row["alias"]
    yield row["filter"]
    yield row["metric"]
    yield round(row["value"], 4)
    yield "" if row["stderr"] is None else round(row["stderr"], 4)
    yield "" if row["low"] is None else f"{row['low']:.4f} to {row['high']:.4f}"
    yield row["docs"]


def _markdown_table(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    yield f"| {' | '.join(_COLUMNS)} |"
    yield "|---" * len(_COLUMNS) + "|"
    for row in rows:
        yield f"| {' | '.join(str(row[name]).replace('|', '/') for name in _COLUMNS)} |"


def _link(folder: Place) -> str:
    """The folder as a link, also where a browser will not follow it."""
    address = folder.as_uri() if isinstance(folder, Path) else str(folder)
    return f"[{folder}]({address})"
