"""`EvaluationResult`: a finished run, for programs and notebooks."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, BinaryIO

from flows.common.errors import ResultError
from flows.common.json_object import JsonObject
from flows.results import remarks, score_table
from flows.results.reading import reading
from flows.results.results_json import RunRecord
from flows.results.run_folder import RunFolder
from flows.results.samples_file import sample_rows
from flows.storage.files import Place
from metrics.shown_text import in_one_line

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class EvaluationResult:
    """What a run found. folder: where it is kept. results: the content of its `results.json`, of which
    `record` is the model."""

    folder: Place
    results: JsonObject

    @classmethod
    def open(cls, folder: str | Place) -> "EvaluationResult":
        """The result in a run's folder, a path or `s3://bucket/...`.

        Raises ResultError where the run has not come to its end, or a newer version wrote it.
        """
        run = RunFolder.at(folder)
        result = cls(run.path, run.read_results())
        with reading(run.results):
            _ = result.record
        return result

    @cached_property
    def record(self) -> RunRecord:
        return RunRecord.read(self.results)

    @property
    def failures(self) -> dict[str, str]:
        """Why tasks have no score, by name; empty if all have one."""
        return self.record.assay.failed

    @property
    def truncations(self) -> dict[str, remarks.Truncation]:
        """How many answers were cut off at their token limit, by task; empty if none was."""
        return remarks.truncations(self.record)

    def table(self) -> str:
        """The scores as a text table; under it what of them is not whole, and what they cost."""
        below = [in_one_line(line) for line in self.remarks()]
        return "\n".join([score_table.render(self.record), *(["", *below] if below else [])])

    def remarks(self) -> list[str]:
        """What of the scores is not whole, and what they cost."""
        return remarks.remarks(self.record)

    def performance(self) -> str:
        """Latencies, rates and errors of the run's calls, as a text table."""
        found = self.record.assay.performance
        return "" if found is None else found.run.text()

    def calls(self, task: str) -> "pd.DataFrame":
        """The calls of a task: a row per request, with its times, tokens, cost and who answered."""
        import pandas as pd

        with self.open_calls(task) as file, reading(f"the calls of {task!r} in {self.folder}"):
            return pd.read_parquet(file)

    def open_calls(self, task: str) -> BinaryIO:
        """The file of a task's calls. Raises ResultError where there is none, or not this run's."""
        run = RunFolder(self.folder)
        if not run.calls(task).exists():
            raise ResultError(f"{self.folder} has no calls of {task!r}")
        return run.open_calls(task, self.record.assay.calls_sha256.get(task))

    def open_samples(self, task: str) -> BinaryIO:
        """The file of a task's samples; as `open_calls`."""
        run = RunFolder(self.folder)
        if not run.samples(task).exists():
            raise ResultError(f"{self.folder} has no samples of {task!r}")
        return run.open_samples(task, self.record.assay.samples_sha256.get(task))

    def frame(self) -> "pd.DataFrame":
        """The scores as a data frame: a row per task or group, filter and metric."""
        import pandas as pd

        return pd.DataFrame(score_table.rows(self.record))

    def samples(self, task: str) -> "pd.DataFrame":
        """The samples of a task: a row per document and filter, its nested columns decoded."""
        import pandas as pd

        with self.open_samples(task) as file, reading(f"the samples of {task!r} in {self.folder}"):
            return pd.DataFrame(sample_rows(file))
