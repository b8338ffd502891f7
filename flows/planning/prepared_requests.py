"""A task's requests before a run: written as the step `prepare` writes them."""

from pathlib import Path

from flows.planning import requests_file, step_keys
from flows.planning.plan import Plan


def prepared(plan: Plan, task: str) -> Path:
    """The task's requests file, made if it is not there. Raises TaskError."""
    path = plan.steps.prepared / f"{step_keys.key_of(step_keys.prepare_parts(plan, task))}.parquet"
    if not path.exists():
        builder = plan.task(task).builder
        requests_file.write(path, builder, builder.repeats)
    return path
