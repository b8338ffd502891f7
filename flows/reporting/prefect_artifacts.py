"""A run in Prefect's UI: its tags, how far it is, its scores as tasks finish, and a summary at the end."""

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from prefect.runtime import flow_run

from backends.requests import RequestKind
from flows.planning.plan import Plan
from flows.prefect_api.temporary_server import is_lasting
from flows.reporting import artifact_pages
from flows.reporting.artifact_writer import (
    Artifacts,
    Tolerant,
    end_writing,
    part_of_key,
    start_writing,
)
from flows.reporting.reporter import Reporter
from flows.results.evaluation_result import EvaluationResult
from flows.results.results_json import Assay, RunRecord
from flows.results.score_sections import ScoreSections
from flows.results.task_scores import TaskScores
from flows.storage.files import Place

# A person who watches wants no more, and a server with many runs bears it.
_EVERY_SECONDS = 5.0


@contextmanager
def showing(plan: Plan, reporter: Reporter) -> Iterator[Reporter]:
    """Show the flow run that this is within in Prefect's UI, too, unless its API ends with this process."""
    if not is_lasting():
        yield reporter
        return
    shown = ArtifactReporter(reporter, plan, UUID(flow_run.id))
    try:
        yield shown
    finally:
        shown.close()


class ArtifactReporter(Reporter):
    """Keeps what it is told for the UI, and passes it on to another reporter. `close` ends it."""

    def __init__(self, inner: Reporter, plan: Plan, run: UUID) -> None:
        super().__init__()
        self.work = inner.work
        self._inner = inner
        self._plan = plan
        self._artifacts = Artifacts(run)
        self._progress = artifact_pages.progress(self.work)
        self._scores: dict[str, Path] = {}
        self._folder: Place | None = None
        self._shown: dict[str, TaskScores] = {}
        self._ending = threading.Event()
        self._thread = start_writing(self._show_all)

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
        """Show how it ended."""
        self._ending.set()
        end_writing(self._thread)

    def _show_all(self) -> None:
        model, tolerated = self._plan.spec.model, Tolerant()
        tolerated(self._artifacts.tag, [model.backend, str(model)])
        while not self._ending.wait(_EVERY_SECONDS):
            tolerated(self._show)
        tolerated(self._show)
        if self._folder is not None:
            summary = artifact_pages.summary(EvaluationResult.open(self._folder))
            said = f"What the evaluation of {model} found and took"
            tolerated(self._artifacts.put, "markdown", self._key("summary"), summary, said)

    def _show(self) -> None:
        percent, line = self._progress
        self._artifacts.put("progress", self._key("progress"), percent, line)
        new = self._scores.keys() - self._shown.keys()
        if new:
            read = {task: TaskScores.read(self._scores[task]) for task in new}
            found = ScoreSections(self._plan.selection, {**self._shown, **read})
            record = RunRecord(**found.sections(), assay=Assay(intervals=found.intervals()))
            rows = json.dumps(artifact_pages.score_rows(record))
            self._artifacts.put("table", self._key("scores"), rows, f"Scores of {self._plan.spec.model}")
            self._shown |= read

    def _key(self, what: str) -> str:
        return f"{what}-{part_of_key(str(self._plan.spec.model).partition('?')[0])}"
