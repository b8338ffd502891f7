"""The documents of a task: those that are evaluated and those that serve as few-shot examples."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tasks_lib.code.random_state import seeded
from tasks_lib.data.allowed_data import WAY_OUT
from tasks_lib.data.datasets import FunctionSource, LocalSource, Source, find_source
from tasks_lib.data.media_documents import MediaDoc, documents
from tasks_lib.doc import Doc
from tasks_lib.errors import TaskError
from tasks_lib.files.config import FunctionRef, TaskConfig
from tasks_lib.scope import TaskScope
from tasks_lib.value_text import short_repr


class Documents:
    """Loads splits when they are asked for, processed by the task's own Python where it has some."""

    def __init__(self, scope: TaskScope[TaskConfig]) -> None:
        self._config, self._errors = scope.config, scope.errors
        self._resolve, self._roots = scope.resolve, scope.roots
        self._own_folder = scope.own_folder

    @cached_property
    def source(self) -> Source:
        function = self._config.custom_dataset
        if function is None:
            with self._errors.on("dataset_path"):
                return find_source(self._config, self._roots, self._own_folder)
        options = {**self._config.metadata, **(self._config.dataset_kwargs or {})}
        with self._errors.on("custom_dataset"):
            if self._own_folder is not None:  # whose arguments could have it load anything
                raise TaskError(f"makes data by Python with what this file says; {WAY_OUT}")
            make = self._resolve(function)
            with seeded(make):
                splits = make(**options)
            if not isinstance(splits, Mapping):
                raise TaskError(f"gives {short_repr(splits)}, not a mapping of splits")
            return FunctionSource(self._config.task, splits)

    @property
    def are_local(self) -> bool:
        """Whether they are read from files of a data root, and no code of others is needed to find them."""
        return self._config.custom_dataset is None and isinstance(self.source, LocalSource)

    @property
    def evaluated_split(self) -> str:
        split = self._config.test_split or self._config.validation_split
        if split is None:
            raise self._errors.error("test_split", "the task has neither a test nor a validation split")
        return split

    @cached_property
    def evaluated(self) -> "Split":
        """All documents of the evaluated split."""
        key = "test_split" if self._config.test_split else "validation_split"
        split = self._load(key, self.evaluated_split, self._config.process_docs)
        if not split.docs:
            raise self._errors.error(key, f"split {self.evaluated_split!r} has no documents")
        return split

    @cached_property
    def fewshot_pool(self) -> list[Doc]:
        """What examples are drawn from: in lm-eval's order split, samples, training, validation, test."""
        config, fewshot = self._config, self._config.fewshot_config
        if self.fewshot_split is not None:
            key = "fewshot_config.split" if fewshot.split else "fewshot_split"
            return self._load(key, self.fewshot_split, fewshot.process_docs or config.process_docs).docs
        if fewshot.samples is not None:
            return self._samples(fewshot.samples)
        if config.training_split is not None:
            return self._load("training_split", config.training_split, config.process_docs).docs
        if config.validation_split is not None and config.validation_split != self.evaluated_split:
            return self._load("validation_split", config.validation_split, config.process_docs).docs
        return self.evaluated.docs

    @cached_property
    def examples(self) -> list[Doc]:
        """The pool, and behind it what a sampler class has made itself."""
        return list(self.fewshot_pool)

    @property
    def fewshot_split(self) -> str | None:
        """The split the task file names for examples; None where the order of splits decides."""
        return self._config.fewshot_config.split or self._config.fewshot_split

    @property
    def pool_is_evaluated_split(self) -> bool:
        if self.fewshot_split is not None:
            return self.fewshot_split == self.evaluated_split
        config = self._config
        if config.fewshot_config.samples is not None:
            return False
        first = config.training_split or config.validation_split or config.test_split
        return first == self.evaluated_split

    @property
    def pool_keeps_positions(self) -> bool:
        """Whether a pool that is the evaluated split has its documents at the same positions: nothing else
        was done to them."""
        own = self._config.fewshot_config.process_docs
        return self.fewshot_split is None or own is None or own == self._config.process_docs

    def digest(self) -> str:
        """The identity of the content of every split that the task names."""
        config = self._config
        named = (config.training_split, config.validation_split, config.test_split, self.fewshot_split)
        source, key = self.source, "dataset_path" if config.custom_dataset is None else "custom_dataset"
        with self._errors.on(key):
            return source.digest([split for split in named if split is not None])

    def _samples(self, samples: list[dict[str, Any]] | FunctionRef) -> list[Doc]:
        if isinstance(samples, list):
            return list(samples)
        with self._errors.on("fewshot_config.samples"):
            make = self._resolve(samples)
            with seeded(make):
                return _checked(make())

    def _load(self, key: str, split: str, process: FunctionRef | None) -> "Split":
        """The split that `key` of the task file names."""
        source = self.source
        with self._errors.on(key):
            if process is None:
                rows = source.rows(split)
                return Split(list(rows), tuple(rows[0]) if rows else ())
            data = source.dataset(split)
        with self._errors.on("process_docs"):
            function = self._resolve(process)
            with seeded(function):
                processed = function(data)
                docs = _checked(processed)
        columns = getattr(processed, "column_names", None) or (docs[0] if docs else ())
        return Split(docs, tuple(columns), docs_digest(docs))


@dataclass(frozen=True, slots=True)
class Split:
    """A loaded split.

    columns: the names that count as fields in the task file. made: the identity of documents that a task's
    own Python made; "" for those that are as they were read.
    """

    docs: list[Doc]
    columns: tuple[str, ...]
    made: str = ""


class HandedDocuments(Documents):
    """Documents that were loaded elsewhere: nothing but the evaluated split."""

    def __init__(self, scope: TaskScope[TaskConfig], split: Split) -> None:
        super().__init__(scope)
        self._split = split

    @cached_property
    def evaluated(self) -> Split:
        return self._split


def docs_digest(docs: Iterable[Doc]) -> str:
    """The identity of documents; of a value that JSON does not know, its type."""
    sha = hashlib.sha256()
    for doc in docs:
        stored = doc.hashed() if isinstance(doc, MediaDoc) else doc
        text = json.dumps(stored, skipkeys=True, default=lambda value: type(value).__name__)
        sha.update(f"{text}\n".encode())
    return sha.hexdigest()[:32]


def _checked(given: Any) -> list[Doc]:
    """What a function gave, if it is documents."""
    if not isinstance(given, Iterable):
        raise TaskError(f"gives {short_repr(given)}, not documents")
    docs = documents(given)
    for position, doc in enumerate(docs):
        if not isinstance(doc, Mapping):
            raise TaskError(f"document {position} is {short_repr(doc)}, not a mapping of fields to values")
    return docs
