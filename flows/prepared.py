"""A task's requests before a run: written as the step `prepare` writes them."""

from pathlib import Path

from flows import keys
from flows.plan import Plan
from flows.steps import requests_file


def prepared(plan: Plan, task: str) -> Path:
    """The task's requests file, made if it is not there. Raises TaskError."""
    path = plan.home.prepared / f"{keys.key_of(keys.prepare_parts(plan, task))}.parquet"
    if not path.exists():
        builder = plan.task(task).builder
        requests_file.write(path, builder, builder.repeats)
    return path
