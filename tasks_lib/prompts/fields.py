"""How a document becomes text, target and choices: the `doc_to_*` values of a task file.

A value is a field name, a Jinja template, a function of the document or a constant, with the resolution rules
of lm-evaluation-harness 0.4.13 (`lm_eval/api/task.py`, `ConfigurableTask.doc_to_text` and its siblings).
"""

import ast
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from tasks_lib.doc import Doc
from tasks_lib.prompts.templates import ListTemplate, compile_template

Read = Callable[[Doc], Any]
# A value of a task file whose `!function` has become a callable.
FieldValue = str | int | list[Any] | dict[str, Any] | Callable[[Doc], Any] | None


@dataclass(frozen=True, slots=True)
class FieldReaders:
    """How one kind of document, evaluated or example, is read.

    choices: what log-likelihoods are compared of, or what an index as target names; None without. answers:
    the texts that a generated answer may be, with the target that each stands for.
    """

    text: Read
    target: Read
    choices: Read | None
    gen_prefix: Read
    answers: Read | None = None


def _field(name: str) -> Read:
    return lambda doc: doc[name]


def _constant(value: Any) -> Read:
    return lambda _: value


def text_reader(value: FieldValue, columns: Collection[str], *, has_choices: bool) -> Read:
    """Reader of `doc_to_text`: a string, or for tasks with choices an index where the text is all digits."""
    if not isinstance(value, str):
        return value if callable(value) else _constant(value)
    if value in columns:
        return _field(value)
    template = compile_template(value)
    if not has_choices:
        return template.render
    return lambda doc: _digits_as_index(template.render(doc))


def target_reader(value: FieldValue, columns: Collection[str], *, has_choices: bool) -> Read:
    """Reader of `doc_to_target`: a string, an index into the choices, or a list of accepted targets."""
    if not isinstance(value, str):
        return value if callable(value) else _constant(value)
    if value in columns:
        return _field(value)
    template = compile_template(value)
    return lambda doc: _target(template.render(doc), has_choices)


def choices_reader(value: FieldValue, columns: Collection[str]) -> Read:
    """Reader of `doc_to_choice`: the list of the choices' texts."""
    if isinstance(value, dict):
        return _constant(list(value.values()))
    if not isinstance(value, str):
        return value if callable(value) else _constant(value)
    if value in columns:
        return _field(value)
    return ListTemplate(value).read


def plain_reader(value: str | None, columns: Collection[str] | None = None) -> Read:
    """Reader of `description` and `gen_prefix`: a field or a template; None stays None.

    columns: where given, a name counts as a field if it is one of them, else if the document has it.
    """
    if value is None:
        return _constant(None)
    template = compile_template(value)

    def read(doc: Doc) -> Any:
        return doc[value] if value in (doc if columns is None else columns) else template.render(doc)

    return read


def _digits_as_index(text: str) -> str | int:
    return int(text) if text.isdigit() and text.isascii() else text


def _target(text: str, has_choices: bool) -> Any:
    if has_choices and text.isdigit():
        return _digits_as_index(text)
    if len(text) >= 2 and text[0] == "[" and text[-1] == "]":
        return _literal_or_text(text)
    return text


def _literal_or_text(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text
