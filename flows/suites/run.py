"""One run of a suite, without what runs it: which evaluations there are, and what comes of them."""

from dataclasses import dataclass, field

from flows.specs.evaluation import EvaluationSpec
from flows.specs.suite import SuiteSpec
from flows.suites.earlier_runs import find_changes
from flows.suites.folder import SuiteFolder
from flows.suites.leaderboard import Leaderboard, ModelRow, row_of
from flows.suites.model_process import Outcome
from flows.suites.result import SuiteResult


@dataclass
class SuiteRun:
    """rows: what has come of each model so far, by name. columns: of the leaderboard, as runs name them."""

    spec: SuiteSpec
    folder: SuiteFolder
    rows: dict[str, ModelRow] = field(default_factory=dict)
    columns: list[str] = field(default_factory=list)

    @classmethod
    def create(cls, spec: SuiteSpec) -> "SuiteRun":
        """A run with a folder of its own. Raises SpecError where that cannot be made."""
        return cls(spec, SuiteFolder.create(spec.output, spec.name))

    def evaluations(self) -> list[tuple[str, EvaluationSpec]]:
        """What is to be run, by the model's name."""
        return [(one.label, self.spec.evaluation(one, self.folder.runs)) for one in self.spec.models]

    def add(self, name: str, outcome: Outcome) -> ModelRow:
        """Take note of what came of a model. Raises ResultError."""
        row = self._row(name, outcome)
        self.rows[name] = row
        return row

    def finish(self) -> SuiteResult:
        """When all models are done: compare with earlier runs, and write. Raises ResultError."""
        rows = [self.rows[one.label] for one in self.spec.models]
        board = Leaderboard(self.spec.name, self.folder.stamp, self.columns, rows)
        result = SuiteResult(self.folder.path, board, find_changes(self.folder, board, self.spec))
        result.write()
        return result

    def _row(self, name: str, outcome: Outcome) -> ModelRow:
        model = next(one.model for one in self.spec.models if one.label == name)
        if outcome.folder is None:
            return ModelRow(name, model, None, {}, {}, outcome.error)
        run = self.folder.name_of(outcome.folder)
        row, columns = row_of(name, model, run, self.folder.result(run).record, self.spec.metrics)
        self.columns += [task for task in columns if task not in self.columns]
        return row
