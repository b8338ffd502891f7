"""One evaluation, from its file to requests and from responses to scores."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

from tasks_lib.catalog.selection import TaskFile
from tasks_lib.class_tasks.task import ClassTask
from tasks_lib.context import TaskContext
from tasks_lib.data.documents import Documents, HandedDocuments, Split
from tasks_lib.doc import Doc
from tasks_lib.files.config import ClassConfig, TaskConfig
from tasks_lib.prompts.request_builder import DocRequests, RequestBuilder
from tasks_lib.prompts.turns import ChatRenderer
from tasks_lib.scope import TaskScope
from tasks_lib.scoring.pipelines import MetricPlan
from tasks_lib.scoring.scorer import Answered, MetricScore, Sample, Scorer


class TaskDocuments(Protocol):
    """Where a task's documents are."""

    @property
    def evaluated(self) -> Split: ...

    def digest(self) -> str: ...


class TaskRequests(Protocol):
    """What is asked: iterates over the documents within the limit with their requests."""

    def __iter__(self) -> Iterator[DocRequests]: ...

    @property
    def selected(self) -> Mapping[int, Doc]: ...

    @property
    def num_fewshot(self) -> int: ...

    @property
    def repeats(self) -> int: ...


class TaskScorer(Protocol):
    """What the answers are worth."""

    def check(self) -> None: ...

    def answers_read(self, repeats: int) -> int: ...

    def target(self, doc_id: int, doc: Doc) -> Any: ...

    def samples(self, answered: Sequence[Answered]) -> Iterator[Sample]: ...

    def aggregate(self, samples: Sequence[Sample], *, compat: bool) -> list[MetricScore]: ...

    @property
    def metrics(self) -> Mapping[str, MetricPlan]: ...


class Task(Protocol):
    """One evaluation as a run asks it. Nothing is loaded before it is needed."""

    @property
    def documents(self) -> TaskDocuments: ...

    @property
    def builder(self) -> TaskRequests: ...

    @property
    def scorer(self) -> TaskScorer: ...

    @property
    def version(self) -> Any: ...


class ConfiguredTask:
    """A task whose file says all of it."""

    def __init__(self, scope: TaskScope[TaskConfig], chat: ChatRenderer | None = None) -> None:
        self._scope = scope
        self._chat = chat

    @cached_property
    def documents(self) -> Documents:
        return Documents(self._scope)

    @cached_property
    def builder(self) -> RequestBuilder:
        return RequestBuilder(self._scope, self.documents, self._chat)

    @cached_property
    def scorer(self) -> Scorer:
        return Scorer(self._scope, self.builder)

    @property
    def version(self) -> Any:
        return self._scope.config.version


class HandedTask(ConfiguredTask):
    """A task whose documents were loaded elsewhere: it scores, and has nothing to ask."""

    def __init__(self, scope: TaskScope[TaskConfig], split: Split) -> None:
        super().__init__(scope)
        self._split = split

    @cached_property
    def documents(self) -> Documents:
        return HandedDocuments(self._scope, self._split)


def open_task(file: TaskFile, context: TaskContext) -> Task:
    """The evaluation that a task file stands for."""
    if isinstance(file.config, ClassConfig):
        return ClassTask(context.scope(file.config, file.path), context.chat)
    return ConfiguredTask(context.scope(file.config, file.path), context.chat)
