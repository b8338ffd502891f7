"""How the documents of one task are read: evaluated ones, and those shown as examples."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from tasks_lib.errors import TaskError
from tasks_lib.files.config import FewshotConfig, FunctionRef, TaskConfig
from tasks_lib.prompts.fields import (
    FieldReaders,
    Read,
    choices_reader,
    plain_reader,
    target_reader,
    text_reader,
)
from tasks_lib.prompts.format_layout import FormatLayout
from tasks_lib.scope import TaskScope


class TaskFieldReaders:
    """The readers of one task, made when they are first used.

    columns: the names that count as fields in the task file.
    """

    def __init__(self, scope: TaskScope[TaskConfig], columns: Sequence[str]) -> None:
        self._config, self._errors, self._resolve = scope.config, scope.errors, scope.resolve
        self._columns = columns

    @cached_property
    def own(self) -> FieldReaders:
        """Of the evaluated documents."""
        return self._readers(self._config, self._config.gen_prefix, self._columns)

    @cached_property
    def examples(self) -> FieldReaders:
        """Examples are read as the task's documents, where `fewshot_config` does not say otherwise."""
        config, fewshot = self._config, self._config.fewshot_config
        own = {key: getattr(config, key) for key in ("doc_to_text", "doc_to_target", "doc_to_choice")}
        given = {key: value for key in own if (value := getattr(fewshot, key)) is not None}
        merged = FewshotConfig.model_construct(**{**own, **given})
        return self._readers(
            merged, config.gen_prefix if fewshot.gen_prefix is None else fewshot.gen_prefix, None
        )

    @cached_property
    def description(self) -> Read:
        with self._errors.on("description"):
            return plain_reader(self._value(self._config.description))

    def _readers(
        self, fields: TaskConfig | FewshotConfig, gen_prefix: str | None, prefix_columns: Sequence[str] | None
    ) -> FieldReaders:
        has_choices = self._config.doc_to_choice is not None
        with self._errors.on("doc_to_text"):
            if fields.doc_to_text is None:
                raise TaskError("is missing")
            text = text_reader(self._value(fields.doc_to_text), self._columns, has_choices=has_choices)
        with self._errors.on("doc_to_target"):
            if fields.doc_to_target is None:
                raise TaskError("is missing")
            target = target_reader(self._value(fields.doc_to_target), self._columns, has_choices=has_choices)
        with self._errors.on("doc_to_choice"):
            choice_field = self._value(fields.doc_to_choice)
            choices = None if choice_field is None else choices_reader(choice_field, self._columns)
        with self._errors.on("gen_prefix"):
            prefix = plain_reader(gen_prefix, prefix_columns)
        readers = FieldReaders(text, target, choices, prefix, choices and _as_they_are(choices))
        return self._laid_out(readers, fields.doc_to_text)

    def _laid_out(self, readers: FieldReaders, text: Any) -> FieldReaders:
        """The readers through the format (`tasks_lib.files.formats`) that was chosen, where one was."""
        if not self._config.formats:
            return readers
        ((name, chosen),) = self._config.formats.items()
        with self._errors.on(f"formats, {name}"):
            return FormatLayout(chosen).readers(readers, is_bare_question=text in self._columns)

    def _value(self, value: Any) -> Any:
        return self._resolve(value) if isinstance(value, FunctionRef) else value


def _as_they_are(choices: Read) -> Read:
    return lambda doc: {choice: choice for choice in choices(doc)}
