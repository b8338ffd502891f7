"""What is odd about the prompts of a run, and would change scores in silence: said before they are asked."""

from collections.abc import Iterator, Sequence

from backends.chat import ChatMessage
from backends.errors import BackendError
from backends.model_files.template_clock import later
from backends.protocol import Backend
from flows.specs.evaluation import EvaluationSpec
from tasks_lib.catalog.selection import Selection
from tasks_lib.files.config import TaskConfig

_MARK = "assay-marks-this-text"
_QUESTION: ChatMessage = {"role": "user", "content": "1 + 1?"}
_SYSTEM: ChatMessage = {"role": "system", "content": _MARK}
_SHOWN_TASKS = 5


def notices_of(spec: EvaluationSpec, backend: Backend, selection: Selection) -> list[str]:
    """A line for each. Renders chats where prompts go through the model's chat template."""
    configs = [file.config for file in selection.tasks.values()]
    written = [config for config in configs if isinstance(config, TaskConfig)]
    found = list(_unasked_examples(spec, written))
    if spec.apply_chat_template and spec.answers_from is None:
        found += [*_dropped_system(spec, backend, written), *_clock(spec, backend)]
    return found


def clock_of(backend: Backend) -> str | None:
    """What of a chat the model's template makes of the present time; None where it is the same at any."""
    for chat in ([_QUESTION], [_SYSTEM, _QUESTION]):
        now = _rendered(backend, chat)
        if now is None:
            continue
        with later():
            then = _rendered(backend, chat) or ""
        if now != then:
            start = _common(now, then)
            return now[start : len(now) - _common(now[start:][::-1], then[start:][::-1])]
    return None


def _common(one: str, other: str) -> int:
    """How many characters both begin with."""
    pairs = zip(one, other, strict=False)
    return next((number for number, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _clock(spec: EvaluationSpec, backend: Backend) -> Iterator[str]:
    if (clock := clock_of(backend)) is not None:
        yield (
            f"the chat template of {spec.model} writes the time ({clock!r}) into prompts: what is asked "
            "later is another question, and its score is of other prompts"
        )


def _dropped_system(spec: EvaluationSpec, backend: Backend, configs: Sequence[TaskConfig]) -> Iterator[str]:
    """Of a system message that the template leaves out, or refuses."""
    described = [config.task for config in configs if config.description]
    parts = [
        *(["--system-instruction"] if spec.system_instruction else []),
        *([f"the description of {_names(described)}"] if described else []),
    ]
    if not parts:
        return
    chat = _rendered(backend, [_SYSTEM, _QUESTION])
    if chat is not None and _MARK not in chat:
        yield (
            f"the chat template of {spec.model} leaves out system messages: no prompt has "
            f"{' and '.join(parts)}"
        )


def _unasked_examples(spec: EvaluationSpec, configs: Sequence[TaskConfig]) -> Iterator[str]:
    """Of examples that a file lists, and no number asks for."""
    if spec.num_fewshot is not None:
        return
    unasked = [
        config.task
        for config in configs
        if config.fewshot_config.samples is not None and config.num_fewshot is None
    ]
    if unasked:
        yield (
            f"{_names(unasked)}: few-shot examples are listed in the file, and none is shown, since "
            "num_fewshot is missing; --num-fewshot says how many"
        )


def _rendered(backend: Backend, chat: Sequence[ChatMessage]) -> str | None:
    """The prompt of a chat; None where the endpoint makes it, or the template refuses."""
    try:
        prompt = backend.apply_chat_template(chat, continue_final=False)
    except BackendError:
        return None
    return prompt if isinstance(prompt, str) else None


def _names(tasks: Sequence[str]) -> str:
    more = len(tasks) - _SHOWN_TASKS
    return ", ".join(tasks[:_SHOWN_TASKS]) + (f" and {more:,} more" if more > 0 else "")
