"""Runs that pause where they would stop: the model stays away, or a budget is spent.

The run is suspended in Prefect and its process ends. When it is resumed a worker starts it from the top, and
what was answered is in the store. The form that resumes it takes larger budgets; those are kept by Prefect
with the run, so that a second pause or a retry knows them.
"""

import secrets
from typing import NoReturn

from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from pydantic import Field

from flows.common.errors import ONLY_DEPLOYED, SpecError
from flows.specs.evaluation import EvaluationSpec
from flows.steps.records import StoppedBy

# Prefect keeps what a form was given under `suspended-<key of the pause>-response`.
_KEY, _RESPONSE = "budget", "-response"
# Inputs of one run that are read: more often than that nobody resumes it.
_MOST = 200


class Budgets(RunInput):
    """The form that resumes a run whose budget is spent. What is left empty stays as it was."""

    budget_usd: float | None = Field(None, gt=0, description="most that all answers of the run may cost")
    budget_tokens: int | None = Field(None, gt=0, description="most tokens of all answers, in and out")
    budget_time: float | None = Field(None, gt=0, description="seconds that are asked, of this start")
    task_budget_usd: float | None = Field(None, gt=0, description="as budget_usd, of each task")
    task_budget_tokens: int | None = Field(None, gt=0, description="as budget_tokens, of each task")
    task_budget_time: float | None = Field(None, gt=0, description="as budget_time, of each task")


def resumed(spec: EvaluationSpec) -> EvaluationSpec:
    """The spec of this run with the budgets that it was resumed with. Raises SpecError for a run that could
    not be resumed."""
    if spec.on_stop == "stop":
        return spec
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    if run is None or run.deployment_id is None or run.parent_task_run_id is not None:
        raise SpecError(ONLY_DEPLOYED)
    with get_client(sync_client=True) as client:
        inputs = client.filter_flow_run_input(run.id, f"suspended-{_KEY}", _MOST, set())
    given = [one for one in inputs if one.key.endswith(_RESPONSE)]
    budgets: dict[str, float] = {}
    for one in sorted(given, key=lambda one: str(one.created)):
        budgets |= {key: value for key, value in one.decoded_value.items() if value is not None}
    return EvaluationSpec.model_validate({**dict(spec), **budgets})


def pause(spec: EvaluationSpec, stopped_by: StoppedBy, why: str) -> NoReturn:
    """End this process with the run suspended."""
    if stopped_by == "budget":
        now = {key: getattr(spec, key) for key in Budgets.model_fields}
        form = Budgets.with_initial_data(f"{why}. A larger budget goes on from there.", **now)
        suspend_flow_run(wait_for_input=form, key=f"{_KEY}-{secrets.token_hex(4)}")
    suspend_flow_run(key=f"away-{secrets.token_hex(4)}")
    raise RuntimeError("Prefect did not suspend the run")
