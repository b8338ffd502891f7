"""Start a run: check the request, make the run's folder, and call the Prefect flow on some API."""

from typing import Any

from flows.plan import forget_plans, plan_for
from flows.prefect_server import PrefectApi
from flows.progress import reporting
from flows.results.result import EvaluationResult
from flows.results.run_folder import RunFolder
from flows.spec import EvaluationSpec


def run(spec: EvaluationSpec, *, show_progress: bool) -> EvaluationResult:
    """See `flows.evaluate.evaluate`."""
    with PrefectApi() as api:
        forget_plans()
        plan = plan_for(spec)
        plan.check()
        folder = RunFolder.create(spec)
        _ = plan.store  # a store that cannot be opened is said before anything is asked
        plan.home.step_results.mkdir(parents=True, exist_ok=True)

        from flows.pipeline import evaluate_flow

        with reporting(show_progress), api.connected():
            state: Any = evaluate_flow(spec=spec, folder=str(folder.path), return_state=True)
    if not folder.results.exists():
        state.result()  # raises why
    return EvaluationResult.open(folder.path)
