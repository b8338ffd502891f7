"""Start a run: check the request, get the model ready, and call the Prefect flow on some API."""

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from flows.errors import SpecError
from flows.prefect_server import PrefectApi
from flows.spec import EvaluationSpec

if TYPE_CHECKING:
    from flows.results.result import EvaluationResult


log = logging.getLogger("assay")


def evaluate_call(spec: EvaluationSpec) -> Callable[[], Any]:
    """What calls the flow; its final state."""
    from flows.pipeline import evaluate_flow

    return partial(evaluate_flow, spec=spec, return_state=True)


def run(
    spec: EvaluationSpec,
    *,
    show_progress: bool,
    flow_call: Callable[[EvaluationSpec], Callable[[], Any]] = evaluate_call,
) -> "EvaluationResult":
    """See `flows.evaluate.evaluate`. Answers that were cut off are logged where no progress is shown.

    flow_call: imports a flow and gives what calls it; another than `evaluate_flow` for another name.
    """
    if spec.estimate:
        raise SpecError("--estimate: there is no result of it; flows.estimate.estimate gives the estimate")
    with PrefectApi() as api:  # its server gets ready while all else is; hence the late imports
        from backends.engine.telemetry import telemetry
        from flows.plan import forget_plans, plan_for
        from flows.ready import ready
        from flows.results import coverage, truncation
        from flows.results.result import EvaluationResult

        forget_plans()
        plan = ready(plan_for(spec))

        call_flow = flow_call(spec)
        from flows.progress import reporting

        with reporting(show_progress) as shown, api.connected():
            for line in plan.selection.warnings:
                shown.say(f"warning: {line}")
            state = call_flow()
        telemetry().flush()
    folder = state.result(raise_on_failure=False)
    if isinstance(folder, BaseException):
        raise folder
    result = EvaluationResult.open(folder)
    if not show_progress:
        for line in (*coverage.lines(result.results), *truncation.lines(result.results)):
            log.warning(line)
    return result
