"""The runs of a suite's models: a flow run below the suite's and a process each, so many at a time."""

import os
import subprocess
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import sleep
from uuid import UUID

import httpx
from prefect import Task
from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.settings import get_current_settings
from prefect.states import Crashed, Pending

from flows.pipeline.evaluate_flow import evaluate_flow
from flows.prefect_api.large_parameters import small
from flows.prefect_api.retrying import patient
from flows.specs.evaluation import EvaluationSpec
from flows.suites import model_process
from flows.suites.model_process import END_SECONDS, Job, Outcome
from metrics.processes import child

POLL_SECONDS = 0.1


def run_models(models: Sequence[tuple[str, EvaluationSpec]], at_once: int) -> Iterator[tuple[str, Outcome]]:
    """Evaluate models, by name, within the current flow run; what came of each, as it comes.

    Processes that still run when the caller goes away, or is interrupted, are interrupted too.
    """
    waiting, running = deque(enumerate(models)), list[ModelRun]()
    with TemporaryDirectory(prefix="assay-suite-") as folder:
        try:
            while waiting or running:
                while waiting and len(running) < at_once:
                    number, (name, spec) = waiting.popleft()
                    running.append(ModelRun.start(name, spec, number, Path(folder)))
                for one in [run for run in running if run.has_ended]:
                    running.remove(one)
                    yield one.name, one.outcome()
                sleep(POLL_SECONDS)
        finally:
            for one in running:
                one.interrupt()
            for one in running:
                one.wait()


@dataclass(frozen=True, slots=True)
class ModelRun:
    """One model on its way."""

    name: str
    flow_run: UUID
    process: "subprocess.Popen[bytes]"
    file: Path

    @classmethod
    def start(cls, name: str, spec: EvaluationSpec, number: int, folder: Path) -> "ModelRun":
        """Create the flow run and start its process. folder: for what comes of it."""
        flow_run = patient(_create_flow_run, name, spec, number)
        file = folder / f"{number}.json"
        settings = get_current_settings().to_environment_variables(exclude_unset=True)
        process = child.start(model_process.__name__, env={**os.environ, **settings})
        assert process.stdin is not None
        job = Job(name=name, spec=spec, flow_run=flow_run, outcome=file)
        process.stdin.write(job.model_dump_json().encode() + b"\n")
        process.stdin.flush()
        return cls(name, flow_run, process, file)

    @property
    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def outcome(self) -> Outcome:
        """What came of a process that has ended; one that died left its flow run for us to end."""
        if self.file.exists():
            return Outcome.model_validate_json(self.file.read_text(encoding="utf-8"))
        status = self.process.returncode
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        message = f"its process {how}" + (" (out of memory?)" if status == -9 else "")
        self._mark_crashed(message)
        return Outcome(error=message)

    def interrupt(self) -> None:
        """Have the process end; what was answered is kept."""
        child.release(self.process)

    def wait(self) -> None:
        """Wait until the process has ended, and see to it that it does."""
        child.end(self.process, 2 * END_SECONDS)

    def _mark_crashed(self, message: str) -> None:
        try:
            with get_client(sync_client=True) as client:
                client.set_flow_run_state(self.flow_run, Crashed(message=message), force=True)
        except httpx.HTTPError:  # the record stays as it is; the leaderboard says what happened
            return


def _create_flow_run(name: str, spec: EvaluationSpec, number: int) -> UUID:
    """A flow run of `evaluate` below the current one, as Prefect creates those of deployments."""
    parent = FlowRunContext.get()
    assert parent is not None
    assert parent.flow_run is not None
    stand_in: Task[[], None] = Task(name=name, fn=lambda: None)
    with get_client(sync_client=True) as client:
        task_run = client.create_task_run(
            task=stand_in, flow_run_id=parent.flow_run.id, dynamic_key=str(number), state=Pending()
        )
        parameters = {"spec": small(spec.model_dump(mode="json"))}
        created = client.create_flow_run(
            evaluate_flow, name=name, parameters=parameters, parent_task_run_id=task_run.id
        )
    return created.id
