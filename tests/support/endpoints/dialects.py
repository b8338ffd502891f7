"""Contracts of servers that cannot run beside the tests: SGLang's and TGI's own calls, Azure's OpenAI.

Each has the paths, fields and refusals that the server's clients and published types name, and the model of
`answers.py` behind them. They show that a backend keeps to the contract, not that a server does.
"""

import re
from collections.abc import Sequence
from typing import Any

from tests.support.endpoints.answers import Position, id_of, positions, text_of_ids, tokens_of
from tests.support.endpoints.behaviour import Behaviour
from tests.support.endpoints.dialect import Body, Stream, bearer_key, required, sequences
from tests.support.endpoints.generation import STATUS, Asked, Generation, Problem, numbers
from tests.support.endpoints.http1 import HttpRequest
from tests.support.endpoints.openai_api import Chat

_DEPLOYMENT = re.compile(r"/openai/deployments/([^/]+)/chat/completions")


class SGLang:
    """Contract of SGLang's `POST /generate`.

    Log-probabilities are `[logprob, id, text]`; the text is null unless `return_text_in_logprobs`. Those of
    the prompt begin at `logprob_start_len`, the first of them without a number; -1 gives none.
    """

    def key(self, request: HttpRequest) -> str:
        return bearer_key(request)

    def asked(self, request: HttpRequest, body: Body, behaviour: Behaviour) -> list[Asked]:
        if (body.get("text") is None) == (body.get("input_ids") is None):
            raise Problem("bad_request", "Either text, input_ids or input_embeds should be provided.")
        params = body.get("sampling_params") or {}
        limit = params.get("max_new_tokens", 128)
        if limit < 0:
            raise Problem("bad_request", f"max_new_tokens must be at least 0, got {limit}.")
        texts = _sglang_texts(body)
        return [Asked(text, text, limit, sequences(params.get("stop"))) for text in texts]

    def answer(self, body: Body, said: Sequence[Generation], behaviour: Behaviour) -> Body | list[Body]:
        answers = [self._one(body, one) for one in said]
        source = body["input_ids"] if body.get("text") is None else body["text"]
        several = not isinstance(source, str) and (not source or not isinstance(source[0], int))
        return answers if several else answers[0]

    def stream(self, body: Body, said: Sequence[Generation], behaviour: Behaviour) -> Stream:
        raise Problem("bad_request", "this stand-in does not stream /generate")

    def error(self, problem: Problem) -> tuple[int, Body]:
        return STATUS[problem.kind], {"error": {"message": problem.text}}

    def _one(self, body: Body, one: Generation) -> Body:
        counts = {
            "prompt_tokens": one.asked.prompt_tokens,
            "completion_tokens": len(one.tokens),
            "cached_tokens": one.cached,
        }
        meta = {
            "id": id_of(one.asked.prompt),
            "finish_reason": _sglang_finish(one),
            **numbers(one.counted, counts),
        }
        if body.get("return_logprob"):
            meta |= _sglang_logprobs(body, one)
        return {"text": one.text, "output_ids": [id_of(token) for token in one.tokens], "meta_info": meta}


class Tgi:
    """Contract of text-generation-inference's `POST /generate`.

    Answers with `details` only where they are asked for. A prompt that is too long, no new token, or a
    temperature of 0 is a validation error, 422.
    """

    def key(self, request: HttpRequest) -> str:
        return bearer_key(request)

    def asked(self, request: HttpRequest, body: Body, behaviour: Behaviour) -> list[Asked]:
        if not required(body, "inputs"):
            raise Problem("bad_request", "Input validation error: `inputs` cannot be empty")
        params = body.get("parameters") or {}
        limit = params.get("max_new_tokens", 20)
        if limit < 1:
            raise Problem("bad_request", "Input validation error: `max_new_tokens` must be strictly positive")
        if params.get("temperature") is not None and params["temperature"] <= 0:
            raise Problem("bad_request", "Input validation error: `temperature` must be strictly positive")
        return [Asked(body["inputs"], body["inputs"], limit, sequences(params.get("stop")))]

    def answer(self, body: Body, said: Sequence[Generation], behaviour: Behaviour) -> Body:
        (one,) = said
        params = body.get("parameters") or {}
        # TGI leaves the stop sequence at the end of the text.
        text = None if one.text is None else one.text + (one.stop or "")
        answer: dict[str, Any] = {"generated_text": text}
        if params.get("details") or params.get("decoder_input_details"):
            answer["details"] = {
                "finish_reason": {"length": "length", "stop_sequence": "stop_sequence"}.get(
                    one.finish, "eos_token"
                ),
                **numbers(one.counted, {"generated_tokens": len(one.tokens)}),
                "seed": None,
                "prefill": _tgi_prefill(one.asked.prompt) if params.get("decoder_input_details") else [],
                "tokens": [
                    {"id": id_of(token), "text": token, "logprob": place.logprob(token), "special": False}
                    for token, place in one.places()
                ],
            }
        return answer

    def stream(self, body: Body, said: Sequence[Generation], behaviour: Behaviour) -> Stream:
        raise Problem("bad_request", "this stand-in does not stream /generate")

    def error(self, problem: Problem) -> tuple[int, Body]:
        if problem.kind in ("bad_request", "too_long"):
            return 422, {"error": problem.text, "error_type": "validation"}
        if problem.kind in ("rate_limited", "over_limit", "overloaded"):
            return 429, {"error": "Model is overloaded", "error_type": "overloaded"}
        return STATUS[problem.kind], {"error": problem.text, "error_type": "generation"}


class Azure(Chat):
    """Contract of Azure's `POST /openai/deployments/NAME/chat/completions?api-version=...`.

    The key comes in `api-key`, the deployment is the model, and a refused prompt is 400 `content_filter`.
    """

    def key(self, request: HttpRequest) -> str:
        return request.headers.get("api-key", "")

    def asked(self, request: HttpRequest, body: Body, behaviour: Behaviour) -> list[Asked]:
        match = _DEPLOYMENT.fullmatch(request.path)
        if match is None or "api-version=" not in request.query:
            raise Problem("no_path", "Resource not found")
        asked = super().asked(request, {**body, "model": match[1]}, behaviour)
        if behaviour.refuse is not None and any(behaviour.refuse in one.prompt for one in asked):
            raise Problem(
                "filtered", "The response was filtered due to the prompt triggering a content policy."
            )
        return asked

    def error(self, problem: Problem) -> tuple[int, Body]:
        status, body = super().error(problem)
        match problem.kind:
            case "unauthorized":
                said = "Access denied due to invalid subscription key or wrong API endpoint."
                return status, {"error": {"code": "401", "message": said}}
            case "no_model":
                said = "The API deployment for this resource does not exist."
                return status, {"error": {"code": "DeploymentNotFound", "message": said}}
            case "no_path":
                return status, {"error": {"code": "404", "message": problem.text}}
            case "filtered":
                inner = {
                    "code": "ResponsibleAIPolicyViolation",
                    "content_filter_result": {"violence": {"filtered": True, "severity": "medium"}},
                }
                return status, {"error": {**body["error"], "status": 400, "innererror": inner}}
            case _:
                return status, body


def _sglang_texts(body: Body) -> list[str]:
    text, ids = body.get("text"), body.get("input_ids")
    if text is not None:
        return [text] if isinstance(text, str) else list(text)
    if not ids:
        raise Problem("bad_request", "input_ids cannot be empty")
    return [text_of_ids(ids)] if isinstance(ids[0], int) else [text_of_ids(one) for one in ids]


def _sglang_finish(one: Generation) -> Body:
    if one.finish == "length":
        return {"type": "length", "length": len(one.tokens)}
    return {"type": "stop", "matched": one.stop if one.stop is not None else 2}


def _sglang_logprobs(body: Body, one: Generation) -> dict[str, Any]:
    with_text = bool(body.get("return_text_in_logprobs"))

    def entry(token: str, logprob: float | None) -> list[Any]:
        return [logprob, id_of(token), token if with_text else None]

    def top(place: Position) -> list[Any]:
        return [entry(token, logprob) for token, logprob in place.top(count).items()]

    prompt = tokens_of(one.asked.prompt)
    start = body.get("logprob_start_len", -1)
    start = len(prompt) if start == -1 else start
    if start > len(prompt):
        raise Problem("bad_request", f"logprob_start_len={start} is higher than the number of input tokens")
    read = list(zip(prompt, positions("", prompt), strict=False))[start:]
    count = body.get("top_logprobs_num") or 0
    logprobs: dict[str, Any] = {
        "input_token_logprobs": [
            entry(token, place.logprob(token) if index else None) for index, (token, place) in enumerate(read)
        ],
        "output_token_logprobs": [entry(token, place.logprob(token)) for token, place in one.places()],
    }
    if count:
        logprobs["input_top_logprobs"] = [
            top(place) if index else None for index, (_, place) in enumerate(read)
        ]
        logprobs["output_top_logprobs"] = [top(place) for _, place in one.places()]
    return logprobs


def _tgi_prefill(prompt: str) -> list[Body]:
    tokens = tokens_of(prompt)
    return [
        {"id": id_of(token), "text": token, "logprob": place.logprob(token) if index else None}
        for index, (token, place) in enumerate(zip(tokens, positions("", tokens), strict=False))
    ]
