"""A model of a suite in a process of its own.

A process a model, because a process keeps one model loaded and draws from one set of random generators, and
so that a model that takes all memory takes no other with it, and gives it back when it is done. Started by
`flows.suites.model_processes`, it reads what to do from the first line of standard input, and ends when that
is closed.
"""

import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from time import sleep
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from flows.specs.evaluation import EvaluationSpec
from metrics.processes.child import when_parent_ends

# An interrupted run stores the answers that it has; what takes longer is stuck.
END_SECONDS = 20.0


class Job(BaseModel):
    """What such a process does. flow_run: the id of the flow run that it makes. outcome: a file for it."""

    name: str
    spec: EvaluationSpec
    flow_run: UUID
    outcome: Path


class Outcome(BaseModel):
    """What came of it: the run's folder, or why there is none."""

    folder: str | None = None
    error: str | None = None


def execute(job: Job) -> Outcome:
    """Make the flow run."""
    from prefect.client.orchestration import get_client
    from prefect.flow_engine import run_flow_sync

    from backends.telemetry.telemetry import telemetry
    from flows.common.errors import USER_ERRORS
    from flows.pipeline.evaluate_flow import evaluate_flow
    from flows.prefect_api.retrying import patient

    with get_client(sync_client=True) as client:
        flow_run = patient(client.read_flow_run, job.flow_run)
    named = evaluate_flow.with_options(flow_run_name=job.name.replace("{", "(").replace("}", ")"))
    parameters = {"spec": job.spec}
    state: Any = run_flow_sync(named, flow_run=flow_run, parameters=parameters, return_type="state")
    telemetry().flush()
    found = state.result(raise_on_failure=False)
    if isinstance(found, USER_ERRORS):
        return Outcome(error=str(found))
    if isinstance(found, Exception):
        return Outcome(error=f"{type(found).__name__}: {found}")
    return Outcome(folder=found)


def _interrupt() -> None:
    """Interrupt this process, whose parent wants that or is gone."""
    os.kill(os.getpid(), signal.SIGINT)
    sleep(END_SECONDS)
    os._exit(1)


def main() -> None:
    """Do the job on standard input."""
    from flows.common.garbage_collection import look_less_often
    from flows.storage.files import write_text

    look_less_often()
    job = Job.model_validate(json.loads(sys.stdin.readline()))
    # A suite in the background ignores interrupts, and so would we.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    when_parent_ends(_interrupt)
    with suppress(KeyboardInterrupt):  # what was answered is stored; who interrupts asks for no outcome
        write_text(job.outcome, execute(job).model_dump_json())
