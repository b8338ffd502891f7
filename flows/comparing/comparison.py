"""`compare`: two runs, sample by sample."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from flows.common.errors import NotComparable
from flows.comparing import comparison_table
from flows.comparing.difference import Difference
from flows.comparing.matched_samples import Matched
from flows.comparing.two_runs import TwoRuns
from flows.results.evaluation_result import EvaluationResult
from flows.storage.files import Place

if TYPE_CHECKING:
    import pandas as pd

Run = EvaluationResult | Place | str


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many documents of a task both runs scored, and only one of them."""

    both: int
    only_first: int
    only_second: int


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
        return comparison_table.render(self, flips)

    def frame(self) -> "pd.DataFrame":
        """A row per task or group, filter and metric."""
        import pandas as pd

        return pd.DataFrame([one.numbers() for one in self.differences])

    def to_json(self) -> dict[str, Any]:
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
    two = TwoRuns(_opened(first), _opened(second))
    wanted = two.selected(tasks)
    two.meet(wanted)
    if not two.meetings:
        reasons = [f"{name}: {reason}" for name, reason in two.refused.items()]
        why = reasons[0] if reasons else "they have no task in common"
        raise NotComparable(f"{two.first.folder} and {two.second.folder}", why)
    meetings = two.meetings.items()
    return Comparison(
        first=two.first.folder,
        second=two.second.folder,
        differences=tuple(two.differences(wanted)),
        coverage={task: _coverage(one.samples) for task, one in meetings},
        notes={task: notes for task, one in meetings if (notes := tuple(one.notes()))},
        refused=two.refused,
        alone=two.alone(wanted),
    )


def _opened(run: Run) -> EvaluationResult:
    return run if isinstance(run, EvaluationResult) else EvaluationResult.open(run)


def _coverage(samples: Matched) -> Coverage:
    return Coverage(*(samples.count(where) for where in ("both", "left_only", "right_only")))


def compare_all(runs: "Sequence[Run]", *, tasks: Sequence[str] = ()) -> "list[Comparison]":
    """Compare each run with the first, as `compare` does."""
    base, *others = runs
    return [compare(base, other, tasks=tasks) for other in others]
