"""OpenAI's dialect: chat completions, completions with echoed log-probabilities, models, errors."""

import json
import time
from collections.abc import Sequence
from typing import Any

from tests.support.endpoints.answers import (
    Position,
    chat_prompt,
    positions,
    short_hash,
    text_of_ids,
    tokens_of,
)
from tests.support.endpoints.behaviour import Behaviour
from tests.support.endpoints.dialect import (
    Body,
    Stream,
    bearer_key,
    check_model,
    last_user_text,
    required,
    sequences,
)
from tests.support.endpoints.generation import STATUS, Asked, Generation, Problem, numbers, usage
from tests.support.endpoints.http1 import HttpRequest

REFUSAL = "I'm sorry, but I can't help with that."
# As of the API: tokens of a completion that does not say how many it wants.
_COMPLETION_TOKENS = 16
_MOST_LOGPROBS = 5
_DONE = b"data: [DONE]\n\n"

_CODES = {
    "unauthorized": ("invalid_request_error", "invalid_api_key"),
    "too_long": ("invalid_request_error", "context_length_exceeded"),
    "no_model": ("invalid_request_error", "model_not_found"),
    "filtered": ("invalid_request_error", "content_filter"),
    "rate_limited": ("requests", "rate_limit_exceeded"),
    "over_limit": ("requests", "rate_limit_exceeded"),
    "no_credit": ("insufficient_quota", "insufficient_quota"),
    "server_error": ("server_error", None),
    "overloaded": ("server_error", "overloaded"),
}


class _OpenAI:
    """What chat and completions share."""

    kind = ""
    chunk_kind = ""

    def key(self, request: HttpRequest) -> str:
        return bearer_key(request)

    def error(self, problem: Problem) -> tuple[int, Body]:
        type_, code = _CODES.get(problem.kind, ("invalid_request_error", None))
        said = {"message": problem.text, "type": type_, "param": None, "code": code}
        return STATUS[problem.kind], {"error": said}

    def answer(self, body: Body, said: Sequence[Generation], behaviour: Behaviour) -> Body:
        return {
            **self._frame(body, said, self.kind),
            "choices": [self._choice(index, body, one, behaviour) for index, one in enumerate(said)],
            **_usage(said, len(said)),
        }

    def stream(self, body: Body, said: Sequence[Generation], behaviour: Behaviour) -> Stream:
        if body.get("logprobs"):
            raise Problem("bad_request", "this stand-in streams no log-probabilities")
        counted = bool((body.get("stream_options") or {}).get("include_usage"))
        frame = self._frame(body, said, self.chunk_kind) | ({"usage": None} if counted else {})
        closing = [
            _event({**frame, "choices": [self._end(index, one, behaviour)]}) for index, one in enumerate(said)
        ]
        if counted:
            closing.append(_event({**frame, "choices": [], **_usage(said, len(said))}))
        opening = [_event({**frame, "choices": [choice]}) for choice in self._starts(said)]
        tokens = [
            _event({**frame, "choices": [self._part(index, token)]})
            for index, one in enumerate(said)
            for token in one.tokens
        ]
        return Stream(b"".join(opening), tokens, b"".join([*closing, _DONE]))

    def _frame(self, body: Body, said: Sequence[Generation], kind: str) -> dict[str, Any]:
        name = short_hash(repr([one.asked for one in said]).encode("utf-8", "surrogatepass"))
        return {
            "id": f"{kind[:4]}-{name}",
            "object": kind,
            "created": int(time.time()),
            "model": body.get("model", ""),
        }

    def _choice(self, index: int, body: Body, one: Generation, behaviour: Behaviour) -> Body:
        raise NotImplementedError

    def _starts(self, said: Sequence[Generation]) -> list[Body]:
        return []

    def _part(self, index: int, token: str) -> Body:
        raise NotImplementedError

    def _end(self, index: int, one: Generation, behaviour: Behaviour) -> Body:
        raise NotImplementedError


class Chat(_OpenAI):
    """POST /v1/chat/completions."""

    kind = "chat.completion"
    chunk_kind = "chat.completion.chunk"

    def asked(self, request: HttpRequest, body: Body, behaviour: Behaviour) -> list[Asked]:
        check_model(required(body, "model"), behaviour)
        messages = required(body, "messages")
        limit = body.get("max_completion_tokens", body.get("max_tokens"))
        _check(limit, 1, body)
        return [Asked(chat_prompt(messages), last_user_text(messages), limit, sequences(body.get("stop")))]

    def _choice(self, index: int, body: Body, one: Generation, behaviour: Behaviour) -> Body:
        refusal = REFUSAL if _says_refusal(one, behaviour) else None
        return {
            "index": index,
            "message": {"role": "assistant", "content": one.text, "refusal": refusal},
            "logprobs": self._logprobs(one, int(body.get("top_logprobs") or 0))
            if body.get("logprobs")
            else None,
            "finish_reason": _finish(one, behaviour),
        }

    def _logprobs(self, one: Generation, top: int) -> Body:
        return {
            "content": [
                {
                    **_chat_token(token, place.logprob(token)),
                    "top_logprobs": [_chat_token(*item) for item in place.top(top).items()],
                }
                for token, place in one.places()
            ],
            "refusal": None,
        }

    def _starts(self, said: Sequence[Generation]) -> list[Body]:
        delta = {"role": "assistant", "content": "", "refusal": None}
        return [{"index": index, "delta": delta, "finish_reason": None} for index in range(len(said))]

    def _part(self, index: int, token: str) -> Body:
        return {"index": index, "delta": {"content": token}, "logprobs": None, "finish_reason": None}

    def _end(self, index: int, one: Generation, behaviour: Behaviour) -> Body:
        delta = {"refusal": REFUSAL} if _says_refusal(one, behaviour) else {}
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": _finish(one, behaviour)}


class Completions(_OpenAI):
    """POST /v1/completions: one prompt or several, as text or token ids."""

    kind = "text_completion"
    chunk_kind = "text_completion"

    def asked(self, request: HttpRequest, body: Body, behaviour: Behaviour) -> list[Asked]:
        check_model(required(body, "model"), behaviour)
        limit = _COMPLETION_TOKENS if body.get("max_tokens") is None else body["max_tokens"]
        _check(limit, 0 if body.get("echo") else 1, body)
        if (body.get("logprobs") or 0) > _MOST_LOGPROBS:
            raise Problem("bad_request", f"logprobs is at most {_MOST_LOGPROBS}")
        if body.get("echo") and body.get("stream"):
            raise Problem("bad_request", "this stand-in echoes nothing in a stream")
        texts = _texts(required(body, "prompt"))
        return [Asked(text, text, limit, sequences(body.get("stop"))) for text in texts]

    def _choice(self, index: int, body: Body, one: Generation, behaviour: Behaviour) -> Body:
        echo = bool(body.get("echo")) and behaviour.echo_logprobs
        top = body.get("logprobs")
        if body.get("echo") and not behaviour.echo_logprobs:
            top = None
        prompt = one.asked.prompt if echo else ""
        return {
            "index": index,
            "text": None if one.text is None and one.finish != "refused" else prompt + (one.text or ""),
            "logprobs": None if top is None else _logprobs(one, top, echo, behaviour.logprobs_shift),
            "finish_reason": _finish(one, behaviour),
        }

    def _part(self, index: int, token: str) -> Body:
        return {"index": index, "text": token, "logprobs": None, "finish_reason": None}

    def _end(self, index: int, one: Generation, behaviour: Behaviour) -> Body:
        return {"index": index, "text": "", "logprobs": None, "finish_reason": _finish(one, behaviour)}


def models(behaviour: Behaviour) -> Body:
    """GET /v1/models."""
    names = behaviour.models or ("stand-in",)
    return {
        "object": "list",
        "data": [{"id": name, "object": "model", "created": 0, "owned_by": "tests"} for name in names],
    }


def _logprobs(one: Generation, top: int, echo: bool, shifted: bool) -> Body:
    prompt = one.asked.prompt
    tokens = [*tokens_of(prompt), *one.tokens] if echo else one.tokens
    places: list[Position | None] = list(positions("" if echo else prompt, tokens))
    if shifted and echo:
        places.pop(0)
    if echo:
        places[0] = None  # there is nothing before the first token to expect it from
    offsets, at = [], 0 if echo else len(prompt)
    for token in tokens:
        offsets.append(at)
        at += len(token)
    pairs = list(zip(tokens, places, strict=False))
    return {
        "tokens": tokens,
        "token_logprobs": [None if place is None else place.logprob(token) for token, place in pairs],
        "top_logprobs": [
            # The token itself is always there, also where it is not among the most probable.
            None if place is None else {**place.top(top), token: place.logprob(token)}
            for token, place in pairs
        ]
        if top
        else None,
        "text_offset": offsets,
    }


def _usage(said: Sequence[Generation], choices: int) -> dict[str, Any]:
    read = sum(one.asked.prompt_tokens for one in said)
    written = sum(len(one.tokens) for one in said)
    counts = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
    counted = said[0].counted
    cached = numbers(counted, {"cached_tokens": sum(one.cached for one in said)})
    return usage(counted, counts, prompt_tokens_details=cached)


def _says_refusal(one: Generation, behaviour: Behaviour) -> bool:
    return one.finish == "refused" and behaviour.refuse_by == "refusal"


def _finish(one: Generation, behaviour: Behaviour) -> str:
    if one.finish == "refused":
        return "stop" if behaviour.refuse_by == "refusal" else "content_filter"
    return "length" if one.finish == "length" else "stop"


def _check(limit: int | None, least: int, body: Body) -> None:
    if limit is not None and limit < least:
        raise Problem("bad_request", f"max_tokens is at least {least}")
    if body.get("n") not in (None, 1):
        raise Problem("bad_request", "this stand-in gives one choice a prompt: n must be 1")


def _texts(prompt: Any) -> list[str]:
    """The prompts of a completion: a string, ids, or a list of either."""
    if isinstance(prompt, str):
        return [prompt]
    if not prompt:
        raise Problem("bad_request", "an array of prompts cannot be empty")
    if isinstance(prompt[0], int):
        return [text_of_ids(prompt)]
    return [text for one in prompt for text in _texts(one)]


def _chat_token(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode("utf-8", "surrogatepass"))}


def _event(data: Body) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"
