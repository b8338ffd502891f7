"""Artifacts in Prefect's UI: written beside a run, so that a server that is away holds up no run, and fails
none."""

import logging
import re
import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import ParamSpec
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.exceptions import PrefectException

P = ParamSpec("P")

log = logging.getLogger("assay")

# How long the end of a run waits for the last calls: many times what they take while the server answers.
PATIENCE = 15.0


class Artifacts:
    """The artifacts of one flow run, each made once and then updated where it has changed.

    They raise httpx.HTTPError and PrefectException.
    """

    def __init__(self, run: UUID) -> None:
        self._run = run
        self._made: dict[str, tuple[UUID, object]] = {}

    def tag(self, tags: list[str]) -> None:
        """Add tags to those of the flow run."""
        with self._client() as client:
            own = client.read_flow_run(self._run).tags
            client.update_flow_run(self._run, tags=[*own, *(tag for tag in tags if tag not in own)])

    def put(self, kind: str, key: str, data: str | float, description: str | None = None) -> None:
        """Show `data`. kind: `progress`, `markdown`, or `table`, which is JSON."""
        identity, shown = self._made.get(key, (None, None))
        if shown == (data, description):
            return
        with self._client() as client:
            if identity is None:
                own = ArtifactCreate(
                    type=kind, key=key, data=data, description=description, flow_run_id=self._run
                )
                identity = client.create_artifact(own).id
            else:
                client.update_artifact(identity, ArtifactUpdate(data=data, description=description))
        self._made[key] = (identity, (data, description))

    def _client(self) -> SyncPrefectClient:
        """One of this thread's own: the flow's, which is given where the settings are the same, ends with it,
        maybe within a call from here."""
        return get_client(sync_client=True, httpx_settings={})


def start_writing(work: Callable[[], None]) -> threading.Thread:
    """Have `work` write artifacts in a thread of its own, with the settings of the run."""
    thread = threading.Thread(target=copy_context().run, args=(work,), name="artifacts", daemon=True)
    thread.start()
    return thread


def end_writing(thread: threading.Thread) -> None:
    """Wait for the thread; without the server, go on some seconds later all the same."""
    thread.join(PATIENCE)
    if thread.is_alive():
        log.warning("Prefect's server does not answer; the artifacts of this run are not up to date")


class Tolerant:
    """Calls of a server whose failures cost a run nothing: the log says so, once until one works again."""

    def __init__(self) -> None:
        self._was_said = False

    def __call__(self, write: Callable[P, None], *arguments: P.args, **named: P.kwargs) -> None:
        try:
            write(*arguments, **named)
        except (httpx.HTTPError, PrefectException) as error:
            if not self._was_said:
                log.warning("this is not shown in Prefect: %s: %s", type(error).__name__, error)
            self._was_said = True
        else:
            self._was_said = False


def part_of_key(name: str) -> str:
    """A name as part of an artifact's key: lower case letters, digits and dashes."""
    return re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
