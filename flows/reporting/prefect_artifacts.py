"""A run in Prefect's UI: its tags, how far it is, its scores as tasks finish, and a summary at the end.

All calls are made in a thread of their own: a server that is away holds up no run, and fails none.
"""

import json
import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.exceptions import PrefectException
from prefect.runtime import flow_run

from backends.requests import RequestKind
from flows.planning.plan import Plan
from flows.prefect_api.temporary_server import is_lasting
from flows.reporting import artifact_pages
from flows.reporting.reporter import Reporter, as_current, reporter
from flows.results.evaluation_result import EvaluationResult
from flows.results.results_json import Assay, RunRecord
from flows.results.score_sections import ScoreSections
from flows.results.task_scores import TaskScores
from flows.storage.files import Place

log = logging.getLogger("assay")

# A person who watches wants no more, and a server with many runs bears it.
_EVERY_SECONDS = 5.0
# How long the end of a run waits for the last calls: many times what they take while the server answers.
_PATIENCE = 15.0


@contextmanager
def showing(plan: Plan) -> Iterator[None]:
    """Show the flow run that this is within in Prefect's UI, unless its API ends with this process."""
    if not is_lasting():
        yield
        return
    shown = ArtifactReporter(reporter(), plan, UUID(flow_run.id))
    try:
        with as_current(shown):
            yield
    finally:
        shown.close()


class ArtifactReporter(Reporter):
    """Keeps what it is told for the UI, and passes it on to another reporter. `close` ends it."""

    def __init__(self, inner: Reporter, plan: Plan, run: UUID) -> None:
        super().__init__()
        self.work = inner.work
        self._inner = inner
        self._plan = plan
        self._artifacts = _Artifacts(run, str(plan.spec.model))
        self._progress = artifact_pages.progress(self.work)
        self._scores: dict[str, Path] = {}
        self._folder: Place | None = None
        self._shown: dict[str, TaskScores] = {}
        self._ending = threading.Event()
        show = partial(copy_context().run, self._show_all)  # with the settings of the run
        self._thread = threading.Thread(target=show, name="artifacts", daemon=True)
        self._thread.start()

    def prepared(self, kind: RequestKind, requests: int) -> None:
        self._inner.prepared(kind, requests)
        self._progress = artifact_pages.progress(self.work)

    def answered(self, kind: RequestKind, count: int, seconds: float) -> None:
        self._inner.answered(kind, count, seconds)
        self._progress = artifact_pages.progress(self.work)

    def reused(self, kind: RequestKind, count: int) -> None:
        self._inner.reused(kind, count)
        self._progress = artifact_pages.progress(self.work)

    def working_on(self, what: str) -> None:
        self._inner.working_on(what)

    def say(self, line: str, level: int = logging.INFO) -> None:
        self._inner.say(line, level)

    def note(self, line: str, level: int = logging.INFO) -> None:
        self._inner.note(line, level)

    def scored(self, task: str, scores: Path) -> None:
        self._inner.scored(task, scores)
        self._scores = {**self._scores, task: scores}

    def persisted(self, folder: Place) -> None:
        self._inner.persisted(folder)
        self._folder = folder

    def close(self) -> None:
        """Show how it ended; without the server, some seconds later all the same."""
        self._ending.set()
        self._thread.join(_PATIENCE)
        if self._thread.is_alive():
            log.warning("Prefect's server does not answer; the artifacts of this run are not up to date")

    def _show_all(self) -> None:
        self._try(self._artifacts.tag, [self._plan.spec.model.backend, str(self._plan.spec.model)])
        while not self._ending.wait(_EVERY_SECONDS):
            self._try(self._show)
        self._try(self._show)
        if self._folder is not None:
            self._try(self._artifacts.summary, artifact_pages.summary(EvaluationResult.open(self._folder)))

    def _show(self) -> None:
        self._artifacts.progress(*self._progress)
        new = self._scores.keys() - self._shown.keys()
        if new:
            read = {task: TaskScores.read(self._scores[task]) for task in new}
            found = ScoreSections(self._plan.selection, {**self._shown, **read})
            record = RunRecord(**found.sections(), assay=Assay(intervals=found.intervals()))
            self._artifacts.scores(artifact_pages.score_rows(record))
            self._shown |= read

    def _try(self, call: Callable[..., None], *arguments: Any) -> None:
        try:
            call(*arguments)
        except (httpx.HTTPError, PrefectException) as error:
            log.warning("this is not shown in Prefect: %s: %s", type(error).__name__, error)


class _Artifacts:
    """The artifacts of one flow run, each made once and then updated where it has changed."""

    def __init__(self, run: UUID, model: str) -> None:
        self._run = run
        self._model = model
        self._made: dict[str, tuple[UUID, Any]] = {}

    def tag(self, tags: list[str]) -> None:
        """Add tags to those of the flow run."""
        with self._client() as client:
            own = client.read_flow_run(self._run).tags
            client.update_flow_run(self._run, tags=[*own, *(tag for tag in tags if tag not in own)])

    def progress(self, percent: float, line: str) -> None:
        self._put("progress", "progress", percent, line)

    def scores(self, rows: list[dict[str, Any]]) -> None:
        self._put("table", "scores", json.dumps(rows), f"Scores of {self._model}")

    def summary(self, markdown: str) -> None:
        self._put("markdown", "summary", markdown, f"What the evaluation of {self._model} found and took")

    def _put(self, type_: str, what: str, data: Any, description: str) -> None:
        identity, shown = self._made.get(what, (None, None))
        if shown == (data, description):
            return
        with self._client() as client:
            if identity is None:
                key = f"{what}-{_slug(self._model)}"
                own = ArtifactCreate(
                    type=type_, key=key, data=data, description=description, flow_run_id=self._run
                )
                identity = client.create_artifact(own).id
            else:
                client.update_artifact(identity, ArtifactUpdate(data=data, description=description))
        self._made[what] = (identity, (data, description))

    def _client(self) -> SyncPrefectClient:
        """One of this thread's own: the flow's, which is given where the settings are the same, ends with it,
        maybe within a call from here."""
        return get_client(sync_client=True, httpx_settings={})


def _slug(model: str) -> str:
    """A model as part of an artifact's key: lower case letters, digits and dashes."""
    name = model.partition("?")[0].lower()
    return re.sub("[^a-z0-9]+", "-", name).strip("-")
