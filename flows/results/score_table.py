"""Scores as a table for people: a row per task and metric, groups above their tasks."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from flows.common.text_tables import aligned

ARROWS = {True: "↑", False: "↓"}
HEADER = ("Task", "n-shot", "Filter", "Metric", "", "Value", "", "Stderr", "95% interval", "Docs")
RIGHT = {"n-shot", "Value", "Stderr", "95% interval", "Docs"}

Row = tuple[str, ...]


def rows(results: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Task, alias, depth, filter, metric, value, stderr, interval, direction and counts of every number."""
    intervals = results.get("assay", {}).get("intervals", {})
    for name, depth in _ordered(results):
        row = results["results"][name]
        for key, value in row.items():
            metric, comma, filter_name = key.partition(",")
            if not comma or metric.endswith("_stderr"):
                continue
            error = row.get(f"{metric}_stderr,{filter_name}")
            low, high = intervals.get(name, {}).get(key, (None, None))
            yield {
                "task": name,
                "alias": row.get("alias", name),
                "depth": depth,
                "n-shot": results["n-shot"].get(name),
                "filter": filter_name,
                "metric": metric,
                "value": value,
                "stderr": error if isinstance(error, int | float) else None,
                "low": low,
                "high": high,
                "higher_is_better": results["higher_is_better"].get(name, {}).get(metric),
                "docs": row.get("sample_len"),
            }


def render(results: Mapping[str, Any]) -> str:
    """The table as text, aligned for a fixed-width font."""
    numbers: dict[str, list[Row]] = defaultdict(list)
    for row in rows(results):
        numbers[row["task"]].append(_cells(row))
    body = [
        cells
        for name, depth in _ordered(results)
        for cells in numbers.get(name) or [_heading(results["results"][name].get("alias", name), depth)]
    ]
    return aligned(HEADER, body, RIGHT)


def _ordered(results: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Names with their depth: each group before what is in it, nothing twice."""
    children: Mapping[str, list[str]] = results["group_subtasks"]
    inner = {child for group in children.values() for child in group}
    seen: set[str] = set()

    def visit(name: str, depth: int) -> Iterator[tuple[str, int]]:
        if name in seen or name not in results["results"]:
            return
        seen.add(name)
        yield name, depth
        for child in children.get(name, ()):
            yield from visit(child, depth + 1)

    for name in results["results"]:
        if name not in inner:
            yield from visit(name, 0)


def _heading(alias: str, depth: int) -> Row:
    """A group without a score of its own, above its tasks."""
    return (indented(alias, depth), *("" for _ in HEADER[1:]))


def indented(alias: str, depth: int) -> str:
    """A name below its groups."""
    return "  " * depth + ("- " if depth else "") + alias


def _cells(row: Mapping[str, Any]) -> Row:
    error = row["stderr"]
    return (
        indented(row["alias"], row["depth"]),
        "" if row["n-shot"] is None else str(row["n-shot"]),
        row["filter"],
        row["metric"],
        ARROWS.get(row["higher_is_better"], ""),
        f"{row['value']:.4f}",
        "±",
        "N/A" if error is None else f"{error:.4f}",
        "" if row["low"] is None else f"{row['low']:.4f} to {row['high']:.4f}",
        str(row["docs"]),
    )
