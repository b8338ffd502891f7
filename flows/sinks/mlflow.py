"""`mlflow:experiment`: a run of MLflow for each run, where MLFLOW_TRACKING_URI says."""

import re
from typing import TYPE_CHECKING

from flows.common.errors import PublishError, Unavailable
from flows.results.evaluation_result import EvaluationResult
from flows.results.run_folder import safe_name
from flows.sinks import content
from flows.sinks.sink import Sink

if TYPE_CHECKING:
    from mlflow import MlflowClient

# By which a run that was published before is found.
_TAG = "assay.run"
# What MLflow's names may not have, and the most that a parameter of any of its stores holds.
_UNFIT = re.compile(r"[^\w\-. :/]")
_LONGEST_PARAMETER = 500
_SHOWN_SAMPLES = 10_000
_MAY_PASS = ("TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "INTERNAL_ERROR")


class MlflowSink(Sink):
    """An experiment; it is made where there is none."""

    def publish(self, result: EvaluationResult) -> str:
        """Scores as metrics, the spec as parameters, samples as tables, and `results.json`.

        What is published again is written to the same MLflow run; files that are there stay.
        """
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        try:
            client = MlflowClient()
            experiment = self._experiment(client)
            run = _run(client, experiment, result)
            _write_numbers(client, run, result)
            _write_files(client, run, result)
            client.set_terminated(run)
        except MlflowException as error:
            kind = Unavailable if error.error_code in _MAY_PASS else PublishError
            raise kind(f"mlflow:{self.name}: {' '.join(str(error).split())}") from error
        return f"{client.tracking_uri}/#/experiments/{experiment}/runs/{run}"

    def _experiment(self, client: "MlflowClient") -> str:
        found = client.get_experiment_by_name(self.name)
        return str(found.experiment_id if found else client.create_experiment(self.name))


def _run(client: "MlflowClient", experiment: str, result: EvaluationResult) -> str:
    """The id of the MLflow run of this run."""
    found = client.search_runs([experiment], f"tags.`{_TAG}` = '{content.run_id(result)}'")
    if found:
        return str(found[0].info.run_id)
    made = client.create_run(
        experiment,
        start_time=_started(result),
        tags={_TAG: content.run_id(result), "assay.folder": str(result.folder)},
        run_name=f"{content.model_name(result)} {content.run_id(result)}",
    )
    return str(made.info.run_id)


def _write_numbers(client: "MlflowClient", run: str, result: EvaluationResult) -> None:
    from mlflow.entities import Metric, Param

    started = _started(result)
    metrics = [Metric(_fit(name), value, started, 0) for name, value in content.metrics(result).items()]
    parameters = [Param(key, _short(value)) for key, value in content.spec(result).items()]
    # As many as MLflow takes at once.
    for start in range(0, len(metrics), 1000):
        client.log_batch(run, metrics=metrics[start : start + 1000])
    client.log_batch(run, params=parameters)


def _write_files(client: "MlflowClient", run: str, result: EvaluationResult) -> None:
    there = {one.path for one in client.list_artifacts(run, "samples")}
    for task, file in content.samples(result):
        table = f"samples/{safe_name(task)}.json"
        if table not in there:  # rows would be added to those of a table that is there
            client.log_table(run, content.frame(file).head(_SHOWN_SAMPLES), table)
    client.log_dict(run, content.results(result), "results.json")


def _started(result: EvaluationResult) -> int:
    """Milliseconds since 1970."""
    return int(content.started(result) * 1000)


def _fit(name: str) -> str:
    return _UNFIT.sub("_", name)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST_PARAMETER else f"{text[: _LONGEST_PARAMETER - 3]}..."
