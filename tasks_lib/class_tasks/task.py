"""Tasks that are Python classes on lm-eval's `Task` (`class:` in a task file): lm-eval's code, asked by us.

An object of the class makes the requests and scores the answers. What a run does with it, in which order and
with which arguments, is that of lm-evaluation-harness 0.4.13: `lm_eval/tasks/_factory.py`, `simple_evaluate`
in `lm_eval/evaluator.py`, `Task.build_all_requests` in `lm_eval/api/task.py`.
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, cast

from backends.chat import Chat
from backends.requests import Request
from tasks_lib.class_tasks.data import LocalData, content_digest
from tasks_lib.class_tasks.scorer import ClassScorer
from tasks_lib.code.random_state import seeded
from tasks_lib.data.documents import Split, docs_digest
from tasks_lib.doc import Doc
from tasks_lib.error_context import ErrorContext
from tasks_lib.files.config import ClassConfig, FunctionRef
from tasks_lib.prompts.draws import Draws
from tasks_lib.prompts.request_builder import DocRequests
from tasks_lib.prompts.turns import ChatRenderer
from tasks_lib.scope import TaskScope
from tasks_lib.scoring.scorer import Clusters


class ClassTask:
    """One evaluation by an object of a task class; it is made when something is first asked of it."""

    def __init__(self, scope: TaskScope[ClassConfig], chat: ChatRenderer | None = None) -> None:
        self._scope = scope
        self._config, self._errors = scope.config, scope.errors
        self._chat = chat

    @cached_property
    def made(self) -> Any:
        """The object, with the run's settings in its own configuration."""
        cls = cast(type, self._scope.resolve(self._config.class_))
        data = LocalData(self._config.task, cls, self._scope.roots)
        with self._errors.on("class"), seeded(), data.in_place():
            made = self._make(cls)
            self._refuse_unsupported(made)
            self._set(made)
        return made

    @cached_property
    def documents(self) -> "ClassDocuments":
        return ClassDocuments(self.made, self._errors)

    @cached_property
    def builder(self) -> "ClassRequests":
        return ClassRequests(self.made, self.documents, self._scope, self._chat)

    @cached_property
    def scorer(self) -> ClassScorer:
        cluster = self._scope.options.cluster
        return ClassScorer(
            self.made, lambda: self.builder.selected, self._errors, Clusters(cluster, self._errors)
        )

    @property
    def version(self) -> Any:
        return self.made.VERSION

    def _make(self, cls: type) -> Any:
        if "config" not in inspect.signature(cls.__init__).parameters:  # type: ignore[misc]
            return cls()
        config = self._config
        alias = {} if config.task_alias is None else {"task_alias": config.task_alias}
        metadata = {**config.metadata, "config_source": str(self._errors.path)}
        own = {**(config.model_extra or {}), **alias, "metadata": metadata}
        return cls(config={**self._resolved(own), "task": config.task, "class": cls})

    def _resolved(self, value: Any) -> Any:
        match value:
            case FunctionRef():
                return self._scope.resolve(value)
            case Mapping():
                return {key: self._resolved(inner) for key, inner in value.items()}
            case list():
                return [self._resolved(inner) for inner in value]
            case _:
                return value

    def _refuse_unsupported(self, made: Any) -> None:
        from lm_eval.api.task import Task

        if getattr(made, "MULTIMODAL", False):
            raise self._errors.error("class", "images and sound of task classes are not supported yet")
        if getattr(made, "UNSAFE_CODE", False) and not self._config.unsafe_code:
            said = "it runs code that the model writes; its file has to say so: `unsafe_code: true`"
            raise self._errors.error("class", said)
        if type(made).build_all_requests is not Task.build_all_requests:
            raise self._errors.error("class", "its own `build_all_requests` would not be called")

    def _set(self, made: Any) -> None:
        options = self._scope.options
        made.config.task = self._config.task
        made.set_config("num_fewshot", options.fewshot(made.config.num_fewshot))
        if options.generation and made.config.output_type == "generate_until":
            made.set_config("generation_kwargs", dict(options.generation), update=True)
        made.set_fewshot_seed(options.seed)


class ClassDocuments:
    """The documents of a task class."""

    def __init__(self, made: Any, errors: ErrorContext) -> None:
        self._made = made
        self._errors = errors

    @cached_property
    def evaluated(self) -> Split:
        """All documents of the evaluated split."""
        with self._errors.on("eval_docs"), seeded():
            docs = list(self._made.eval_docs)
        if not docs:
            raise self._errors.error("eval_docs", "there are no documents")
        return Split(docs, (), docs_digest(docs))

    def digest(self) -> str:
        """The identity of all that the class has loaded."""
        return content_digest(getattr(self._made, "dataset", None) or self.evaluated.docs)


class ClassRequests:
    """What a task class asks, document by document."""

    def __init__(
        self,
        made: Any,
        documents: ClassDocuments,
        scope: TaskScope[ClassConfig],
        chat: ChatRenderer | None,
    ) -> None:
        self._made = made
        self._documents = documents
        self._errors, self._options = scope.errors, scope.options
        self._chat = chat

    def __iter__(self) -> Iterator[DocRequests]:
        self._made.set_fewshot_seed(self._options.seed)
        draws = Draws()
        for doc_id, doc in self._options.drawing_examples(self.selected, self._documents.evaluated.docs):
            settings = _PromptSettings(self._chat, self._options.system_instruction, self._errors)
            with self._errors.on("fewshot_context", doc_id, doc):
                prompt = self._prompt(doc, settings)
            if doc_id in self.selected:
                with self._errors.on("construct_requests", doc_id, doc):
                    asked = [self._request(one) for one in self._instances(doc_id, doc, prompt, settings)]
                yield DocRequests(doc_id, doc, draws.numbered(asked))

    @cached_property
    def selected(self) -> dict[int, Doc]:
        with self._errors.on("--samples"):
            return self._options.selected(self._made.config.task, self._documents.evaluated.docs)

    @property
    def num_fewshot(self) -> int:
        own: int = self._made.config.num_fewshot
        return own

    @property
    def repeats(self) -> int:
        config = self._made.config
        return self._options.asked_times(config.repeats, config.output_type)

    def _prompt(self, doc: Doc, settings: "_PromptSettings") -> Any:
        """The class's prompt for a document; a text, but for what is between the class and itself."""
        return self._made.fewshot_context(
            doc=doc,
            num_fewshot=self.num_fewshot,
            system_instruction=self._options.system_instruction,
            fewshot_as_multiturn=True,
            gen_prefix=self._made.doc_to_prefix(doc),
            **settings.chat,
        )

    def _instances(self, doc_id: int, doc: Doc, prompt: Any, settings: "_PromptSettings") -> list[Any]:
        """lm-eval's requests for a document, in the order in which it scores them."""
        metadata = (self._made.config.task, doc_id, self.repeats)
        constructed = self._made.construct_requests(doc=doc, ctx=prompt, metadata=metadata, **settings.chat)
        instances = constructed if isinstance(constructed, list) else [constructed]
        if any(one.request_type != "loglikelihood_rolling" for one in instances):
            settings.refuse_what_was_ignored(prompt)  # a rolling log-likelihood reads no prompt
        return sorted(instances, key=lambda one: one.idx)

    def _request(self, instance: Any) -> Request:
        if instance.repeats != self.repeats:
            said = f"a request is to be asked {instance.repeats} times, `repeats` is {self.repeats}"
            raise self._errors.error("construct_requests", said)
        match instance.request_type, instance.args:
            case "loglikelihood", (str(context), str(continuation)):
                return Request("loglikelihood", _prompt(context), continuation)
            case "loglikelihood_rolling", (str(text),):
                return Request("loglikelihood_rolling", text)
            case "generate_until", (str(prompt), dict(generation)):
                options = self._options
                if options.compat:  # lm-eval leaves it to the class
                    options = replace(options, generation={})
                own = options.generation_of(generation)
                return Request("generate_until", _prompt(prompt), generation=own)
        kinds = ", ".join(type(argument).__name__ for argument in instance.args)
        said = f"a {instance.request_type} request of ({kinds}) cannot be asked"
        raise self._errors.error("construct_requests", said)


class _ChatText(str):
    """A chat on its way through a class, which wants a text: that of its messages, as lm-eval gives it."""

    chat: Chat


def _prompt(text: str) -> str | Chat:
    """What a class asks: a chat, where it has left the text as it was."""
    return text.chat if isinstance(text, _ChatText) else text


class _PromptSettings:
    """The system instruction and chat template that a class gets, and whether they are in the prompt."""

    def __init__(self, chat: ChatRenderer | None, instruction: str | None, errors: ErrorContext) -> None:
        self._render = chat
        self._instruction = instruction
        self._errors = errors
        self._rendered: list[str] | None = None

    @property
    def chat(self) -> dict[str, Any]:
        """The arguments by which lm-eval tells a class of a chat template."""
        wanted = self._render is not None
        return {"apply_chat_template": wanted, "chat_template": self._template if wanted else None}

    def refuse_what_was_ignored(self, prompt: object) -> None:
        if self._render is not None and self._rendered is None:
            raise self._errors.error("--apply-chat-template", "the class makes its prompts without it")
        texts = [str(prompt)] if self._rendered is None else self._rendered
        if self._instruction and not any(self._instruction in text for text in texts):
            raise self._errors.error("--system-instruction", "the class makes its prompts without it")

    def _template(self, messages: Sequence[Mapping[str, str]], add_generation_prompt: bool = True) -> str:
        assert self._render is not None
        self._rendered = [*(self._rendered or ()), *(str(message["content"]) for message in messages)]
        prompt = self._render(messages, continue_final=not add_generation_prompt)
        if isinstance(prompt, str):
            return prompt
        text = _ChatText(prompt.as_text())
        text.chat = prompt
        return text
