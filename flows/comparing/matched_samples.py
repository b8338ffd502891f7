"""The documents of a task that two runs both scored, found by number and hash, not by position."""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import pandas as pd
from pyarrow import parquet

from flows.results.evaluation_result import EvaluationResult
from flows.results.reading import reading
from flows.results.run_folder import RunFolder
from flows.results.samples_file import COLUMNS, NESTED, check_columns, sample_rows, score_column
from tasks_lib.error_context import ErrorContext
from tasks_lib.scoring.scorer import Clusters

DOC = ["doc_id", "doc_hash"]
_CLUSTER = "_cluster"

# What documents have as a score: a number, or a log-likelihood with the length of its text.
Kind = Literal["number", "pair"]


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many documents of a task both runs scored, and only one of them."""

    both: int
    only_first: int
    only_second: int


@dataclass(frozen=True)
class MatchedSamples:
    """The samples of a task in two runs, each a row per filter and document."""

    first: pd.DataFrame
    second: pd.DataFrame

    @classmethod
    def read(cls, first: EvaluationResult, second: EvaluationResult, task: str) -> "MatchedSamples":
        """Raises ResultError where a run has no samples of the task."""
        clusters = _cluster_key(first, task) or _cluster_key(second, task)
        return cls(_read(first, task, clusters), _read(second, task, None))

    @cached_property
    def coverage(self) -> Coverage:
        counts = self._docs["_merge"].value_counts()
        return Coverage(*(int(counts[where]) for where in ("both", "left_only", "right_only")))

    @property
    def renumbered(self) -> int:
        """How many numbers stand for a document in the one run and for another in the other."""
        alone = self._docs[self._docs["_merge"] != "both"]
        return int(alone["doc_id"].duplicated().sum())

    def differing(self, hashed: str) -> int:
        """In how many of the documents of both runs this differs: `prompt_hash` or `target_hash`."""
        both = self._docs[self._docs["_merge"] == "both"]
        return int((both[f"{hashed}_1"] != both[f"{hashed}_2"]).sum())

    def scores(self, metric: str, filter_name: str) -> pd.DataFrame | None:
        """Number, hash, `first`, `second` and, if there are clusters, `cluster` of the documents of both runs
        that have this score in both; None where it is of no `Kind`."""
        if self.kind(metric) is None:
            return None
        metric = score_column(metric)
        columns = [run.loc[run["filter"] == filter_name, [*DOC, metric]] for run in (self.first, self.second)]
        found = columns[0].merge(columns[1], on=DOC, suffixes=("_1", "_2"))
        found = found.rename(columns={f"{metric}_1": "first", f"{metric}_2": "second"})
        found[["first", "second"]] = found[["first", "second"]].apply(_values)
        if _CLUSTER in self.first:
            clusters = self.first.drop_duplicates(DOC)[[*DOC, _CLUSTER]]
            found = found.merge(clusters, on=DOC).rename(columns={_CLUSTER: "cluster"})
        return found.dropna(subset=["first", "second"]).sort_values("doc_id", ignore_index=True)

    def kind(self, metric: str) -> Kind | None:
        """That of the documents' scores in both runs; None for others."""
        metric = score_column(metric)
        kinds = {_kind(run[metric]) if metric in run else None for run in (self.first, self.second)}
        return kinds.pop() if len(kinds) == 1 else None

    def all_scores(self, metric: str, filter_name: str) -> tuple[list[float], list[float]]:
        """The scores of all documents of each run."""
        metric = score_column(metric)
        first, second = (
            _values(run.loc[run["filter"] == filter_name, metric]).dropna().tolist()
            for run in (self.first, self.second)
        )
        return first, second

    @cached_property
    def _docs(self) -> pd.DataFrame:
        """A row for each document of either run: the columns of both where it is in both. `_merge` says in
        which it is."""
        one, other = (run.drop_duplicates(DOC) for run in (self.first, self.second))
        return one.merge(other, on=DOC, how="outer", indicator=True, suffixes=("_1", "_2"))


def _values(scores: pd.Series) -> pd.Series:
    """Scores as they were: all but numbers are kept as JSON."""
    if pd.api.types.is_float_dtype(scores):
        return scores
    return scores.map(json.loads, na_action="ignore")


def _kind(scores: pd.Series) -> Kind | None:
    if pd.api.types.is_float_dtype(scores):
        return "number"
    return "pair" if all(map(_is_pair, _values(scores).dropna())) else None


def _is_pair(score: object) -> bool:
    match score:
        case [float(), int() | float() as length]:
            return length > 0
    return False


def _cluster_key(run: EvaluationResult, task: str) -> str | None:
    """What the documents of one source share (`--cluster`, or `cluster` of the task's file), if anything."""
    asked: str | None = RunFolder(run.folder).spec_keys().get("cluster")
    return asked or run.record.cluster(task)


def _read(run: EvaluationResult, task: str, clusters: str | None) -> pd.DataFrame:
    where = f"the samples of {task!r} in {run.folder}"
    with run.open_samples(task) as file, reading(where):
        schema = parquet.read_schema(file)
        check_columns(schema)
        file.seek(0)
        names = [name for name in schema.names if name not in NESTED]
        table: pd.DataFrame = parquet.read_table(file, columns=names).to_pandas()
        for name in set(table.columns) - COLUMNS:
            _values(table[name])  # all but numbers is JSON
    if clusters is not None:
        own = Clusters(clusters, ErrorContext(task, str(RunFolder(run.folder).samples(task))))
        with run.open_samples(task) as file, reading(where):
            rows = sample_rows(file)
        table[_CLUSTER] = [own.of(row["doc_id"], row["doc"]) for row in rows]
    return table
