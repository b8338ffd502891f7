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
    with run.plan.permitting():
        return ended(Prepared(*for_each(tasks, lambda name: _prepare(run.plan, name, tasks[name]))))


def _prepare(plan: Plan, name: str, key: str) -> PreparedTask:
    task = plan.task(name)
    task.scorer.check()
    path = plan.steps.prepared / f"{key}.parquet"
    written = requests_file.write(path, task.builder, task.builder.repeats)
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
        original=len(task.documents.evaluated.docs),
        made=task.documents.evaluated.made,
        num_fewshot=task.builder.num_fewshot,
    )
