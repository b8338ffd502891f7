"""OpenAI's chat completions, which most endpoints speak. They give no log-probabilities of a prompt."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from backends.endpoints.messages import messages_of
from backends.endpoints.openai_body import ChoiceStream, finish_of, sampling
from backends.endpoints.prompt import Generation, Prompt
from backends.endpoints.question import Content, Malformed, Question, record_at
from backends.endpoints.response_reading import Count, Written, declined, text_response, usage_of
from backends.requests import Request, RequestKind, Response
from backends.text.generation_settings import Settings


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
            stream=_ChatStream,
            declined=partial(declined, prompt.prompt_bytes),
        )


def _read(prompt_bytes: int, settings: Settings, content: Content) -> Response:
    choice = record_at(content, "choices", 0)
    message = record_at(choice, "message")
    is_complete, refusal = finish_of(choice)
    refusal = _text(message, "refusal") or refusal
    thinking = _text(message, "reasoning_content") or _text(message, "reasoning") or None
    text = _text(message, "content")
    if text is None and refusal is None and is_complete and not message.get("tool_calls"):
        raise Malformed("the answer's message has no content")
    said = text or (_text(message, "refusal") or "")
    count = Count.of(usage_of(content), prompt_bytes, (thinking or "") + said, settings.max_tokens)
    written = Written(said, is_complete, count, thinking, refusal, str(content.get("model") or ""))
    return text_response(written, settings)


def _text(message: Mapping[str, Any], key: str) -> str | None:
    value = message.get(key)
    if value is not None and not isinstance(value, str):
        raise Malformed(f"the answer's message has a {key} that is no text: {value!r}")
    return value


class _ChatStream(ChoiceStream):
    _KEYS = ("content", "reasoning_content", "reasoning", "refusal")

    def __init__(self) -> None:
        super().__init__()
        self._parts: dict[str, list[str]] = {}

    def _add_choice(self, choice: Content) -> bool:
        delta = record_at(choice, "delta") if choice.get("delta") else {}
        texts = {key: text for key in self._KEYS if (text := _text(delta, key))}
        for key, text in texts.items():
            self._parts.setdefault(key, []).append(text)
        return bool(texts)

    def _choice(self) -> Content:
        message = {key: "".join(texts) for key, texts in self._parts.items()}
        return {"message": {"role": "assistant", "content": "", **message}}
