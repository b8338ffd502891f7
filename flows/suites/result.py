"""`SuiteResult`: a finished run of a suite, for programs and notebooks."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from flows.common.text_tables import aligned, markdown
from flows.results.evaluation_result import EvaluationResult
from flows.storage.files import Place, place_of
from flows.suites.changes import Changes
from flows.suites.folder import SuiteFolder
from flows.suites.leaderboard import Leaderboard

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """What a run of a suite found. folder: where it is kept."""

    folder: Place
    board: Leaderboard
    changes: Changes

    @classmethod
    def open(cls, folder: str | Place) -> "SuiteResult":
        """The result in a folder. Raises ResultError for a damaged one, or none: the run did not end."""
        files = SuiteFolder(place_of(folder))
        return cls(files.path, files.board(), files.changes())

    def write(self) -> None:
        """Write the files of the run. Raises ResultError."""
        texts = {"leaderboard.csv": self.board.csv(), "leaderboard.md": self.markdown()}
        SuiteFolder(self.folder).write(texts, self.changes, self.board)

    def evaluation(self, model: str) -> EvaluationResult:
        """The run of one model, by its name. Raises KeyError for one without, ResultError."""
        runs = {row.name: row.run for row in self.board.rows if row.run is not None}
        return SuiteFolder(self.folder).result(runs[model])

    def frame(self) -> "pd.DataFrame":
        """The scores as a data frame: a row per model and task."""
        import pandas as pd

        return pd.DataFrame(
            {"name": row.name, "model": row.model, "task": task, **asdict(score)}
            for row in self.board.ordered()
            for task, score in row.scores.items()
        )

    def text(self) -> str:
        """The leaderboard, what failed and what changed, for a terminal."""
        header, cells = self.board.header(), self.board.cells()
        reasons = [f"failed: {line}" for line in self.board.reasons()]
        parts = [aligned(header, cells, header[1:]), "\n".join(reasons), self.changes.text()]
        return "\n\n".join(part for part in parts if part)

    def markdown(self) -> str:
        """The same as a page."""
        title = f"# {self.board.suite}, {self.board.stamp}"
        header = self.board.header()
        table = markdown(header, self.board.cells(), header[1:])
        reasons = [f"- failed: {line}" for line in self.board.reasons()]
        changes = f"## Changes\n\n```\n{self.changes.text()}\n```"
        parts = [title, table, "\n".join(reasons), changes, f"Runs: `{self.folder}`"]
        return "\n\n".join(part for part in parts if part) + "\n"

    def alarm(self) -> Mapping[str, object]:
        """What a webhook is told of the regressions. `text` is what chat services show."""
        regressions = self.changes.regressions
        lines = [
            f"{self.board.suite}: {len(regressions)} regression(s)",
            *(one.sentence() for one in regressions),
        ]
        return {
            "text": "\n".join(lines),
            "suite": self.board.suite,
            "stamp": self.board.stamp,
            "folder": str(self.folder),
            "regressions": [asdict(one) for one in regressions],
        }
