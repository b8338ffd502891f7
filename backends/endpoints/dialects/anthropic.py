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
from backends.calls.key_hosts import is_providers_own
from backends.endpoints.backend import EndpointBackend
from backends.endpoints.endings import ending_of
from backends.endpoints.message_reading import said_in
from backends.endpoints.messages import messages_of
from backends.endpoints.openers import remote
from backends.endpoints.prompt import Generation, Prompt
from backends.endpoints.question import (
    Content,
    CutOff,
    Malformed,
    Question,
    Say,
    at,
    record_at,
    text_at,
    unsaid,
)
from backends.endpoints.response_reading import Written, text_response
from backends.endpoints.usage_reading import anthropic_usage_of, taken
from backends.money.counts import Count
from backends.requests import Request, RequestKind, Response
from backends.text.generation_settings import Settings

_ANTHROPIC = "https://api.anthropic.com/v1"
_VERSION = "2023-06-01"


def open_anthropic(name: str, *, options: EndpointOptions, home: Path) -> EndpointBackend:
    """A model of Anthropic's, or of any server that speaks like it at `base_url`."""
    dialect = Anthropic(name)
    address = options.base_url or os.environ.get("ANTHROPIC_BASE_URL") or _ANTHROPIC
    where, variable = f"{dialect.name}:{name}", "ANTHROPIC_API_KEY"
    is_required = is_providers_own(address, variable)
    key = api_key(options, variable, address, required=is_required, backend=where)
    headers = {"anthropic-version": _VERSION, **({"x-api-key": key.value} if key.value else {})}
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
        took = partial(taken, prompt.prompt_bytes, prompt.max_tokens, anthropic_usage_of)
        return Question("/messages", body, read, took, stream=_MessageStream)


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


def _read(prompt_bytes: int, settings: Settings, content: Content, say: Say = unsaid) -> Response:
    if not isinstance(at(content, "content"), list):
        raise Malformed("the answer's content is no list")
    ending = ending_of(content.get("stop_reason"), say)
    said = said_in(content)
    if said.tools:
        said.check_text()
    text = said.text or ""
    count = Count.of(
        anthropic_usage_of(content), prompt_bytes, (said.thinking or "") + text, settings.max_tokens
    )
    refusal = _refusal(content) if ending == "filtered" else None
    model = str(content.get("model") or "")
    return text_response(Written(text, ending, count, said.thinking, refusal, model), settings, say)


def _index(event: Content) -> int:
    index = at(event, "index")
    if type(index) is not int:
        raise Malformed(f"the answer's index is {index!r}, not a number")
    return index


def _counts(content: Content) -> Content:
    usage = content.get("usage")
    return {name: own for name, own in usage.items() if own is not None} if isinstance(usage, dict) else {}


def _refusal(content: Content) -> str:
    details = content.get("stop_details")
    told = details if isinstance(details, dict) else {}
    return str(told.get("explanation") or told.get("category") or content["stop_reason"])


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
                self._message = dict(record_at(event, "message"))
            case "content_block_start":
                self._blocks[_index(event)] = dict(record_at(event, "content_block"))
            case "content_block_delta":
                return self._extend(at(self._blocks, _index(event)), record_at(event, "delta"))
            case "message_delta":
                usage = {**_counts(self._message), **_counts(event)}
                self._message = {**self._message, **record_at(event, "delta"), "usage": usage}
            case "message_stop":
                self._has_ended = True
        return False

    def whole(self, *, has_ended: bool) -> Content:
        if not self._has_ended:
            raise CutOff("the stream broke off")
        return self.so_far()

    def so_far(self) -> Content:
        return {**self._message, "content": [self._blocks[index] for index in sorted(self._blocks)]}

    def _extend(self, block: Content, delta: Content) -> bool:
        kind = at(block, "type")
        if kind not in ("text", "thinking") or kind not in delta:
            return False  # a signature, or what a tool is asked
        block[kind] = text_at(block, kind) + text_at(delta, kind)
        return True
