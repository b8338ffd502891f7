"""Start a run: check the request, get the model ready, and call the Prefect flow on some API."""

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from flows.common.errors import ONLY_DEPLOYED, ResultError, SpecError
from flows.common.termination import Terminated
from flows.policy.check import check_run
from flows.prefect_api.temporary_server import PrefectApi
from flows.specs.evaluation import EvaluationSpec
from flows.specs.rescoring import RescoreSpec

if TYPE_CHECKING:
    from flows.pipeline.opened_plan import HandedOver
    from flows.results.evaluation_result import EvaluationResult


log = logging.getLogger("assay")

_LOCKED_OUT = (401, 403)


def evaluate_call(spec: EvaluationSpec) -> Callable[[], Any]:
    """What calls the flow; its final state."""
    from flows.pipeline.evaluate_flow import evaluate_flow

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
        raise SpecError(
            "--estimate: there is no result of it; flows.planning.estimate.estimate gives the estimate"
        )
    if spec.on_stop == "pause":
        raise SpecError(ONLY_DEPLOYED)
    with PrefectApi() as api:  # its server gets ready while all else is; hence the late imports
        from backends.telemetry.telemetry import telemetry
        from flows.pipeline.opened_plan import handing_over
        from flows.pipeline.readiness import checked_and_loaded
        from flows.planning.plan import Plan
        from flows.results.evaluation_result import EvaluationResult
        from flows.results.remarks import about_scores

        plan = checked_and_loaded(Plan.of(spec))

        call_flow = flow_call(spec)
        from flows.reporting.progress_bar import reporting

        with reporting(show_progress) as shown, api.connected(), handing_over(plan) as given:
            for line in (*plan.selection.warnings, *plan.notices):
                shown.say(f"warning: {line}")
            folder = _called(call_flow, given)
        telemetry().flush()
    if isinstance(folder, BaseException):
        raise folder
    result = EvaluationResult.open(folder)
    if not show_progress:
        for line in about_scores(result.record):
            log.warning(line)
    return result


def _called(call_flow: Callable[[], Any], given: "HandedOver") -> Any:
    """What the flow gives: the run's folder or an error; also where Prefect's server went away for good."""
    import httpx
    from prefect.exceptions import TerminationSignal
    from prefect.settings import PREFECT_API_URL

    from flows.prefect_api.lost_server import ServerLost, send_nothing_more

    try:
        return call_flow().result(raise_on_failure=False)
    except (httpx.HTTPError, ServerLost) as error:
        send_nothing_more()
        if isinstance(error.__cause__, TerminationSignal):
            raise Terminated from error
        server = f"Prefect's server at {PREFECT_API_URL.value()}"
        if isinstance(error, httpx.HTTPStatusError) and error.response.status_code in _LOCKED_OUT:
            raise SpecError(
                f"{server} does not let this run in (HTTP {error.response.status_code}): give what it wants "
                "to hear in PREFECT_API_AUTH_STRING, or a key in PREFECT_API_KEY"
            ) from error
        if given.ended_in is None:
            raise error.__cause__ or ResultError(f"{server} does not answer any more") from error
        log.warning("%s does not answer; it does not show that this run ended", server)
        return given.ended_in


def run_rescoring(spec: RescoreSpec, *, show_progress: bool) -> "EvaluationResult":
    """See `flows.rescore.rescore`."""

    def flow_call(_: object) -> Callable[[], Any]:
        from flows.pipeline.rescore_flow import rescore_flow

        return partial(rescore_flow, spec=spec, return_state=True)

    check_run(spec.run)
    return run(spec.evaluation(), show_progress=show_progress, flow_call=flow_call)
