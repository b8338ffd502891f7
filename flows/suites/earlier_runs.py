"""What changed since the earlier runs of a suite: which run each score is compared with, and how."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from glob import escape

from flows.common.errors import NotComparable, ResultError
from flows.comparing.comparison import compare
from flows.results.evaluation_result import EvaluationResult
from flows.specs.suite import SuiteSpec
from flows.suites.changes import Change, Changes
from flows.suites.folder import SuiteFolder
from flows.suites.leaderboard import Leaderboard, MainScore, main_score

log = logging.getLogger("assay")


def find_changes(folder: SuiteFolder, board: Leaderboard, spec: SuiteSpec) -> Changes:
    """Compare each model's tasks with the newest earlier run of the suite that has a score of them.

    So a night in which an endpoint was away is skipped, and hides nothing. Raises ResultError.
    """
    models = [_Model(folder, row.name, folder.result(row.run), spec) for row in board.rows if row.run]
    return Changes.judge([change for model in models for change in model.changes()], spec)


@dataclass(frozen=True, slots=True)
class _Model:
    """A model of the run in `folder`, by its name on the leaderboard."""

    folder: SuiteFolder
    name: str
    now: EvaluationResult
    spec: SuiteSpec

    def changes(self) -> Iterator[Change]:
        """One for each task that has its main score now, not yet judged."""
        left = [task for task in self.now.record.tasks if self._main(task) is not None]
        for earlier in self.folder.earlier():
            if not left:  # a look at each night of a year, in a bucket, would take minutes
                return
            then = self._result_of(earlier)
            if then is not None:
                there = [task for task in left if task in then.record.tasks]
                yield from (self._change(task, then, earlier.stamp) for task in there)
                left = [task for task in left if task not in there]
        yield from (Change(self.name, task, "first") for task in left)

    def _result_of(self, earlier: SuiteFolder) -> EvaluationResult | None:
        """This model's run in an earlier one of the suite, if it is there and nobody has tidied it away."""
        try:
            runs = [row.run for row in earlier.board().rows if row.name == self.name and row.run]
        except ResultError as error:
            log.warning("nothing is compared with this run: %s", error)
            return None
        try:
            return earlier.result(runs[0]) if runs else None
        except ResultError:
            return None

    def _change(self, task: str, then: EvaluationResult, since: str) -> Change:
        main = self._main(task)
        assert main is not None
        bare = Change(self.name, task, "not compared", main.metric, main.filter, since)
        try:
            found = compare(then, self.now, tasks=[escape(task)])
        except NotComparable as error:
            return replace(bare, reason=error.reason.removeprefix(f"{task}: "))
        except ResultError as error:
            return replace(bare, reason=str(error))
        for one in found.differences:
            if (one.task, one.metric, one.filter) == (task, main.metric, main.filter):
                return Change.between(self.name, since, one)
        return replace(bare, reason=f"the earlier run has no {main.metric},{main.filter}")

    def _main(self, task: str) -> MainScore | None:
        return main_score(self.now.record, task, self.spec.metrics.get(task))
