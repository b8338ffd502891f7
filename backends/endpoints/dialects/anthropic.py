"""Anthropic's Messages.

Source of the fields: anthropic 2.12.0, `types.Message`, `types.Usage` and `types.RawMessageStreamEvent`.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

from backends.calls.endpoint_options import EndpointOptions, api_key
from backends.endpoints.backend import EndpointBackend
from backends.endpoints.messages import messages_of
from backends.endpoints.openers import remote
from backends.endpoints.prompt import Generation, Prompt
from backends.endpoints.question import Content, CutOff, Malformed, Question, at, text_at
from backends.endpoints.response_reading import Count, Written, text_response
from backends.money.prices import Usage
from backends.requests import Request, RequestKind, Response
from backends.text.generation_settings import Settings

_ANTHROPIC = "https://api.anthropic.com/v1"
_VERSION = "2023-06-01"
_AT_LIMIT = frozenset(("max_tokens", "model_context_window_exceeded"))
_REFUSED = "refusal"


def open_anthropic(name: str, *, options: EndpointOptions, home: Path) -> EndpointBackend:
    """A model of Anthropic's, or of any server that speaks like it at `base_url`."""
    dialect = Anthropic(name)
    address = options.base_url or os.environ.get("ANTHROPIC_BASE_URL") or _ANTHROPIC
    is_required = address.startswith(_ANTHROPIC)
    key = api_key(options, "ANTHROPIC_API_KEY", required=is_required, backend=f"{dialect.name}:{name}")
    headers = {"anthropic-version": _VERSION, **({"x-api-key": key} if key else {})}
    return EndpointBackend(remote(dialect, options, address, home, headers, key))


@dataclass(frozen=True, slots=True)
class Anthropic:
    """model: its name at the endpoint."""

    model: str
    name: str = "anthropic"
    kinds: frozenset[RequestKind] = frozenset(("generate_until",))
    instead: str = "Anthropic gives no log-probabilities; ask in another format (TASK@generate)"
    takes_chats: bool = True

    def question(self, request: Request, prompt: Prompt) -> Question:
        """There is no seed: repeats of a request differ by chance."""
        assert isinstance(prompt, Generation), self.instead
        body = {
            "model": self.model,
            **_parts(messages_of(request.prompt)),
            "max_tokens": prompt.max_tokens,
            **_sampling(prompt.settings),
        }
        read = partial(_read, prompt.prompt_bytes, prompt.settings)
        return Question("/messages", body, read, stream=_MessageStream)


def _parts(messages: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The system's messages, which stand first, apart from the others."""
    system = [one["content"] for one in takewhile(lambda one: one["role"] == "system", messages)]
    others = messages[len(system) :]
    return {"messages": others, **({"system": "\n\n".join(system)} if system else {})}


def _sampling(settings: Settings) -> dict[str, Any]:
    """Stops of nothing but white space are refused, so they are only looked for here. None are sent where the
    model thinks first: they would end its thinking."""
    body: dict[str, Any] = dict(settings.options)
    if not settings.do_sample:
        body["temperature"] = 0
    stops = [stop for stop in settings.stops if stop.strip()]
    if stops and not settings.mark:
        body["stop_sequences"] = stops
    return body


def _read(prompt_bytes: int, settings: Settings, content: Content) -> Response:
    blocks, reason = at(content, "content"), at(content, "stop_reason")
    if reason is None:
        raise CutOff("the answer does not say why it ended")
    if not isinstance(blocks, list):
        raise Malformed("the answer's content is no list")
    text = _joined(blocks, "text") or ""
    thinking = _joined(blocks, "thinking")
    count = Count.of(_usage(content), prompt_bytes, (thinking or "") + text, settings.max_tokens)
    refusal = _refusal(content) if reason == _REFUSED else None
    model = str(content.get("model") or "")
    return text_response(Written(text, reason not in _AT_LIMIT, count, thinking, refusal, model), settings)


def _joined(blocks: Sequence[Content], kind: str) -> str | None:
    """The text of all blocks of a kind, whose key for it is the kind's name; None where there is none."""
    texts = [text_at(block, kind) for block in blocks if at(block, "type") == kind]
    return "".join(texts) or None


def _refusal(content: Content) -> str:
    details = content.get("stop_details") or {}
    return str(details.get("explanation") or details.get("category") or _REFUSED)


def _usage(content: Content) -> Usage | None:
    """What was read from the cache or put into it is counted apart from the other tokens of a prompt."""
    reported = content.get("usage")
    if not isinstance(reported, dict):
        return None
    cached = reported.get("cache_read_input_tokens") or 0
    created = reported.get("cache_creation_input_tokens") or 0
    counts: list[Any] = [reported.get("input_tokens"), created, cached, reported.get("output_tokens")]
    if not all(type(count) is int for count in counts):
        return None
    *read, written = counts
    return Usage(sum(read), written, cached)


class _MessageStream:
    """Puts a streamed message together."""

    body: Mapping[str, Any] = {"stream": True}

    def __init__(self) -> None:
        self._message: Content = {}
        self._blocks: dict[int, Content] = {}
        self._has_ended = False

    def add(self, event: Content) -> bool:
        """Take an event; those of kinds that are not known say nothing of the answer."""
        match event.get("type"):
            case "error":
                raise CutOff(f"the stream ended with an error: {event.get('error')}")
            case "message_start":
                self._message = dict(at(event, "message"))
            case "content_block_start":
                self._blocks[at(event, "index")] = dict(at(event, "content_block"))
            case "content_block_delta":
                return self._extend(at(self._blocks, at(event, "index")), at(event, "delta"))
            case "message_delta":
                usage = {**(self._message.get("usage") or {}), **(event.get("usage") or {})}
                self._message = {**self._message, **at(event, "delta"), "usage": usage}
            case "message_stop":
                self._has_ended = True
        return False

    def whole(self) -> Content:
        if not self._has_ended:
            raise CutOff("the stream broke off")
        return {**self._message, "content": [self._blocks[index] for index in sorted(self._blocks)]}

    def _extend(self, block: Content, delta: Content) -> bool:
        kind = at(block, "type")
        if kind not in ("text", "thinking") or kind not in delta:
            return False  # a signature, or what a tool is asked
        block[kind] = text_at(block, kind) + text_at(delta, kind)
        return True
