"""Scores as a table for people: a row per task and metric, groups above their tasks."""

from collections.abc import Iterator
from itertools import islice

from flows.common import text_tables
from flows.common.json_object import JsonObject
from flows.common.text_tables import Row, aligned
from flows.results.results_json import RunRecord, Score, TaskOrGroup

ARROWS = {True: "↑", False: "↓", None: ""}
HEADER = ("Task", "n-shot", "Filter", "Metric", "", "Value", "", "Stderr", "95% interval", "Docs")
RIGHT = {"n-shot", "Value", "Stderr", "95% interval", "Docs"}


def rows(record: RunRecord) -> Iterator[JsonObject]:
    """Every number with its task and what is known of it, for data frames."""
    for one, score in numbers(record):
        low, high = score.interval or (None, None)
        yield {
            "task": one.name,
            "alias": one.alias,
            "n-shot": one.num_fewshot,
            "filter": score.filter,
            "metric": score.metric,
            "value": score.value,
            "stderr": score.stderr,
            "low": low,
            "high": high,
            "higher_is_better": score.higher_is_better,
            "docs": score.docs,
        }


def numbers(record: RunRecord) -> Iterator[tuple[TaskOrGroup, Score]]:
    """Every number with the task or group that has it, in the order of the table."""
    return ((one, score) for one in record.in_order() for score in one.scores)


def render(record: RunRecord) -> str:
    """The table as text, aligned for a fixed-width font."""
    return aligned(HEADER, [row for one in record.in_order() for row in _rows(one)], RIGHT)


def markdown(record: RunRecord, most: int | None = None) -> str:
    """The numbers as a Markdown table. most: so many of them."""
    titles = [title for title in HEADER if title]
    body = [
        [cell for title, cell in zip(HEADER, row, strict=True) if title]
        for row in islice((row for one in record.in_order() if one.scores for row in _rows(one)), most)
    ]
    return text_tables.markdown(titles, body, RIGHT)


def _rows(one: TaskOrGroup) -> Iterator[Row]:
    name = indented(one.alias, one.depth)
    for score in one.scores:
        yield (
            name,
            "" if one.num_fewshot is None else str(one.num_fewshot),
            score.filter,
            score.metric,
            ARROWS[score.higher_is_better],
            f"{score.value:.4f}",
            "±",
            "N/A" if score.stderr is None else f"{score.stderr:.4f}",
            interval_text(score),
            str(score.docs),
        )
    if not one.scores:  # a group without a score of its own, above its tasks
        yield (name, *("" for _ in HEADER[1:]))


def interval_text(score: Score) -> str:
    return "" if score.interval is None else "{:.4f} to {:.4f}".format(*score.interval)


def indented(alias: str, depth: int) -> str:
    """A name below its groups."""
    return "  " * depth + ("- " if depth else "") + alias
