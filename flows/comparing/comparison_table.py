"""A comparison as text for people."""

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flows.common.text_tables import Row, aligned
from flows.comparing.difference import Difference
from flows.results.score_table import ARROWS, indented

if TYPE_CHECKING:
    from flows.comparing.comparison import Comparison

HEADER = (
    "Task", "Filter", "Metric", "", "First", "Second", "Difference", "Stderr", "95% interval",
    "p (t)", "p (signs)", "McNemar", "Docs", "Higher", "Lower", "Second is",
)  # fmt: skip
RIGHT = set(HEADER) - {"Task", "Filter", "Metric", "", "Second is"}


def render(comparison: "Comparison", flips: int = 0) -> str:
    """The table; under it, what differs besides, what was not compared, and up to `flips` flips a number."""
    body = [_cells(one) for one in comparison.differences]
    below = [*_below(comparison), *_flips(comparison, flips)]
    heading = [f"First:  {comparison.first}", f"Second: {comparison.second}", ""]
    return "\n".join([*heading, aligned(HEADER, body, RIGHT), *(["", *below] if below else [])])


def _cells(one: Difference) -> Row:
    found = one.paired
    own = (indented(one.alias, one.depth), one.filter, one.metric, _arrow(one))
    values = (f"{one.first:.4f}", f"{one.second:.4f}")
    if found is None:
        return (*own, *values, *("" for _ in HEADER[len(own) + len(values) :]))
    low_high = "" if found.interval is None else "{:+.4f} to {:+.4f}".format(*found.interval)
    return (
        *own,
        *values,
        f"{found.difference:+.4f}",
        "N/A" if found.stderr is None else f"{found.stderr:.4f}",
        low_high,
        *(_p_value(p) for p in (found.t_p, found.permutation_p, found.mcnemar_p)),
        str(found.documents),
        str(found.higher),
        str(found.lower),
        one.verdict() or "",
    )


def _arrow(one: Difference) -> str:
    return "" if one.higher_is_better is None else ARROWS[one.higher_is_better]


def _p_value(p: float | None) -> str:
    if p is None:
        return ""
    return f"{p:.4f}" if p >= 0.0001 else "<0.0001"


def _below(comparison: "Comparison") -> Iterator[str]:
    for task, notes in comparison.notes.items():
        for note in notes:
            yield f"{task}: {note}"
    unpaired: dict[str, dict[str, None]] = defaultdict(dict)
    for one in comparison.differences:
        if one.paired is None:
            unpaired[one.task][one.metric] = None
    for task, metrics in unpaired.items():
        yield f"{task}: no difference by pairs of {', '.join(metrics)}: not the mean of its documents' scores"
    for task, reason in comparison.refused.items():
        yield f"{task}: not compared: {reason}"
    for task, run in comparison.alone.items():
        yield f"{task}: only in the {run} run"


def _flips(comparison: "Comparison", count: int) -> Iterator[str]:
    for one in comparison.differences:
        if not count or not one.flips:
            continue
        yield f"{one.task}, {one.metric} ({one.filter}): {len(one.flips)} documents flipped"
        for flip in one.flips[:count]:
            yield f"  document {flip.doc_id:<6} {flip.first:g} -> {flip.second:g}  {flip.doc_hash[:12]}"
        if len(one.flips) > count:
            yield f"  and {len(one.flips) - count} more"
