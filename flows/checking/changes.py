"""Why numbers of a finished run are other ones by the rules of now, as far as what is stored with it says."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from backends.store.responses import ResponseStore
from flows.checking.task_samples import TaskSamples
from flows.common.errors import SpecError
from flows.results.evaluation_result import EvaluationResult
from flows.results.own_requests import is_own
from flows.results.results_json import RULES, RunRecord
from flows.results.run_folder import RunFolder
from flows.specs.store_address import store_place
from flows.storage.home import Home
from tasks_lib.catalog.catalog import Catalog
from tasks_lib.errors import TaskError

Mend = Literal["rescore", "ask"]

# Python that wants a main thread: it interrupts itself, or has this package do so.
_INTERRUPTS = re.compile(rb"^\s*(?:import|from) (?:signal|math_verify)\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Change:
    """mend: whether what is stored suffices, or answers have to be asked for."""

    task: str
    why: str
    mend: Mend


def changes(run: EvaluationResult, store: str | None = None) -> Iterator[Change]:
    """What of a run's tasks the rules of now change.

    store: where its answers are; else its own where this home wrote it, and the home's. Raises ResultError.
    """
    folder, record = RunFolder(run.folder), run.record
    spec = folder.spec_keys()
    stands = _stands(record, store or (spec.get("store") if is_own(Home.from_environment(), spec) else None))
    include = tuple(Path(path) for path in spec.get("include_path") or ())
    for task in record.tasks:
        samples = TaskSamples.read(run, task)
        for why in _refused(samples):
            yield Change(task, why, "ask")
        if not stands:
            yield Change(task, "in this model texts may not share work; their answers were wrong", "ask")
        if record.assay.rules < RULES:
            yield from _by_older_rules(task, record, samples)
            if _interrupts_itself(task, include):
                yield Change(task, "its Python wants a main thread, and was not run in one", "rescore")


def _refused(samples: TaskSamples) -> Iterator[str]:
    """Answers that count as missing now, whatever version scored them."""
    if count := samples.unfit_logprobs():
        yield f"log-likelihoods of {count} documents are NaN, infinite or above 0"
    if count := samples.nothing_after_thinking():
        yield f"{count} answers are empty after thinking, which may have been cut off by a stop sequence"


def _by_older_rules(task: str, record: RunRecord, samples: TaskSamples) -> Iterator[Change]:
    if count := samples.shared_draws():
        yield Change(task, f"{count} sampled requests have the answer of an equal one before them", "ask")
    if samples.sampled and record.assay.fingerprint.get("backend") == "hf":
        yield Change(task, "what was sampled depended on the batch that it was in", "ask")
    if samples.documents_with_nan() and record.num_fewshot.get(task):
        yield Change(task, "a document with a NaN may have been among its own examples", "ask")
    config = record.configs[task]
    reduces = any(one.get("reduction") for one in config.get("metric_list") or () if isinstance(one, dict))
    if samples.repeats() > 1 and config.get("process_results") and reduces:
        yield Change(task, "its own scoring saw only the first of several answers", "rescore")


@cache
def _catalog(include: tuple[Path, ...]) -> Catalog:
    return Catalog.standard(include, Home.from_environment().root)


@cache
def _interrupts_itself(task: str, include: tuple[Path, ...]) -> bool:
    """Whether the Python beside a task's file, as it is installed now, does; of a task that is there no more
    that is not known."""
    try:
        files = _catalog(include).select([task]).tasks.values()
    except TaskError:
        return False
    return any(
        _INTERRUPTS.search(source.read_bytes())
        for file in files
        if _has_python(file.path)
        for source in file.path.parent.glob("*.py")
    )


def _has_python(task: Path) -> bool:
    return "!function" in task.read_text("utf-8", "replace") or any(task.parent.glob("*_template*yaml"))


def _stands(record: RunRecord, place: object) -> bool:
    """Whether nothing in a store says that the model's answers were wrong; place: None for the home's."""
    try:
        where = store_place(str(place)) if place else Home.from_environment().store
    except SpecError:
        return True
    if isinstance(where, Path) and not where.exists():
        return True
    with ResponseStore.open(where) as store:
        return store.tried_models.known(record.assay.model_key) is not False
