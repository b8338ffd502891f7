"""`compare`: two runs, sample by sample."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from flows.common.errors import NotComparable
from flows.common.json_object import JsonObject
from flows.common.text_tables import Row, aligned
from flows.comparing.difference import Difference
from flows.comparing.matched_samples import Coverage
from flows.comparing.two_runs import TwoRuns
from flows.results.evaluation_result import EvaluationResult
from flows.results.score_table import ARROWS, indented
from flows.storage.files import Place
from metrics.shown_text import in_lines

if TYPE_CHECKING:
    import pandas as pd

Run = EvaluationResult | Place | str

HEADER = (
    "Task", "Filter", "Metric", "", "First", "Second", "Difference", "Stderr", "95% interval",
    "p (t)", "p (signs)", "McNemar", "Docs", "Higher", "Lower", "Second is",
)  # fmt: skip
RIGHT = set(HEADER) - {"Task", "Filter", "Metric", "", "Second is"}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs over the documents that both scored; differences are second minus first.

    first, second: the folders of the runs. differences: in the order of the runs' tables. coverage, notes: by
    task; notes say what else differs. refused: why tasks could not be compared. alone: in which run the other
    tasks are (`first`, `second`).
    """

    first: Place
    second: Place
    differences: tuple[Difference, ...]
    coverage: Mapping[str, Coverage]
    notes: Mapping[str, tuple[str, ...]]
    refused: Mapping[str, str]
    alone: Mapping[str, str]

    def find(self, task: str, metric: str, filter_name: str = "none") -> Difference:
        """The difference of a task or group in a metric. Raises KeyError where there is none."""
        wanted = (task, metric, filter_name)
        for one in self.differences:
            if (one.task, one.metric, one.filter) == wanted:
                return one
        raise KeyError(wanted)

    def table(self, flips: int = 0) -> str:
        """As text, with what was not compared or differs besides. flips: how many documents to name of those
        whose score of 0 or 1 changed, by task and metric."""
        return _table(self, flips)

    def frame(self) -> "pd.DataFrame":
        """A row per task or group, filter and metric."""
        import pandas as pd

        return pd.DataFrame([one.numbers() for one in self.differences])

    def to_json(self) -> JsonObject:
        """All of it, as JSON values."""
        return {
            "first": str(self.first),
            "second": str(self.second),
            "differences": [
                {**one.numbers(), "flips": [asdict(flip) for flip in one.flips]} for one in self.differences
            ],
            "coverage": {task: asdict(one) for task, one in self.coverage.items()},
            "notes": {task: list(own) for task, own in self.notes.items()},
            "refused": dict(self.refused),
            "alone": dict(self.alone),
        }


def compare(first: Run, second: Run, *, tasks: Sequence[str] = ()) -> Comparison:
    """Compare two finished runs, given as results or folders, over the documents that both scored.

    tasks: only these tasks and groups, by name or wildcard. A task that cannot be compared does not take the
    others with it: see `Comparison.refused`.
    Raises NotComparable where no task can be, SpecError for a name that neither run has, and ResultError for
    a folder that holds no finished run.
    """
    two = TwoRuns(_opened(first), _opened(second), tasks)
    if not two.tasks:
        reasons = [f"{name}: {reason}" for name, reason in two.refused.items()]
        why = reasons[0] if reasons else "they have no task in common"
        raise NotComparable(f"{two.first.folder} and {two.second.folder}", why)
    return Comparison(
        first=two.first.folder,
        second=two.second.folder,
        differences=tuple(two.differences()),
        coverage={task: one.samples.coverage for task, one in two.tasks.items()},
        notes={task: notes for task, one in two.tasks.items() if (notes := tuple(one.notes()))},
        refused=two.refused,
        alone=two.alone,
    )


def _opened(run: Run) -> EvaluationResult:
    return run if isinstance(run, EvaluationResult) else EvaluationResult.open(run)


def compare_all(runs: Sequence[Run], *, tasks: Sequence[str] = ()) -> list[Comparison]:
    """Compare each run with the first, as `compare` does."""
    base, *others = runs
    return [compare(base, other, tasks=tasks) for other in others]


def _table(comparison: Comparison, flips: int = 0) -> str:
    """The table; under it, what differs besides, what was not compared, and up to `flips` flips a number."""
    body = [_cells(one) for one in comparison.differences]
    below = [*_below(comparison), *_flips(comparison, flips)]
    heading = [f"First:  {comparison.first}", f"Second: {comparison.second}", ""]
    lines = [*heading, aligned(HEADER, body, RIGHT), *(["", *below] if below else [])]
    return in_lines("\n".join(lines))


def _cells(one: Difference) -> Row:
    found = one.paired
    own = (indented(one.alias, one.depth), one.filter, one.metric, ARROWS[one.higher_is_better])
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


def _p_value(p: float | None) -> str:
    if p is None:
        return ""
    return f"{p:.4f}" if p >= 0.0001 else "<0.0001"


def _below(comparison: Comparison) -> Iterator[str]:
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


def _flips(comparison: Comparison, count: int) -> Iterator[str]:
    for one in comparison.differences:
        if not count or not one.flips:
            continue
        yield f"{one.task}, {one.metric} ({one.filter}): {len(one.flips)} documents flipped"
        for flip in one.flips[:count]:
            yield f"  document {flip.doc_id:<6} {flip.first:g} -> {flip.second:g}  {flip.doc_hash[:12]}"
        if len(one.flips) > count:
            yield f"  and {len(one.flips) - count} more"
