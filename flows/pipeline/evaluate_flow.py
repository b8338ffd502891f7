"""The Prefect flow of an evaluation: prepare, infer and score each task, then persist the results.

The steps of one task follow one another; tasks do not wait for each other: while the model answers one, the
next are prepared and those before are scored. A task that fails takes none with it. A model behind an
endpoint works on several shards at once (`flows.runners.threads`), so that none waits for the last answers of
another.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from typing import Any, cast

from prefect import flow, get_run_logger
from prefect.futures import PrefectFuture
from prefect.states import Completed, Failed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows.pipeline import pausing
from flows.pipeline.evaluation import Evaluation
from flows.pipeline.opened_plan import handed_over, opened_plan
from flows.pipeline.shards import Shards
from flows.pipeline.step_calls import StepCalls
from flows.planning.estimate import estimate
from flows.planning.plan import Plan
from flows.prefect_api.large_parameters import by_reference
from flows.prefect_api.lost_server import leaving_lost_server
from flows.prefect_api.step_records import result_storage
from flows.reporting import run_log
from flows.reporting.logged_lines import logging_to
from flows.reporting.prefect_artifacts import showing
from flows.reporting.reporter import Reporter
from flows.results import own_requests
from flows.results.run_folder import RunFolder
from flows.runners.threads import threads
from flows.runners.workers import workers_of
from flows.specs.evaluation import EvaluationSpec
from flows.steps import account_limit
from flows.steps.publish import publish_all
from flows.steps.run import Run


@by_reference
@flow(
    name="evaluate",
    flow_run_name="evaluate {spec.model.name}",
    task_runner=cast(TaskRunner[PrefectFuture[Any]], ThreadPoolTaskRunner(max_workers=1)),
)
def evaluate_flow(spec: EvaluationSpec) -> Any:
    """Evaluate the model on the tasks, and give the run's folder; ends as failed if a task failed.

    Raises what `flows.pipeline.readiness.checked_and_loaded` raises, and SpecError where Prefect lacks what
    the spec names. Where no progress is shown, the flow run's log says how it goes.
    """
    with logging_to(get_run_logger) as reporter:
        spec = pausing.resumed(spec)
        if spec.estimate:
            reporter.say(estimate(spec).text())
            return Completed(message="Nothing was asked; the log has the estimate")
        account_limit.check(spec)
        plan = opened_plan(spec)
        # Of a run that a worker has started the server alone tells how it ended: Prefect waits for it.
        with leaving_lost_server() if handed_over() else nullcontext(), closing(plan):
            return _evaluate(plan, reporter)


def _evaluate(plan: Plan, reporter: Reporter) -> Any:
    request = plan.spec.written()
    own_requests.remember(plan.home, request)
    folder = RunFolder.create(plan.spec.output, plan.spec.model, request)
    run_log.note_start(reporter, plan, folder)
    with showing(plan, reporter) as shown:
        run = Run(plan, shown)
        failed = _execute(run, folder)
    run_log.note_end(reporter, plan.spec, folder)
    unpublished = publish_all(plan.spec.sinks, folder.path)
    if started_here := handed_over():
        started_here.ended_in = str(folder.path)
    if failed:
        return Failed(message=run_log.failure(failed), data=str(folder.path))
    if unpublished:  # which costs the run nothing, but should be seen
        said = f"scored, but not published: {', '.join(unpublished)}"
        return Completed(name="NotPublished", message=said, data=str(folder.path))
    return str(folder.path)


@contextmanager
def _ending_task_code(plan: Plan) -> Iterator[None]:
    """A block that is left early only where nobody wants any more what the tasks' Python is doing."""
    try:
        yield
    except BaseException:
        plan.tasks.stop()
        raise


def _execute(run: Run, folder: RunFolder) -> Mapping[str, str]:
    """All steps up to the results; why tasks failed. Of a stopped run, too, it is said what was paid."""
    steps, evaluation = StepCalls(run, result_storage(run.plan.steps.finished)), None
    try:
        with (
            workers_of(run) as workers,
            threads(workers.at_once, workers.patience, workers.stop, run.reporter.say) as executor,
            _ending_task_code(run.plan),
        ):
            evaluation = Evaluation(run, folder, steps, Shards(run, steps, executor, workers))
            evaluation.execute()
    except BaseException:  # when all answers that were under way are stored
        if evaluation is not None:
            evaluation.say_paid()
        raise
    return evaluation.failed
