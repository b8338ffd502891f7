"""The Prefect flow that scores a run's stored answers anew: the steps of `evaluate`, without a model."""

from typing import Any

from prefect import flow

from flows.pipeline.evaluate_flow import evaluate_flow
from flows.policy.check import check_run
from flows.prefect_api.large_parameters import by_reference
from flows.specs.rescoring import RescoreSpec


@by_reference
@flow(name="rescore", flow_run_name="rescore {spec.run.name}", task_runner=evaluate_flow.task_runner)
def rescore_flow(spec: RescoreSpec) -> Any:
    """Score the answers of a finished run, and give the new run's folder; ends as failed if a task failed.

    Raises what `RescoreSpec.evaluation` and `flows.pipeline.readiness.checked_and_loaded` raise.
    """
    check_run(spec.run)
    return evaluate_flow.fn(spec.evaluation())
