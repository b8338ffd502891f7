"""Which images and sounds a task shows a model: `doc_to_image` and `doc_to_audio`.

Source of the rules: lm-evaluation-harness 0.4.13, `lm_eval/api/task.py`, `ConfigurableTask.doc_to_image`,
`doc_to_audio` and `construct_requests`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from backends.requests import Attachment, MediaKind, Request
from tasks_lib.data.allowed_data import AllowedFiles
from tasks_lib.data.documents import Documents
from tasks_lib.doc import Doc
from tasks_lib.files.config import ClassConfig, FunctionRef, TaskConfig
from tasks_lib.prompts.attachments import attachments
from tasks_lib.prompts.fields import Read
from tasks_lib.prompts.templates import ListTemplate
from tasks_lib.scope import TaskScope

MOST_EXAMPLES = 64  # whose attachments are kept

KEYS: Mapping[MediaKind, str] = {"image": "doc_to_image", "audio": "doc_to_audio"}


def media_of(config: TaskConfig | ClassConfig) -> tuple[MediaKind, ...]:
    """What a task shows a model besides text."""
    return tuple(kind for kind, key in KEYS.items() if getattr(config, key, None))


class Media:
    """Attaches the images and sounds of a task's documents to their requests.

    Those of few-shot examples come before the document's own. lm-eval shows the examples' texts, with the
    marks of images that it leaves out.
    """

    def __init__(self, scope: TaskScope[TaskConfig], documents: Documents) -> None:
        self._config, self._errors, self._resolve = scope.config, scope.errors, scope.resolve
        self._documents = documents
        self._of_examples = not scope.options.compat
        self._examples: dict[int, tuple[Attachment, ...]] = {}
        own = scope.own_folder
        self._allowed = AllowedFiles(scope.config.task, (own, *scope.roots)) if own is not None else None

    def attach(self, requests: list[Request], doc_id: int, doc: Doc, shots: Sequence[int]) -> list[Request]:
        """The requests of a document, each with all that belongs to the document."""
        if not self._readers:
            return requests
        examples = [one for position in shots for one in self._example(position)] if self._of_examples else []
        attached = (*examples, *self._read(doc_id, doc))
        return [replace(request, attachments=attached) for request in requests]

    @cached_property
    def _readers(self) -> dict[MediaKind, Read]:
        columns = self._documents.evaluated.columns if media_of(self._config) else ()
        readers = {}
        for kind in media_of(self._config):
            with self._errors.on(KEYS[kind]):
                readers[kind] = self._reader(getattr(self._config, KEYS[kind]), columns)
        return readers

    def _reader(self, value: Any, columns: Collection[str]) -> Read:
        """A field, a template that writes a Python literal, a function, or a list of these."""
        match value:
            case FunctionRef():
                function: Read = self._resolve(value)
                return function
            case str() if value in columns:
                return lambda doc: doc[value]
            case str():
                return ListTemplate(value).read
            case list():
                parts = [self._reader(part, columns) for part in value]
                return lambda doc: [found for part in parts if (found := part(doc)) is not None]
        raise TypeError(f"is {value!r}: a field, template, function or list of these is wanted")

    def _read(self, doc_id: int, doc: Doc, of: str = "") -> tuple[Attachment, ...]:
        found: list[Attachment] = []
        for kind, read in self._readers.items():
            with self._errors.on(KEYS[kind] + of, doc_id, doc):
                found += attachments(kind, read(doc), self._check_file)
        return tuple(found)

    def _check_file(self, path: str) -> None:
        if self._allowed is not None:
            self._allowed.check_media(path)

    def _example(self, position: int) -> tuple[Attachment, ...]:
        """Those of an example; the last few are kept."""
        if position not in self._examples:
            if len(self._examples) == MOST_EXAMPLES:
                self._examples.clear()
            doc = self._documents.examples[position]
            self._examples[position] = self._read(position, doc, " of few-shot examples")
        return self._examples[position]
