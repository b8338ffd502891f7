"""Start a run: check the request, make the run's folder, and call the Prefect flow on some API."""

import logging
from typing import TYPE_CHECKING, Any

from backends.errors import BackendError
from flows.prefect_server import PrefectApi
from flows.spec import EvaluationSpec

if TYPE_CHECKING:
    from flows.plan import Plan
    from flows.results.result import EvaluationResult


log = logging.getLogger("assay")


def run(spec: EvaluationSpec, *, show_progress: bool) -> "EvaluationResult":
    """See `flows.evaluate.evaluate`. Answers that were cut off are logged where no progress is shown."""
    with PrefectApi() as api:  # its server gets ready while all else is; hence the late imports
        from backends.engine.telemetry import telemetry
        from flows import explain
        from flows.plan import forget_plans, plan_for
        from flows.results import coverage, truncation
        from flows.results.result import EvaluationResult
        from flows.results.run_folder import RunFolder

        forget_plans()
        plan = plan_for(spec)
        plan.check()
        folder = RunFolder.create(spec)
        _ = plan.store  # a store that cannot be opened is said before anything is asked
        plan.home.step_results.mkdir(parents=True, exist_ok=True)
        if not all(explain.was_finished(plan, name) for name in plan.selection.tasks):
            plan = _ready(plan)  # it will most likely be asked

        from flows.pipeline import evaluate_flow
        from flows.progress import reporting

        with reporting(show_progress) as shown, api.connected():
            for line in plan.selection.warnings:
                shown.say(f"warning: {line}")
            state: Any = evaluate_flow(spec=plan.spec, folder=str(folder.path), return_state=True)
        telemetry().flush()
    if not folder.results.exists():
        state.result()  # raises why
    result = EvaluationResult.open(folder.path)
    if not show_progress:
        for line in (*coverage.lines(result.results), *truncation.lines(result.results)):
            log.warning(line)
    return result


def _ready(plan: "Plan") -> "Plan":
    """The plan with a model that is ready to be asked: its own, or, while that does not answer, a fallback
    in its place for the whole run. Raises BackendError where none is."""
    from flows.plan import plan_for

    spec = plan.spec
    try:
        plan.backend.load(plan.kinds)
    except BackendError as error:
        if spec.allow_mixing or not spec.fallback:
            raise
        first, *others = spec.fallback
        log.warning("%s; %s answers in its place", error, first)
        instead = plan_for(spec.model_copy(update={"model": first, "fallback": others}))
        instead.check()
        return _ready(instead)
    return plan
