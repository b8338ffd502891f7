"""How description, examples and question become one prompt, as plain text or as chat messages.

The joins are those of lm-evaluation-harness 0.4.13 (`lm_eval/api/task.py`, `fewshot_context` and
`build_qa_turn`; `lm_eval/api/utils.py`): prompts are equal to its prompts byte for byte.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from backends.chat import Chat
from tasks_lib.errors import TaskError
from tasks_lib.value_text import short_repr


class ChatRenderer(Protocol):
    """Makes a prompt of chat messages; see `backends.protocol.Backend.apply_chat_template`."""

    def __call__(self, messages: Sequence[Mapping[str, str]], *, continue_final: bool) -> str | Chat: ...


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a prompt; `delimiter` follows it in plain text and is not part of a chat message."""

    role: str
    content: str
    delimiter: str = ""

    @property
    def text(self) -> str:
        return self.content + self.delimiter


@dataclass(frozen=True, slots=True)
class Delimiters:
    target: str
    fewshot: str


def join(prefix: str | None, suffix: str | None, delimiter: str) -> str:
    """`prefix` and `suffix`, with `delimiter` between unless there is white space or nothing on a side."""
    if not prefix or not suffix:
        return prefix or suffix or ""
    return prefix + (delimiter if needs_delimiter(prefix, suffix) else "") + suffix


def needs_delimiter(prefix: str, suffix: str) -> bool:
    return bool(prefix) and not (prefix[-1].isspace() or suffix[0].isspace())


def question_turns(question: str, gen_prefix: str | None, delimiters: Delimiters) -> list[Turn]:
    """The evaluated document: its question, and what its answer starts with."""
    if not gen_prefix:
        return [Turn("user", question)]
    delimiter = delimiters.target if needs_delimiter(question, gen_prefix) else ""
    return [Turn("user", question, delimiter), Turn("assistant", gen_prefix)]


def example_turns(
    question: str, answer: str | None, gen_prefix: str | None, delimiters: Delimiters
) -> list[Turn]:
    """A few-shot example; one without an answer is its question alone, with nothing after it."""
    if answer is None:
        return question_turns(question, gen_prefix, delimiters)
    joined = not gen_prefix or needs_delimiter(question, gen_prefix)
    return [
        Turn("user", question, delimiters.target if joined else ""),
        Turn("assistant", join(gen_prefix, answer, " "), delimiters.fewshot),
    ]


def system_turns(instruction: str | None, description: str, delimiters: Delimiters) -> list[Turn]:
    system = join(instruction, description, delimiters.fewshot)
    return [Turn("system", system)] if system else []


def answer_text(answer: Any, choices: Sequence[str] | None) -> str | None:
    """What an example shows as its answer: the choice an index names, the first of several targets, the text,
    or None where the target is empty.

    Raises TaskError where that is no text, and where the index names no choice.
    """
    if answer is None or answer == "":
        return None
    if isinstance(answer, list):
        answer = answer[0] if answer else None
    if choices and isinstance(answer, int):
        answer = choice_of(answer, choices)
    if not isinstance(answer, str):
        raise TaskError(f"the answer of a few-shot example is {short_repr(answer)}, not a text")
    return answer


def choice_of(label: Any, choices: Sequence[Any]) -> Any:
    """The choice of an index, from the end where it is negative; TaskError where there is none."""
    try:
        return choices[label]
    except (IndexError, TypeError) as error:
        raise TaskError(f"the label {short_repr(label)} is no index of the {len(choices)} choices") from error


def render_prompt(turns: Sequence[Turn], chat: ChatRenderer | None) -> str | Chat:
    """The prompt: the turns one after the other, or as a chat."""
    if chat is None:
        return "".join(turn.text for turn in turns)
    messages = [{"role": turn.role, "content": turn.content} for turn in turns]
    return chat(messages, continue_final=turns[-1].role == "assistant")
