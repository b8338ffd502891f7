"""The Prefect flow of a suite: evaluate each model, put them side by side, and say what changed."""

from pathlib import Path

import httpx
from prefect import State, flow
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Failed

from flows.common.errors import SpecError
from flows.policy.check import check_suite, check_suite_file
from flows.prefect_api.large_parameters import by_reference
from flows.prefect_api.temporary_server import is_lasting
from flows.reporting.reporter import reporter
from flows.specs.suite import SuiteSpec, read_suite
from flows.storage.home import Home
from flows.suites.artifacts import show
from flows.suites.model_processes import run_models
from flows.suites.result import SuiteResult
from flows.suites.run import SuiteRun
from flows.suites.webhook import Hook
from tasks_lib.catalog.catalog import Catalog

REGRESSION = "Regression"
MOST_SAID = 8  # in the message of a state, which stands in one line


@by_reference
@flow(name="benchmark", flow_run_name="benchmark {suite}")
def benchmark_flow(suite: SuiteSpec | str) -> str | State[str]:
    """Run a suite, given as a file's path or as what is in one, and give the folder of this run.

    Ends in the state `Regression`, of type Failed, where a score is significantly worse than before, and as
    `Failed` where a model or task failed. Raises SpecError, and TaskError for a task that is not there.
    """
    if isinstance(suite, str):
        check_suite_file(Path(suite))
    spec = read_suite(Path(suite)) if isinstance(suite, str) else suite
    check_suite(spec)
    Home.from_environment().make()
    hook = Hook.find(spec.webhook) if spec.webhook else None
    _check_tasks(spec)
    run = SuiteRun.create(spec)
    _evaluate(run)
    result = run.finish()
    show(result.board, result.markdown())
    if result.changes.regressions and hook is not None:
        _tell(hook, result)
    return _final_state(result)


def _evaluate(run: SuiteRun) -> None:
    """Run all models, and say of each how it went."""
    evaluations = run.evaluations()
    reporter().working_on(f"{len(evaluations)} models")
    for name, outcome in run_models(evaluations, run.spec.at_once):
        row = run.add(name, outcome)
        for line in row.reasons():
            _say(f"failed: {line}")
        _say(f"{name}: {len(row.scores)} scores; {len(run.rows)} of {len(evaluations)} models are done")


def _check_tasks(spec: SuiteSpec) -> None:
    """Find tasks that are not there before any model is asked."""
    asked = spec.evaluation(spec.models[0], spec.output)
    selection = Catalog.standard(asked.include_path, Home.from_environment().root).select(asked.tasks)
    known = selection.tasks.keys() | selection.groups.keys()
    for key, tasks in (("metrics", spec.metrics), ("tolerances", spec.tolerances)):
        for name in tasks:
            if name not in known:
                raise SpecError(f"{key}: {name} is none of the tasks of the suite")


def _final_state(result: SuiteResult) -> str | State[str]:
    regressions, reasons = result.changes.regressions, result.board.reasons()
    said = [*(one.sentence() for one in regressions), *(f"failed: {line}" for line in reasons)]
    if not said:
        return str(result.folder)
    more = [f"and {len(said) - MOST_SAID} more"] if len(said) > MOST_SAID else []
    message = "; ".join([*said[:MOST_SAID], *more])
    return Failed(name=REGRESSION if regressions else None, message=message, data=str(result.folder))


def _tell(hook: Hook, result: SuiteResult) -> None:
    """Post the regressions; a hook that is away costs a line in the log."""
    try:
        link = None if not is_lasting() else flow_run.ui_url
        hook.post({**result.alarm(), "flow_run": link})
    except httpx.HTTPError as error:
        reason = str(error).replace(hook.url, hook.shown)
        _say(f"warning: the webhook at {hook.shown} was not told: {type(error).__name__}: {reason}")


def _say(line: str) -> None:
    """To whoever watches, at a terminal or in Prefect's UI."""
    reporter().say(line)
    get_run_logger().info(line)
