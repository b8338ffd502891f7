"""How a format writes a document: its question, its listed choices and its answer."""

import re
import string
from collections.abc import Mapping, Sequence
from typing import Any

from metrics.scores.choices import NO_CHOICE, resolve_gold
from tasks_lib.doc import Doc
from tasks_lib.errors import TaskError
from tasks_lib.files.config import FormatConfig
from tasks_lib.prompts.fields import FieldReaders, Read
from tasks_lib.prompts.templates import Template, compile_template

# What the prompts of tasks put around their question; a format says it in its own way.
_BEFORE = re.compile(r"\s*(?:question|problem|q)\s*:\s*", re.IGNORECASE)
_AFTER = re.compile(r"\s*(?:^|\n|\s{2})\s*(?:answer|solution|a)\s*:\s*$", re.IGNORECASE)


class FormatLayout:
    """One format, its templates compiled. Raises `jinja2.TemplateSyntaxError` for one that is none."""

    def __init__(self, config: FormatConfig) -> None:
        self._config = config
        self._instruction = _template(config.instruction)
        self._answer = _template((config.answer_instruction or "") + (config.answer_prompt or ""))

    def readers(self, raw: FieldReaders, *, is_bare_question: bool) -> FieldReaders:
        """FieldReaders of the laid out document over those of the task's own fields.

        is_bare_question: whether `raw.text` gives a field, rather than a prompt around one.
        """
        return FieldReaders(
            text=lambda doc: self._text(doc, raw, is_bare_question),
            target=lambda doc: self._target(doc, raw),
            choices=self._scored_choices(raw),
            gen_prefix=raw.gen_prefix,
            answers=self._answers(raw.choices),
        )

    def _text(self, doc: Doc, raw: FieldReaders, is_bare_question: bool) -> str:
        question = raw.text(doc)
        if not isinstance(question, str):
            raise TaskError(f"gives {question!r}, not the question that a format lays out")
        choices = list(raw.choices(doc)) if raw.choices else []
        labels = self._labels(len(choices))
        variables = {**doc, **_choice_variables(choices, labels)}
        parts = [
            self._instruction.render(variables) if self._instruction else "",
            self._config.question_prefix + (question if is_bare_question else bare_question(question)),
            self._config.choice_delimiter.join(_listed(choices, labels)),
            self._answer.render(variables) if self._answer else "",
        ]
        return self._config.section_separator.join(part for part in parts if part)

    def _scored_choices(self, raw: FieldReaders) -> Read | None:
        """What log-likelihoods are asked of: the labels, or, without any, the choices themselves."""
        read = raw.choices
        if read is None or self._config.output_type != "multiple_choice":
            return None
        return lambda doc: self._named(list(read(doc)))

    def _target(self, doc: Doc, raw: FieldReaders) -> Any:
        target = raw.target(doc)
        if raw.choices is None:
            return target
        choices = list(raw.choices(doc))
        gold = resolve_gold(target, choices)
        if self._config.output_type == "multiple_choice":
            return gold
        names = self._named(choices)
        wanted = gold if isinstance(gold, list) else [gold]
        right = [names[index] for index in wanted if index != NO_CHOICE]
        if not right:
            raise TaskError(f"the label {target!r} is none of the {len(choices)} choices")
        return right if isinstance(gold, list) else right[0]

    def _answers(self, read: Read | None) -> Read | None:
        if read is None:
            return None

        def answers(doc: Doc) -> dict[str, str]:
            choices = list(read(doc))
            names = self._named(choices)
            return dict(zip(choices, names, strict=True)) | {name: name for name in names}

        return answers

    def _named(self, choices: Sequence[str]) -> list[str]:
        return self._labels(len(choices)) or list(choices)

    def _labels(self, count: int) -> list[str]:
        """The labels of so many choices, none where the format has none."""
        labels = self._config.choice_labels
        match labels:
            case None:
                return []
            case "letters":
                known = list(string.ascii_uppercase)
            case "numbers":
                known = [str(number) for number in range(1, count + 1)]
            case _:
                known = list(labels)
        if count > len(known):
            raise TaskError(f"{count} choices, but {len(known)} labels; set choice_labels, to `numbers` say")
        return known[:count]


def bare_question(text: str) -> str:
    """A task's prompt without the words that it puts before the question and where the answer goes."""
    before = _BEFORE.match(text)
    return _AFTER.sub("", text[before.end() if before else 0 :])


def _listed(choices: Sequence[str], labels: Sequence[str]) -> list[str]:
    """The lines of the choices; none where the task's choices are the labels, as its question lists them."""
    if list(choices) == list(labels):
        return []
    return [f"{label}. {choice}" for label, choice in zip(labels, choices, strict=True)] if labels else []


def _choice_variables(choices: Sequence[str], labels: Sequence[str]) -> Mapping[str, Any]:
    names = list(labels or choices)
    return {
        "_num_choices": len(choices),
        "_choice_labels": labels,
        "_choice_list_and": _joined(names, "and"),
        "_choice_list_or": _joined(names, "or"),
    }


def _joined(names: Sequence[str], word: str) -> str:
    return f"{', '.join(names[:-1])} {word} {names[-1]}" if len(names) > 1 else "".join(names)


def _template(text: str | None) -> Template | None:
    return compile_template(text) if text else None
