"""A suite's leaderboard and changes as artifacts in Prefect's UI."""

import re
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from threading import Thread
from typing import Any

import httpx
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.logging import get_run_logger

from flows.prefect_api.temporary_server import is_lasting
from flows.suites.leaderboard import Leaderboard

# Prefect waits without end for a server that is away; one that is there takes a fraction of a second.
MOST_SECONDS = 20.0
_NO_KEY = re.compile(r"[^a-z0-9]+")


def show(board: Leaderboard, markdown: str) -> None:
    """Write the artifacts; where that fails or takes long, the run goes on without."""
    if not is_lasting():
        return
    key = _NO_KEY.sub("-", board.suite.lower()).strip("-") or "suite"
    table = [dict(zip(board.header(), cells, strict=True)) for cells in board.cells()]
    _in_time(partial(create_table_artifact, table=table, key=f"leaderboard-{key}", description=board.stamp))
    _in_time(partial(create_markdown_artifact, markdown=markdown, key=f"benchmark-{key}"))


def _in_time(write: Callable[[], Any]) -> None:
    thread = Thread(target=copy_context().run, args=(_guarded, write), daemon=True)
    thread.start()
    thread.join(MOST_SECONDS)
    if thread.is_alive():
        get_run_logger().warning("an artifact is left out: Prefect's server does not answer")


def _guarded(write: Callable[[], Any]) -> None:
    try:
        write()
    except httpx.HTTPError as error:
        get_run_logger().warning("an artifact is left out: %s: %s", type(error).__name__, error)
