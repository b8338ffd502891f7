"""Documents to requests: what a model is asked for each document of a task."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from backends.chat import Chat
from backends.requests import Request
from backends.text.generation_settings import is_drawn
from metrics.scores.choices import resolve_gold
from tasks_lib.data.documents import Documents
from tasks_lib.doc import Doc
from tasks_lib.errors import TaskError
from tasks_lib.files.config import TaskConfig
from tasks_lib.prompts.draws import Draws
from tasks_lib.prompts.fewshot import SAMPLERS, Exclusion, Sampler, class_sampler, make_sampler
from tasks_lib.prompts.field_readers import TaskFieldReaders
from tasks_lib.prompts.fields import FieldReaders
from tasks_lib.prompts.generation_checks import check_generation, generation_of
from tasks_lib.prompts.media import Media
from tasks_lib.prompts.turns import (
    ChatRenderer,
    Delimiters,
    Turn,
    answer_text,
    choice_of,
    example_turns,
    question_turns,
    render_prompt,
    system_turns,
)
from tasks_lib.scope import TaskScope
from tasks_lib.value_text import short_repr

# Keys of task files without which a task would be another one.
UNSUPPORTED: Mapping[str, str] = {
    "use_prompt": "prompts of promptsource are",
}


@dataclass(frozen=True, slots=True)
class DocRequests:
    """What is asked for one document; `doc_id` is its position in the evaluated split."""

    doc_id: int
    doc: Doc
    requests: list[Request]


class RequestBuilder:
    """Builds the requests of one task, document by document in the order of the split."""

    def __init__(
        self, scope: TaskScope[TaskConfig], documents: Documents, chat: ChatRenderer | None = None
    ) -> None:
        self._scope = scope
        self._config, self._errors, self._options = scope.config, scope.errors, scope.options
        self._documents = documents
        self._chat = chat
        self._examples: dict[int, list[Turn]] = {}
        self._media = Media(scope, documents)

    def __iter__(self) -> Iterator[DocRequests]:
        self._refuse_unsupported()
        sampler = self._sampler()
        draws = Draws()
        for doc_id, doc in self._options.drawing_examples(self.selected, self._documents.evaluated.docs):
            shots: Sequence[int] = ()
            if sampler:
                with self._errors.on(self._sampler_key, doc_id):
                    shots = sampler(doc_id, doc)
            if doc_id in self.selected:
                yield DocRequests(doc_id, doc, draws.numbered(self._attached(doc_id, doc, shots)))
            elif self._draws_texts:
                # So that a document's text does not depend on which others are asked.
                with contextlib.suppress(TaskError):  # of a document that cannot be asked
                    draws.numbered(self._attached(doc_id, doc, shots))

    def check(self) -> None:
        """Raise TaskError now for a template, function or option that could not be used later."""
        self._refuse_unsupported()
        _ = self._read.own, self._read.examples, self._read.description, self.generation
        _ = self._sampler_class
        if self.num_fewshot:
            self._check_sampler()

    @cached_property
    def selected(self) -> dict[int, Doc]:
        """The documents that are asked, by their position in the split, in its order."""
        with self._errors.on("--samples"):
            return self._options.selected(self._config.task, self._documents.evaluated.docs)

    @property
    def repeats(self) -> int:
        """How often each request is asked."""
        return self._options.asked_times(self._config.repeats, self._config.output_type)

    @property
    def num_fewshot(self) -> int:
        return self._options.fewshot(self._config.num_fewshot)

    @cached_property
    def generation(self) -> dict[str, Any]:
        """The generation parameters of the task, its defaults and the run's replacements applied."""
        with self._errors.on("generation_kwargs"):
            parameters = generation_of(self._config, self._options)
            check_generation(parameters)
            return parameters

    @property
    def readers(self) -> FieldReaders:
        """How the evaluated documents are read."""
        return self._read.own

    @cached_property
    def has_multiple_inputs(self) -> bool:
        """Whether the choices are contexts and the target is the continuation (lm-eval decides it from the
        first document: `doc_to_text` is an index)."""
        if self.readers.choices is None:
            return False
        doc = self._documents.evaluated.docs[0]
        with self._errors.on("doc_to_text", 0, doc):
            return isinstance(self.readers.text(doc), int)

    @cached_property
    def has_multiple_targets(self) -> bool:
        """Whether a document has several accepted targets (lm-eval decides it from the first document)."""
        doc = self._documents.evaluated.docs[0]
        with self._errors.on("doc_to_target", 0, doc):
            return isinstance(self.readers.target(doc), list)

    def choices(self, doc_id: int, doc: Doc) -> list[str]:
        """The texts of a document's choices."""
        read = self.readers.choices
        if read is None:
            raise self._errors.error("doc_to_choice", "is missing")
        with self._errors.on("doc_to_choice", doc_id, doc):
            choices = read(doc)
            if not isinstance(choices, list | tuple) or not choices:
                raise TaskError(f"gives {short_repr(choices)}, not a list of choices")
            if self._config.process_results is None:  # task code may know what to do with others
                _refuse_other_than_texts(choices)
            return list(choices)

    def answers(self, doc: Doc) -> Mapping[str, str]:
        """The texts that an answer may be, with the target that each stands for.

        Raises TaskError for a task without choices.
        """
        if self.readers.answers is None:
            raise self._errors.error("doc_to_choice", "is missing")
        found: Mapping[str, str] = self.readers.answers(doc)
        return found

    def target(self, doc_id: int, doc: Doc) -> Any:
        with self._errors.on("doc_to_target", doc_id, doc):
            return self.readers.target(doc)

    # Requests

    @property
    def _draws_texts(self) -> bool:
        return self._config.output_type == "generate_until" and is_drawn(self.generation)

    def _attached(self, doc_id: int, doc: Doc, shots: Sequence[int]) -> list[Request]:
        return self._media.attach(self._requests(doc_id, doc, shots), doc_id, doc, shots)

    def _refuse_unsupported(self) -> None:
        for key, what in UNSUPPORTED.items():
            if getattr(self._config, key):
                raise self._errors.error(key, f"{what} not supported yet")

    def _requests(self, doc_id: int, doc: Doc, shots: Sequence[int]) -> list[Request]:
        match self._config.output_type:
            case "multiple_choice":
                return self._choice_requests(doc_id, doc, shots)
            case "loglikelihood":
                context = self._context(doc_id, doc, shots)
                return [Request("loglikelihood", context, self._text_target(doc_id, doc))]
            case "loglikelihood_rolling":
                return [Request("loglikelihood_rolling", self._text_target(doc_id, doc))]
            case "generate_until":
                context = self._context(doc_id, doc, shots)
                return [Request("generate_until", context, generation=self.generation)]

    def _choice_requests(self, doc_id: int, doc: Doc, shots: Sequence[int]) -> list[Request]:
        choices, delimiter = self.choices(doc_id, doc), self._choice_delimiter
        self._check_label(doc_id, doc, choices)
        if self.has_multiple_inputs:
            target = f"{delimiter}{self.target(doc_id, doc)}"
            before, prefix = self._before_question(doc_id, doc, shots)
            contexts = [self._close(doc_id, before, choice, prefix) for choice in choices]
            return [Request("loglikelihood", context, target) for context in contexts]
        context = self._context(doc_id, doc, shots)
        requests = [Request("loglikelihood", context, f"{delimiter}{choice}") for choice in choices]
        if self._asks_unconditional:
            requests += [Request("loglikelihood", "", f"{delimiter}{choice}") for choice in choices]
        return requests

    def _check_label(self, doc_id: int, doc: Doc, choices: Sequence[str]) -> None:
        """Raise where no choice is right, which lm-eval scores as a wrong answer whatever the model says."""
        if self._options.compat or self._config.process_results is not None:
            return
        key = "doc_to_text" if self.has_multiple_inputs else "doc_to_target"
        with self._errors.on(key, doc_id, doc):
            label = self.readers.text(doc) if self.has_multiple_inputs else self.readers.target(doc)
            found = resolve_gold(label, choices)
        if all(index < 0 for index in (found if isinstance(found, list) else [found])):
            said = f"the label {short_repr(label)} is none of the choices {short_repr(list(choices))}"
            raise self._errors.error(key, said, doc_id)

    @cached_property
    def _choice_delimiter(self) -> str:
        """What stands before a choice; nothing after a chat template, unless an answer was begun."""
        prefix = self._config.gen_prefix
        if self._chat is not None and (not prefix or prefix[-1].isspace()):
            return ""
        return self._config.target_delimiter

    @cached_property
    def _asks_unconditional(self) -> bool:
        metrics = self._config.metric_list or []
        return any(metric.name == "acc_mutual_info" for metric in metrics)

    def _text_target(self, doc_id: int, doc: Doc) -> str:
        target = self.target(doc_id, doc)
        if not isinstance(target, str):
            raise self._errors.error("doc_to_target", f"gives {short_repr(target)}, not a text", doc_id)
        return target

    # Contexts

    def _context(self, doc_id: int, doc: Doc, shots: Sequence[int]) -> str | Chat:
        before, prefix = self._before_question(doc_id, doc, shots)
        with self._errors.on("doc_to_text", doc_id, doc):
            question = self.readers.text(doc)
        return self._close(doc_id, before, question, prefix)

    def _before_question(self, doc_id: int, doc: Doc, shots: Sequence[int]) -> tuple[list[Turn], str | None]:
        with self._errors.on("description", doc_id, doc):
            description = _text_or_none(self._read.description(doc)) or ""
        turns = system_turns(self._options.system_instruction, description, self._own_delimiters)
        for position in shots:
            turns += self._example(position)
        with self._errors.on("gen_prefix", doc_id, doc):
            return turns, _text_or_none(self.readers.gen_prefix(doc))

    def _close(self, doc_id: int, before: list[Turn], question: Any, prefix: str | None) -> str | Chat:
        if not isinstance(question, str):
            raise self._errors.error("doc_to_text", f"gives {short_repr(question)}, not a text", doc_id)
        turns = before + question_turns(question, prefix, self._own_delimiters)
        with self._errors.on("the chat template", doc_id):
            return render_prompt(turns, self._chat)

    def _example(self, position: int) -> list[Turn]:
        if position not in self._examples:
            doc = self._documents.examples[position]
            with self._errors.on("few-shot example", position, doc):
                self._examples[position] = self._example_turns(doc)
        return self._examples[position]

    def _example_turns(self, doc: Doc) -> list[Turn]:
        readers = self._read.examples
        question = readers.text(doc)
        choices = readers.choices(doc) if readers.choices else None
        if self.has_multiple_inputs and choices is not None:
            question, choices = choice_of(question, choices), None
        if not isinstance(question, str):
            raise TaskError(f"doc_to_text gives {short_repr(question)}, not a text")
        answer = answer_text(readers.target(doc), choices)
        return example_turns(question, answer, readers.gen_prefix(doc), self._fewshot_delimiters)

    # What the configuration says

    @cached_property
    def _own_delimiters(self) -> Delimiters:
        return Delimiters(self._config.target_delimiter, self._config.fewshot_delimiter)

    @cached_property
    def _fewshot_delimiters(self) -> Delimiters:
        own, fewshot = self._own_delimiters, self._config.fewshot_config
        return Delimiters(
            own.target if fewshot.target_delimiter is None else fewshot.target_delimiter,
            own.fewshot if fewshot.fewshot_delimiter is None else fewshot.fewshot_delimiter,
        )

    @cached_property
    def _read(self) -> TaskFieldReaders:
        return TaskFieldReaders(self._scope, self._documents.evaluated.columns)

    def _sampler(self) -> Sampler | None:
        if self.num_fewshot == 0 or self._config.output_type == "loglikelihood_rolling":
            return None  # a rolling log-likelihood reads no prompt
        if self._config.fewshot_config.fewshot_indices is not None:
            raise self._errors.error("fewshot_config.fewshot_indices", "is read by no sampler; leave it out")
        task, pool, count = self._config.task, self._documents.fewshot_pool, self.num_fewshot
        seed, exclusion = self._options.seed, self._exclusion
        with self._errors.on(self._sampler_key):
            if self._sampler_class is None:
                name = str(self._config.fewshot_config.sampler)
                return make_sampler(name, task, pool, count, seed=seed, exclusion=exclusion)
            examples = self._documents.examples
            return class_sampler(
                self._sampler_class, task, pool, examples, count, seed=seed, exclusion=exclusion
            )

    @cached_property
    def _sampler_class(self) -> Callable[..., Any] | None:
        sampler = self._config.fewshot_config.sampler
        with self._errors.on("fewshot_config.sampler"):
            return None if isinstance(sampler, str) else self._scope.resolve(sampler)

    def _check_sampler(self) -> None:
        sampler, known = self._config.fewshot_config.sampler, ", ".join(SAMPLERS)
        if isinstance(sampler, str) and sampler not in SAMPLERS:
            said = f"unknown few-shot sampler {sampler!r}; there are: {known}"
            raise self._errors.error("fewshot_config.sampler", said)

    @property
    def _sampler_key(self) -> str:
        """What is wrong where no examples can be drawn."""
        known = self._config.fewshot_config.sampler in SAMPLERS
        return "num_fewshot" if known else "fewshot_config.sampler"

    @property
    def _exclusion(self) -> Exclusion:
        documents = self._documents
        # lm-eval compares the two names, so that two absent ones count as one split.
        told = documents.fewshot_split == self._config.test_split
        if self._options.compat or not documents.pool_is_evaluated_split:
            return Exclusion("as lm-eval draws" if told else "none")
        by: Literal["position", "values"] = "position" if documents.pool_keeps_positions else "values"
        return Exclusion("as lm-eval draws" if told else "replace", by)


def _refuse_other_than_texts(choices: Sequence[Any]) -> None:
    for position, choice in enumerate(choices):
        if not isinstance(choice, str):
            raise TaskError(f"choice {position} is {short_repr(choice)}, not a text")


def _text_or_none(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TaskError(f"gives {short_repr(value)}, not a text")
    return value
