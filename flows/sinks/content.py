"""What of a run is published: its numbers, its spec, its results and samples; never what may hold a key."""

import json
import re
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends.model_string import ModelSpec
from flows.results import score_table
from flows.results.evaluation_result import EvaluationResult
from flows.results.run_folder import RunFolder

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
    for row in score_table.rows(result.results):
        found[f"{row['task']}/{row['metric']}/{row['filter']}"] = row["value"]
        if row["stderr"] is not None:
            found[f"{row['task']}/{row['metric']}_stderr/{row['filter']}"] = row["stderr"]
    return found


def spec(result: EvaluationResult) -> dict[str, Any]:
    """The run's `spec.yaml`."""
    content = RunFolder(result.folder).spec_keys()
    models: dict[str, Any] = {"model": _model(content["model"])}
    if "fallback" in content:
        models["fallback"] = [_model(one) for one in content["fallback"]]
    return {**content, **models}


def results(result: EvaluationResult) -> dict[str, Any]:
    """The content of the run's `results.json`."""
    config, assay = result.results["config"], result.results["assay"]
    return {
        **result.results,
        "config": {**_options(config), "model_args": _options(config["model_args"])},
        "assay": {**assay, "fingerprint": _options(assay["fingerprint"])},
    }


def samples(result: EvaluationResult) -> Iterator[tuple[str, Path | bytes]]:
    """The tasks that were scored, each with the Parquet file of its samples, or with its content if that is
    not on disk."""
    for task in result.results["configs"]:
        place = RunFolder(result.folder).samples(task)
        yield task, place if isinstance(place, Path) else place.read_bytes()


def frame(file: Path | bytes) -> "pd.DataFrame":
    """The rows of a file that `samples` gave."""
    import pandas as pd

    return pd.read_parquet(_opened(file))


def columns(file: Path | bytes) -> "pa.Schema":
    """The columns of a file that `samples` gave."""
    from pyarrow import parquet

    return parquet.read_schema(_opened(file))


def _opened(file: Path | bytes) -> Path | BytesIO:
    return BytesIO(file) if isinstance(file, bytes) else file


def _model(given: str | Mapping[str, Any]) -> str:
    model = ModelSpec.parse(given)
    return str(model.model_copy(update={"options": _options(model.options)}))


def _options(options: Mapping[str, Any]) -> dict[str, Any]:
    """A model's options, without those that may be secret. An `extra_body` may be JSON text, and stays it."""
    kept = {key: NOT_SAID if _SECRET.fullmatch(key) else value for key, value in options.items()}
    match kept.get("extra_body"):
        case str(text):
            kept["extra_body"] = json.dumps(_options(json.loads(text)), sort_keys=True)
        case dict(body):
            kept["extra_body"] = _options(body)
    return kept
