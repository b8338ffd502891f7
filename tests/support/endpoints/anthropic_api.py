"""Contract of Anthropic's `POST /v1/messages`, whole and in events."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.endpoints.answers import chat_prompt, content_text, short_hash
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
from tests.support.endpoints.generation import STATUS, Asked, Finish, Generation, Problem, usage
from tests.support.endpoints.http1 import HttpRequest

_STOP_REASONS: Mapping[Finish, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "stop_sequence": "stop_sequence",
    "refused": "refusal",
}
_ERRORS = {
    "unauthorized": "authentication_error",
    "no_model": "not_found_error",
    "no_path": "not_found_error",
    "rate_limited": "rate_limit_error",
    "over_limit": "rate_limit_error",
    "server_error": "api_error",
    "overloaded": "overloaded_error",
}
# Anthropic's own status for a server that has too much to do.
_OVERLOADED = 529
# Anthropic says that an account has no credit left with 400, not 429.
_NO_CREDIT = 400


class Anthropic:
    """`anthropic-version` and a key in the headers, `max_tokens` in the body, the system prompt apart.

    The key comes in `x-api-key`, as the API's documentation has it, or as a bearer's, as the official client
    sends it (2.12.0).
    """

    def key(self, request: HttpRequest) -> str:
        return request.headers.get("x-api-key") or bearer_key(request)

    def asked(self, request: HttpRequest, body: Body, behaviour: Behaviour) -> list[Asked]:
        if "anthropic-version" not in request.headers:
            raise Problem("bad_request", "anthropic-version: header is required")
        check_model(required(body, "model"), behaviour)
        messages, limit = required(body, "messages"), required(body, "max_tokens")
        if limit < 1:
            raise Problem("bad_request", "max_tokens: must be greater than or equal to 1")
        if any(message["role"] not in ("user", "assistant") for message in messages):
            raise Problem(
                "bad_request", "messages: roles are user and assistant; system is a field of its own"
            )
        system = [{"role": "system", "content": content_text(body["system"])}] if body.get("system") else []
        prompt = chat_prompt([*system, *messages])
        return [Asked(prompt, last_user_text(messages), limit, sequences(body.get("stop_sequences")))]

    def answer(self, body: Body, said: Sequence[Generation], behaviour: Behaviour) -> Body:
        (one,) = said
        return {
            **_start(body, one),
            "content": [] if one.text is None else [{"type": "text", "text": one.text}],
            **_end(one),
            **usage(one.counted, {**_read(one), "output_tokens": len(one.tokens)}),
        }

    def stream(self, body: Body, said: Sequence[Generation], behaviour: Behaviour) -> Stream:
        (one,) = said
        first = {**_start(body, one), "content": [], "stop_reason": None, "stop_sequence": None}
        first |= usage(one.counted, {**_read(one), "output_tokens": 0})
        block = {"index": 0, "content_block": {"type": "text", "text": ""}}
        tokens = [
            _event("content_block_delta", index=0, delta={"type": "text_delta", "text": token})
            for token in one.tokens
        ]
        last = usage(one.counted, {"output_tokens": len(one.tokens)})
        return Stream(
            _event("message_start", message=first) + _event("content_block_start", **block) + _event("ping"),
            tokens,
            _event("content_block_stop", index=0)
            + _event("message_delta", delta=_end(one), **last)
            + _event("message_stop"),
        )

    def error(self, problem: Problem) -> tuple[int, Body]:
        status = {"overloaded": _OVERLOADED, "no_credit": _NO_CREDIT}.get(problem.kind, STATUS[problem.kind])
        said = {"type": _ERRORS.get(problem.kind, "invalid_request_error"), "message": problem.text}
        return status, {"type": "error", "error": said}


def _start(body: Body, one: Generation) -> dict[str, Any]:
    name = short_hash(one.asked.prompt.encode("utf-8", "surrogatepass"))
    return {"id": f"msg_{name}", "type": "message", "role": "assistant", "model": body["model"]}


def _end(one: Generation) -> dict[str, Any]:
    return {"stop_reason": _STOP_REASONS[one.finish], "stop_sequence": one.stop}


def _read(one: Generation) -> dict[str, int]:
    """Anthropic counts what it read from its cache apart from the other tokens of the prompt."""
    return {
        "input_tokens": one.asked.prompt_tokens - one.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": one.cached,
    }


def _event(name: str, **fields: Any) -> bytes:
    data = json.dumps({"type": name, **fields})
    return f"event: {name}\ndata: {data}\n\n".encode()
