"""A suite's leaderboard and changes as artifacts in Prefect's UI."""

import json
from uuid import UUID

from prefect.runtime import flow_run

from flows.prefect_api.temporary_server import is_lasting
from flows.reporting.artifact_writer import Artifacts, Tolerant, end_writing, part_of_key, start_writing
from flows.suites.leaderboard import Leaderboard


def show(board: Leaderboard, markdown: str) -> None:
    """Write the artifacts; where that fails or takes long, the run goes on without."""
    if not is_lasting():
        return
    artifacts, key = Artifacts(UUID(flow_run.id)), part_of_key(board.suite) or "suite"
    table = json.dumps([dict(zip(board.header(), cells, strict=True)) for cells in board.cells()])

    def write() -> None:
        tolerated = Tolerant()
        tolerated(artifacts.put, "table", f"leaderboard-{key}", table, board.stamp)
        tolerated(artifacts.put, "markdown", f"benchmark-{key}", markdown)

    end_writing(start_writing(write))
