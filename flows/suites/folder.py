"""The folder of one run of a suite: `<output>/<suite>/<stamp>/`.

In it are `runs/<model>/<run id>/` (see `flows.results.run_folder`), `leaderboard.csv`, `leaderboard.md`,
`changes.json` and `leaderboard.json`. All reading and writing of a suite's files is here.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from flows.common.errors import ResultError, SpecError
from flows.common.json_object import JsonObject
from flows.results.evaluation_result import EvaluationResult
from flows.results.reading import reading
from flows.results.run_folder import safe_name
from flows.storage.bucket import BucketPath
from flows.storage.files import Place, names_below, write_text
from flows.suites.changes import Changes
from flows.suites.leaderboard import Leaderboard

LAST = "leaderboard.json"
CHANGES = "changes.json"
_STAMP = "%Y%m%dT%H%M%S-%f"


@dataclass(frozen=True, slots=True)
class SuiteFolder:
    """Each file is whole or not there; `leaderboard.json` comes last and ends the run."""

    path: Place

    @classmethod
    def create(cls, output: Place, suite: str) -> "SuiteFolder":
        """A new folder for a run of the suite. Raises SpecError where none can be made."""
        output = output.expanduser().absolute()
        folder = cls(output / safe_name(suite) / datetime.now(UTC).strftime(_STAMP))
        try:
            if isinstance(output, BucketPath):  # one that is away is said at once
                output.check_writable()
            write_text(folder.path / ".made", "", new=True)
        except ResultError as error:
            raise SpecError(f"output: {error}") from error
        return folder

    @property
    def stamp(self) -> str:
        return self.path.name

    @property
    def runs(self) -> Place:
        """The output folder of the models' runs."""
        return self.path / "runs"

    def name_of(self, run: str) -> str:
        """A model's run folder by its place below this one."""
        return run.removeprefix(f"{self.path}/")

    def result(self, name: str) -> EvaluationResult:
        """A model's run. Raises ResultError where it is not there any more."""
        return EvaluationResult.open(self.path / name)

    def earlier(self) -> Iterator["SuiteFolder"]:
        """The runs of the suite that came to their end before this one was made, the newest first."""
        for stamp in sorted(names_below(self.path.parent), reverse=True):
            other = self.path.parent / stamp
            if stamp < self.stamp and (other / LAST).exists():
                yield SuiteFolder(other)

    def write(self, texts: Mapping[str, str], changes: Changes, board: Leaderboard) -> None:
        """Write what the run found. texts: by the file's name. Raises ResultError."""
        for name, text in texts.items():
            write_text(self.path / name, text)
        write_text(self.path / CHANGES, _json(changes.content()))
        write_text(self.path / LAST, _json(board.content()))

    def board(self) -> Leaderboard:
        """What `leaderboard.json` says. Raises ResultError for a damaged one, or none (no end)."""
        with self._reading(LAST) as content:
            return Leaderboard.read(content)

    def changes(self) -> Changes:
        """What `changes.json` says. Raises ResultError."""
        with self._reading(CHANGES) as content:
            return Changes.read(content)

    @contextmanager
    def _reading(self, name: str) -> Iterator[JsonObject]:
        place = self.path / name
        if not place.exists():
            raise ResultError(f"{self.path} has no {name}: the suite's run did not come to its end")
        with reading(place):
            yield json.loads(place.read_text(encoding="utf-8"))


def _json(content: Mapping[str, object]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
