"""What is done with a task in a process of its own, in whose main thread the task's Python runs.

The functions are called through `flows.planning.task_calls`.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from backends.requests import Request, Response
from backends.text.stop_sequences import cut_at_stops, stops_of
from backends.text.thinking import thinking_as_answer
from flows.planning import requests_file
from flows.planning.contained_work import Handed, ToScoreHanded, ToTry, scored
from flows.planning.requests_file import Written
from flows.results.samples_file import check_writable, write_samples
from metrics.hf_evaluate.code_eval import allowing_code
from metrics.processes.call_messages import Ask
from metrics.program_tests.tests_process import OUT_OF_TURN
from metrics.sandbox.pick import Wanted
from tasks_lib.catalog.selection import TaskFile
from tasks_lib.checks.configuration import check_task
from tasks_lib.checks.trial import TriedDocuments
from tasks_lib.code.dataset_cache import make_datasets_anew
from tasks_lib.context import TaskContext
from tasks_lib.errors import TaskError
from tasks_lib.files.config import TaskConfig
from tasks_lib.prompts.request_builder import DocRequests
from tasks_lib.scoring.scorer import Answered, MetricScore
from tasks_lib.task import Task, open_task


@dataclass(frozen=True, slots=True)
class TaskOfRun:
    """What a process needs to open a task.

    run: which run it is for; another one finds its data anew. has_chat: whether the caller has a chat
    template. sandbox: of what the model has written. kept: how many tasks stay open, with their documents.
    """

    run: str
    file: TaskFile
    context: TaskContext
    has_chat: bool
    sandbox: Wanted
    kept: int


@dataclass(frozen=True, slots=True)
class ToPrepare:
    """path: of the requests file. tries: whether made-up answers are scored."""

    task: TaskOfRun
    path: Path
    tries: bool = True


@dataclass(frozen=True, slots=True)
class PreparedDocuments:
    """written: what the requests file has. original: documents of the task, without a limit. made: the
    identity of documents that its own Python made. to_try: what is to be tried elsewhere."""

    written: Written
    original: int
    made: str
    num_fewshot: int
    to_try: ToTry | None


@dataclass(frozen=True, slots=True)
class ToScore:
    """requests: the requests file. responses: one for each of its rows. made: as it was when they were asked.
    samples: the file to write."""

    task: TaskOfRun
    requests: Path
    responses: Sequence[Response]
    made: str
    samples: Path


@dataclass(frozen=True, slots=True)
class ScoredDocuments:
    """higher_is_better: by metric. version: of the task's file. repeats: how often each request was asked, of
    which so many answers were scored. docs_out_of_turn: those with a program that wrote out of turn."""

    scores: list[MetricScore]
    higher_is_better: dict[str, bool | None]
    version: JsonValue
    repeats: int
    repeats_scored: int
    docs_out_of_turn: int = 0


@dataclass(frozen=True, slots=True)
class HandedAnswers:
    """What is to be scored elsewhere. targets: what is right for each document. The others are as in
    `ScoredDocuments`."""

    to_score: ToScoreHanded
    targets: Sequence[Any]
    version: JsonValue
    repeats: int
    repeats_scored: int


def begin() -> None:
    """What a process does before anything is asked of it."""
    make_datasets_anew()


def check(asked: TaskOfRun, ask: Ask) -> None:
    """Raise what keeps a task from being used, as far as that is seen without a document."""
    with allowing_code(asked.sandbox):
        check_task(asked.file, asked.context)


def digest(asked: TaskOfRun, ask: Ask) -> str:
    """The identity of the content of a task's data."""
    with allowing_code(asked.sandbox):
        return _OPENED.task(asked, ask).documents.digest()


def prepare(asked: ToPrepare, ask: Ask) -> PreparedDocuments:
    """Write the requests of a task, and score made-up answers to some of them, so that what scoring lacks is
    known before anything is asked."""
    with allowing_code(asked.task.sandbox):
        task = _OPENED.task(asked.task, ask)
        task.scorer.check()
        tried = TriedDocuments(task)
        written = requests_file.write(asked.path, tried, task.builder.repeats)
        to_try = None
        if asked.tries:
            check_writable(asked.task.file.config.task, tried.score(compat=asked.task.context.options.compat))
        else:
            to_try = ToTry(_handed(task, asked.task), tried.kept)
        documents, shots = task.documents.evaluated, task.builder.num_fewshot
        return PreparedDocuments(written, len(documents.docs), documents.made, shots, to_try)


def score(asked: ToScore, ask: Ask) -> ScoredDocuments:
    """Score the documents that have all their answers, and write their samples."""
    with allowing_code(asked.task.sandbox):
        task = _OPENED.task(asked.task, ask)
        _check_same_documents(task, asked)
        answered = list(_answered(task, asked))
        samples, scores, better = scored(task, answered, compat=asked.task.context.options.compat)
        write_samples(asked.samples, samples)
        repeats = task.builder.repeats
        out_of_turn = {one.answered.asked.doc_id for one in samples if OUT_OF_TURN in one.programs}
        return ScoredDocuments(
            scores, better, task.version, repeats, task.scorer.answers_read(repeats), len(out_of_turn)
        )


def hand(asked: ToScore, ask: Ask) -> HandedAnswers:
    """What is to be scored elsewhere: the documents that have all their answers, and those."""
    task = _OPENED.task(asked.task, ask)
    _check_same_documents(task, asked)
    answered, repeats = list(_answered(task, asked)), task.builder.repeats
    to_score = ToScoreHanded(_handed(task, asked.task), answered)
    targets = [task.scorer.target(one.asked.doc_id, one.asked.doc) for one in answered]
    return HandedAnswers(to_score, targets, task.version, repeats, task.scorer.answers_read(repeats))


def _handed(task: Task, asked: TaskOfRun) -> Handed:
    assert isinstance(asked.file.config, TaskConfig), "a class loads its documents where it scores"
    return Handed(asked.file.config, asked.file.path, asked.context, task.documents.evaluated)


def _check_same_documents(task: Task, asked: ToScore) -> None:
    if task.documents.evaluated.made != asked.made:
        raise TaskError(
            f"{asked.task.file.config.task}: its Python has made other documents now than those that were "
            "asked about; does it draw at random, or go through a set?"
        )


def _answered(task: Task, asked: ToScore) -> Iterator[Answered]:
    """The documents all of whose requests have answers, as they are scored."""
    rows = zip(requests_file.read(asked.requests), asked.responses, strict=True)
    calls = ((doc_id, index, request, said) for (doc_id, index, _, request), said in rows)
    docs = task.builder.selected
    for doc_id, of_document in groupby(calls, key=itemgetter(0)):
        own = list(of_document)
        if not all(said.is_scorable for *_, said in own):
            continue
        repeats = [list(same) for _, same in groupby(own, key=itemgetter(1))]
        requests = [same[0][2] for same in repeats]
        responses = [[said for *_, said in same] for same in repeats]
        one = Answered(DocRequests(doc_id, docs[doc_id], requests), responses)
        yield _as_lm_eval(one) if asked.task.context.options.compat else one


def _as_lm_eval(one: Answered) -> Answered:
    """A text that was cut off while the model was thinking, read as its answer."""

    def read(response: Response, request: Request) -> Response:
        return thinking_as_answer(response, partial(cut_at_stops, stops=stops_of(request.generation)))

    pairs = zip(one.asked.requests, one.responses, strict=True)
    return Answered(one.asked, [[read(said, request) for said in own] for request, own in pairs])


class _OpenedTasks:
    """The last few tasks of this process, for their documents."""

    def __init__(self) -> None:
        self._tasks: OrderedDict[tuple[str, str], Task] = OrderedDict()

    def task(self, asked: TaskOfRun, ask: Ask) -> Task:
        key = (asked.run, asked.file.config.task)
        task = self._tasks.pop(key, None)
        if task is None:
            context = replace(asked.context, chat=ask if asked.has_chat else None)
            task = open_task(asked.file, context)
        self._tasks[key] = task
        while len(self._tasks) > asked.kept:
            self._tasks.popitem(last=False)
        return task


_OPENED = _OpenedTasks()
