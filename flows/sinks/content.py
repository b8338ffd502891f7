"""What of a run is published: its numbers, its spec, its results and samples; never what may hold a key."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from backends.model_string import ModelSpec
from flows.common.json_object import JsonObject
from flows.results.evaluation_result import EvaluationResult
from flows.results.reading import check_within, reading
from flows.results.results_json import with_model_options
from flows.results.run_folder import RunFolder
from flows.results.score_table import numbers
from flows.results.strict_json import strict

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

NOT_SAID = "(not published)"

# Headers may be secret whatever their names are; of other options those whose names say so.
_SECRET = re.compile(
    r"headers|(.*[-_])?(auth|authorization|cookie|credentials?|key|password|secret|token)", re.IGNORECASE
)


def run_id(result: EvaluationResult) -> str:
    """The run's own name; those of later runs sort after it."""
    return result.folder.name


def model_name(result: EvaluationResult) -> str:
    """The model as the folder of its runs is called."""
    return result.folder.parent.name


def metrics(result: EvaluationResult) -> dict[str, float]:
    """Each number as `task/metric/filter`, and its standard error as `task/metric_stderr/filter`."""
    found: dict[str, float] = {}
    for one, score in numbers(result.record):
        found[f"{one.name}/{score.metric}/{score.filter}"] = score.value
        if score.stderr is not None:
            found[f"{one.name}/{score.metric}_stderr/{score.filter}"] = score.stderr
    return found


def spec(result: EvaluationResult) -> JsonObject:
    """The run's `spec.yaml`."""
    run = RunFolder(result.folder)
    content = run.spec_keys()
    with reading(run.path / "spec.yaml"):
        models: JsonObject = {"model": _model(content["model"])}
        if "fallback" in content:
            models["fallback"] = [_model(one) for one in content["fallback"]]
    return {**content, **models}


def results(result: EvaluationResult) -> JsonObject:
    """The content of the run's `results.json`."""
    with reading(RunFolder(result.folder).results):
        return strict(with_model_options(result.results, _options))


def samples(result: EvaluationResult) -> Iterator[tuple[str, Path | bytes]]:
    """The tasks that were scored, each with the Parquet file of its samples, or with its content if that is
    not on disk."""
    for task in result.record.tasks:
        place = RunFolder(result.folder).samples(task)
        check_within(place, result.folder)
        with result.open_samples(task) as file:
            yield task, place if isinstance(place, Path) else file.read()


def frame(file: Path | bytes) -> "pd.DataFrame":
    """The rows of a file that `samples` gave. Raises ResultError where it is damaged."""
    import pandas as pd

    with reading(_named(file)):
        return pd.read_parquet(_opened(file))


def started(result: EvaluationResult) -> float:
    """Seconds since 1970."""
    with reading(RunFolder(result.folder).results):
        return datetime.fromisoformat(result.record.date).timestamp()


def columns(file: Path | bytes) -> "pa.Schema":
    """The columns of a file that `samples` gave. Raises ResultError where it is damaged."""
    from pyarrow import parquet

    with reading(_named(file)):
        return parquet.read_schema(_opened(file))


def _named(file: Path | bytes) -> str:
    return "a file of samples" if isinstance(file, bytes) else str(file)


def _opened(file: Path | bytes) -> Path | BytesIO:
    return BytesIO(file) if isinstance(file, bytes) else file


def _model(given: str | Mapping[str, object]) -> str:
    model = ModelSpec.parse(given)
    return str(model.model_copy(update={"options": _options(model.options)}))


def _options(options: Mapping[str, object]) -> JsonObject:
    """A model's options, without those that may be secret. An `extra_body` may be JSON text, and stays it."""
    kept = {key: NOT_SAID if _SECRET.fullmatch(key) else value for key, value in options.items()}
    match kept.get("extra_body"):
        case str(text):
            kept["extra_body"] = json.dumps(_options(json.loads(text)), sort_keys=True)
        case dict(body):
            kept["extra_body"] = _options(body)
    return kept
