"""Assay as a team has it: a Prefect server with its UI, a worker, and all deployments of `prefect.yaml`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from logging import getLevelName
from pathlib import Path
from typing import Any

import httpx
from tenacity import retry, retry_if_result, stop_after_attempt, wait_fixed

from tests.deployed.servers import PrefectServer, Worker
from tests.support.waiting import until

POOLS = ("cpu-pool", "gpu-pool")
_SETTINGS = {
    "PREFECT_UI_ENABLED": "1",
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "true",
    "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "2",  # in place of 60
    "PREFECT_CLI_COLORS": "false",
    "COLUMNS": "200",
}


@dataclass(frozen=True, slots=True)
class Service:
    """A running server; `home` is where all of it is kept, `assay` below it the runs' ASSAY_HOME."""

    home: Path
    server: PrefectServer

    @property
    def ui(self) -> str:
        return self.server.url.removesuffix("/api")

    @property
    def results(self) -> Path:
        return self.home / "results"

    def call(self, path: str, **body: Any) -> Any:
        """What the server's API answers to a body, or, without one, to a question."""
        return self._answer(path, body or None).raise_for_status().json()

    def start(self, spec: Mapping[str, Any], deployment: str = "evaluate/manual") -> httpx.Response:
        """What the server answers to the form, filled in like this."""
        made = self.call(f"deployments/name/{deployment}")["id"]
        return self._answer(f"deployments/{made}/create_flow_run", {"parameters": {"spec": dict(spec)}})

    @retry(
        retry=retry_if_result(lambda answer: answer.status_code == httpx.codes.SERVICE_UNAVAILABLE),
        stop=stop_after_attempt(5),
        wait=wait_fixed(1),
        retry_error_callback=lambda last: last.outcome.result() if last.outcome else None,
    )
    def _answer(self, path: str, body: Mapping[str, Any] | None) -> httpx.Response:
        """Asked again, as Prefect's clients do, while the server's database is busy."""
        method = "GET" if body is None else "POST"
        return httpx.request(method, f"{self.ui}/api/{path}", json=body, timeout=60)

    def run(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """A run started by the form, once it has ended."""
        return self.ended(self.start(spec).raise_for_status().json()["id"])

    def ended(self, run: str) -> dict[str, Any]:
        """A run, once it has ended."""
        final = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
        assert until(lambda: self.call(f"flow_runs/{run}")["state_type"] in final, every=0.3), run
        found: dict[str, Any] = self.call(f"flow_runs/{run}")
        return found

    def log(self, run: str) -> list[str]:
        """What the log of a run says, each line after its level."""
        chosen = {"flow_run_id": {"any_": [run]}}
        lines = self.call("logs/filter", logs=chosen, sort="TIMESTAMP_ASC", limit=200)
        return [f"{getLevelName(line['level'])} {line['message']}" for line in lines]


@contextmanager
def service(home: Path) -> Iterator[Service]:
    """A server with everything deployed, and a worker for the first pool; both end with the block."""
    own = {"ASSAY_HOME": str(home / "assay"), "HOME": str(home)}
    with PrefectServer(home / "prefect", {**_SETTINGS, **own}) as server:
        made = Service(home, server)
        for pool in POOLS:
            made.call("work_pools/", name=pool, type="process")
        # A machine that is busy starts runs more slowly than an interval makes them: two at a time.
        with Worker(server, POOLS[0], own, limit=2):
            server.prefect("--no-prompt", "deploy", "--all", "--prefect-file", "deployments/prefect.yaml")
            yield made
