"""Tasks to requests: load the documents, build the prompts, write the requests to a file."""

from prefect import State

from flows.planning import requests_file
from flows.planning.plan import Plan
from flows.planning.prepared_requests import PreparedTask
from flows.planning.route_check import not_offered
from flows.steps.records import Prepared
from flows.steps.run import Run
from flows.steps.step import ended, for_each, step
from tasks_lib.errors import TaskError


@step("prepare", retries=2)
def prepare(run: Run, tasks: dict[str, str], key: str) -> Prepared | State[Prepared]:
    """Write the requests of each task. tasks: the key of each, by name."""
    return ended(Prepared(*for_each(tasks, lambda name: _prepare(run.plan, name, tasks[name]))))


def _prepare(plan: Plan, name: str, key: str) -> PreparedTask:
    path = plan.steps.prepared / f"{key}.parquet"
    prepared = plan.tasks.prepare(name, path)
    written = prepared.written
    if problem := not_offered(name, written.kinds, (), plan.backend, plan.spec):
        raise TaskError(problem)
    return PreparedTask(
        task=name,
        key=key,
        files={what: plan.steps.add(file) for what, file in requests_file.files(path).items()},
        digest=written.digest,
        requests=written.requests,
        kinds=written.kinds,
        docs=written.docs,
        original=prepared.original,
        made=prepared.made,
        num_fewshot=prepared.num_fewshot,
    )
