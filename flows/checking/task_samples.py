"""What the samples of a task in a finished run show of its answers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pyarrow import parquet

from backends.answer_faults import logprob_fault
from flows.common.json_object import JsonObject
from flows.results.evaluation_result import EvaluationResult
from flows.results.reading import reading
from flows.results.run_folder import RunFolder
from flows.results.samples_file import as_json, sample_rows


@dataclass(frozen=True)
class TaskSamples:
    """rows: of its documents, one each. asked: by the numbers of document, request and repeat, whom each
    answer is of, as `backend:name`; "" for a model of the run's own machine."""

    rows: Sequence[JsonObject]
    asked: Mapping[tuple[int, int, int], str]

    @classmethod
    def read(cls, run: EvaluationResult, task: str) -> "TaskSamples":
        """What is in a run's folder; nothing where it has no samples. Raises ResultError."""
        folder = RunFolder(run.folder)
        if not folder.samples(task).exists():
            return cls([], {})
        with run.open_samples(task) as file, reading(folder.samples(task)):
            rows = {row["doc_id"]: row for row in sample_rows(file)}
        asked = {}
        if folder.calls(task).exists():
            names = ["doc_id", "index", "repeat", "asked"]
            with run.open_calls(task) as file, reading(folder.calls(task)):
                table = parquet.read_table(file, columns=names)
                columns = [table[name].to_pylist() for name in names]
            asked = {(doc, index, repeat): by or "" for doc, index, repeat, by in zip(*columns, strict=True)}
        return cls(list(rows.values()), asked)

    def unfit_logprobs(self) -> int:
        """Documents with a log-likelihood that can be none."""
        return sum(any(map(_is_unfit, _flat(row["resps"]))) for row in self.rows)

    def nothing_after_thinking(self) -> int:
        """Answers of endpoints that count as whole and empty after thinking."""
        return sum(
            said == "" and bool(thought) and bool(self.asked.get((row["doc_id"], index, repeat)))
            for row in self.rows
            if row.get("thinking") and row["status"] == "answer"
            for index, pair in enumerate(zip(row["resps"], row["thinking"], strict=True))
            for repeat, (said, thought) in enumerate(zip(*pair, strict=True))
        )

    @cached_property
    def sampled(self) -> Sequence[tuple[int, str]]:
        """The documents and texts of the requests whose answers were drawn."""
        return [
            (row["doc_id"], as_json(arguments))
            for row in self.rows
            for arguments in row["arguments"]
            if _is_sampled(arguments)
        ]

    def shared_draws(self) -> int:
        """Sampled requests that are equal to one before them, and so have its answer."""
        return len(self.sampled) - len({text for _, text in self.sampled})

    def documents_with_nan(self) -> int:
        return sum(any(value != value for value in _flat(row["doc"])) for row in self.rows)

    def repeats(self) -> int:
        """The most answers to one request."""
        return max((len(repeats) for row in self.rows for repeats in row["resps"]), default=0)


def _is_sampled(arguments: Sequence[Any]) -> bool:
    generation = arguments[1] if len(arguments) > 1 else None
    if not isinstance(generation, dict):
        return False
    temperature = generation.get("temperature")
    return bool(generation.get("do_sample", isinstance(temperature, int | float) and temperature > 0))


def _is_unfit(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and logprob_fault(value) is not None  # type: ignore[arg-type]


def _flat(value: object) -> Iterator[object]:
    """The values in lists and objects, however deep."""
    if isinstance(value, list | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _flat(one)
    else:
        yield value
