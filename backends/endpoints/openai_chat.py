"""OpenAI's chat completions, which most endpoints speak. They give no log-probabilities of a prompt."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from backends.endpoints.endings import ending_of
from backends.endpoints.message_reading import THINKING_KEYS, said_in
from backends.endpoints.messages import messages_of
from backends.endpoints.openai_body import ChoiceStream, choice_of, sampling
from backends.endpoints.prompt import Generation, Prompt
from backends.endpoints.question import Content, Question, Say, record_at, unsaid
from backends.endpoints.response_reading import Written, declined, text_response
from backends.endpoints.usage_reading import taken, usage_of
from backends.money.counts import Count
from backends.requests import Request, RequestKind, Response
from backends.text.generation_settings import Settings

# Keys of a streamed message that are no text.
_OTHERS = ("tool_calls", "function_call", "images", "audio")


@dataclass(frozen=True, slots=True)
class OpenAIChat:
    """model: its name at the endpoint. path: below the address. max_tokens_key: what the endpoint calls the
    limit of an answer; OpenAI itself takes only `max_completion_tokens`."""

    model: str
    path: str = "/chat/completions"
    max_tokens_key: str = "max_tokens"
    name: str = "openai-chat"
    kinds: frozenset[RequestKind] = frozenset(("generate_until",))
    instead: str = (
        "a chat gives no log-probabilities; ask in another format (TASK@generate), or by completions"
    )
    takes_chats: bool = True

    def question(self, request: Request, prompt: Prompt) -> Question:
        assert isinstance(prompt, Generation), self.instead
        body = {
            "model": self.model,
            "messages": messages_of(request.prompt),
            self.max_tokens_key: prompt.max_tokens,
            **sampling(prompt),
        }
        return Question(
            self.path,
            body,
            partial(_read, prompt.prompt_bytes, prompt.settings),
            partial(taken, prompt.prompt_bytes, prompt.max_tokens, usage_of),
            stream=_ChatStream,
            declined=partial(declined, prompt.prompt_bytes),
        )


def _read(prompt_bytes: int, settings: Settings, content: Content, say: Say = unsaid) -> Response:
    choice = choice_of(content)
    said = said_in(record_at(choice, "message"))
    ending = ending_of(choice.get("finish_reason"), say)
    if ending == "whole":
        said.check_text()
    text = said.text or said.refusal or ""
    reported = usage_of(content)
    count = Count.of(reported, prompt_bytes, (said.thinking or "") + text, settings.max_tokens)
    is_thought_hidden = said.thinking is None and reported is not None and reported.reasoning > 0
    written = Written(
        text,
        ending,
        count,
        "" if is_thought_hidden else said.thinking,
        said.refusal,
        str(content.get("model") or ""),
    )
    return text_response(written, settings, say)


class _ChatStream(ChoiceStream):
    """Its message has each key of the deltas, joined."""

    def __init__(self) -> None:
        super().__init__()
        self._begin()

    def _begin(self) -> None:
        self._content: list[Any] = []
        self._texts: dict[str, list[Any]] = {}
        self._others: dict[str, Any] = {}

    def _add_choice(self, choice: Content) -> bool:
        delta = record_at(choice, "delta") if choice.get("delta") else {}
        content = delta.get("content")
        if content is not None:
            self._content += content if isinstance(content, list) else [content]
        texts = {key: delta[key] for key in (*THINKING_KEYS, "refusal") if delta.get(key)}
        for key, text in texts.items():
            self._texts.setdefault(key, []).append(text)
        self._others |= {key: delta[key] for key in _OTHERS if delta.get(key)}
        return bool(content or texts)

    def _choice(self) -> Content:
        content: Any = self._content
        if all(isinstance(part, str) for part in content):
            content = "".join(content) if content else None
        message = {key: _joined(texts) for key, texts in self._texts.items()}
        return {"message": {"role": "assistant", "content": content, **message, **self._others}}


def _joined(texts: list[Any]) -> Any:
    return "".join(texts) if all(isinstance(text, str) for text in texts) else texts
