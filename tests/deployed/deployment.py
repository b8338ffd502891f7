"""The flow `evaluate` as a deployment on a worker, and what people do to its runs in the UI or by command."""

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import FlowRun, Log, TaskRun
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.specs.evaluation import EvaluationSpec
from tests.deployed.servers import PATIENCE, PrefectServer
from tests.support.paths import ROOT

POLL_SECONDS = 0.2


class Deployment:
    """`evaluate/drill` of a server, whose runs start on a pool's worker."""

    def __init__(self, server: PrefectServer, pool: str) -> None:
        from flows.pipeline.evaluate_flow import evaluate_flow

        self.server = server
        with temporary_settings({PREFECT_API_URL: server.url}):
            flow: Any = evaluate_flow.from_source(str(ROOT), "flows/pipeline/evaluate_flow.py:evaluate_flow")
            self._id: Any = flow.deploy(
                "drill", work_pool_name=pool, print_next_steps=False, ignore_warnings=True
            )

    @property
    def client(self) -> SyncPrefectClient:
        with temporary_settings({PREFECT_API_URL: self.server.url}):
            return get_client(sync_client=True)

    def start(self, spec: EvaluationSpec, home: Path) -> UUID:
        """A new run, with an ASSAY_HOME of its own."""
        run = self.client.create_flow_run_from_deployment(
            self._id,
            parameters={"spec": spec.model_dump(mode="json")},
            job_variables={"env": {"ASSAY_HOME": str(home)}},
        )
        return run.id

    def newest(self) -> UUID:
        """The flow run that was started last, from wherever."""
        return self.client.read_flow_runs(sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=1)[0].id

    def run(self, run: UUID) -> FlowRun:
        return self.client.read_flow_run(run)

    def wait(self, run: UUID, *names: str) -> float:
        """Wait for a state of one of these names; the seconds that took. Fails where the run ends in another
        state."""
        began = time.monotonic()
        while (found := self.run(run).state) is None or found.name not in names:
            assert time.monotonic() - began < PATIENCE, f"{found} is not {names}"
            assert found is None or not found.is_final(), f"{found.name} is not {names}: {found.message}"
            time.sleep(POLL_SECONDS)
        return time.monotonic() - began

    def resume(self, run: UUID, **given: object) -> str:
        """Resume a suspended run with what its form was given; what the server makes of that."""
        data = json.dumps({"run_input": given})
        said = self.server.prefect("api", "POST", f"/flow_runs/{run}/resume", "--data", data)
        status: str = json.loads(said)["status"]
        return status

    def steps(self, run: UUID) -> list[TaskRun]:
        only = FlowRunFilter(id=FlowRunFilterId(any_=[run]))
        return list(self.client.read_task_runs(flow_run_filter=only))

    def logs(self, run: UUID) -> list[Log]:
        only = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run]))
        pages: Iterable[list[Log]] = iter(lambda: self.client.read_logs(only, offset=len(found)), [])
        found: list[Log] = []
        for page in pages:
            found += page
        return found

    def process(self, run: UUID) -> int:
        """The process that a run of this machine is in."""
        wanted = f"PREFECT__FLOW_RUN_ID={run}".encode()
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                is_engine = b"prefect.engine" in (folder / "cmdline").read_bytes()
                if is_engine and wanted in (folder / "environ").read_bytes():
                    return int(folder.name)
            except OSError:  # it has ended, or is another user's
                continue
        raise AssertionError(f"{run} has no process")
