"""SGLang's own `/generate`: texts that go on, and log-probabilities of a prompt from any position on.

Source of the fields: SGLang 0.5.23, `GenerateReqInput`, `SamplingParams` and `LogprobResultProcessor`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

from backends.calls.endpoint_options import EndpointOptions, api_key
from backends.endpoints.backend import EndpointBackend
from backends.endpoints.echo import possible
from backends.endpoints.endings import Ending, ending_of
from backends.endpoints.openers import bearer, refuse_options, remote, required_address
from backends.endpoints.prompt import Generation, Prompt
from backends.endpoints.question import (
    Content,
    GaveUp,
    NotOffered,
    Question,
    Say,
    at,
    text_at,
    unsaid,
)
from backends.endpoints.response_reading import Written, scored, text_response
from backends.endpoints.scored_prompt import Scoring
from backends.endpoints.usage_reading import number, taken
from backends.money.counts import Count, Reported
from backends.money.prices import Usage
from backends.requests import ALL_KINDS, Request, RequestKind, Response
from backends.text.generation_settings import Settings

_PATH = "/generate"
# SGLang refuses more; all stops are looked for here as well.
_MAX_STOPS = 32


def open_sglang(name: str, *, options: EndpointOptions, home: Path) -> EndpointBackend:
    """The model that an SGLang server at `base_url` (without `/v1`) has."""
    dialect = SGLang(name)
    where = f"{dialect.name}:{name}"
    refuse_options(where, options, stream="openai-completions at the same server's /v1 streams")
    address = required_address(options, where, "http://127.0.0.1:30000")
    key = api_key(options, "SGLANG_API_KEY", address, required=False, backend=where)
    return EndpointBackend(remote(dialect, options, address, home, bearer(key), key))


@dataclass(frozen=True, slots=True)
class SGLang:
    """model: what the user calls it; a server has one, and is not told."""

    model: str
    name: str = "sglang"
    kinds: frozenset[RequestKind] = ALL_KINDS
    instead: str = ""
    takes_chats: bool = False

    def question(self, request: Request, prompt: Prompt) -> Question:
        if isinstance(prompt, Generation):
            body = {**_source(prompt.prompt), "sampling_params": _sampling(prompt.settings, prompt.seed)}
            return Question(
                _PATH, body, partial(_read_text, prompt.prompt_bytes, prompt.settings), _taken(prompt)
            )
        return _scoring(prompt)


def _scoring(scoring: Scoring) -> Question:
    """Nothing is read again that is in the server's cache, where it is known which tokens count; a text's
    tokens are all asked for, as their texts say where each begins."""
    prompt = scoring.prompt
    is_text = isinstance(prompt, str)
    start = 0 if is_text else scoring.span(None).start - 1
    body = {
        **_source(prompt),
        "sampling_params": {"max_new_tokens": 0, "temperature": 0},
        "return_logprob": True,
        "logprob_start_len": start,
        "top_logprobs_num": 1,
        "return_text_in_logprobs": is_text,
    }
    return Question(_PATH, body, partial(_read_score, scoring, start), _taken(scoring))


def _taken(prompt: Prompt) -> "partial[Count]":
    return partial(taken, prompt.prompt_bytes, prompt.max_tokens, _usage)


def _source(prompt: str | Sequence[int]) -> dict[str, Any]:
    return {"text": prompt} if isinstance(prompt, str) else {"input_ids": list(prompt)}


def _sampling(settings: Settings, seed: int) -> dict[str, Any]:
    """Stops are not sent where the model thinks first: they would end its thinking."""
    params: dict[str, Any] = {**settings.options, "max_new_tokens": settings.max_tokens}
    if settings.do_sample:
        params["sampling_seed"] = seed
    else:
        params["temperature"] = 0  # left out, it would be 1
    if settings.stops and not settings.mark:
        params["stop"] = list(settings.stops[:_MAX_STOPS])
    return params


def _read_text(prompt_bytes: int, settings: Settings, content: Content, say: Say = unsaid) -> Response:
    text, ending = text_at(content, "text"), _ending(content, say)
    count = Count.of(_usage(content), prompt_bytes, text, settings.max_tokens)
    return text_response(Written(text, ending, count), settings, say)


def _read_score(scoring: Scoring, start: int, content: Content, say: Say = unsaid) -> Response:
    """The entries are those of the tokens from `start` on; the first has no number."""
    _ending(content, say)
    meta = at(content, "meta_info")
    entries = meta.get("input_token_logprobs")
    if not entries:
        raise NotOffered("the answer has no log-probabilities of the prompt")
    tops = at(meta, "input_top_logprobs")
    offsets = _offsets(scoring.prompt, entries) if isinstance(scoring.prompt, str) else None
    span = scoring.span(offsets)
    scoring.check(span, _texts(entries) if offsets else None, start + len(entries))
    places = [position - start for position in span]
    own = [_logprob(entries, place) for place in places]
    best = [_logprob(at(tops, place), 0) for place in places]
    is_greedy = all(value >= top for value, top in zip(own, best, strict=True))
    return scored(sum(own), is_greedy, Count.of(_usage(content), scoring.prompt_bytes, "", 1), "")


def _logprob(entries: Any, place: int) -> float:
    return possible(at(entries, place, 0))


def _texts(entries: Any) -> list[str]:
    return [text_at(entry, 2) for entry in entries]


def _offsets(prompt: str, entries: Any) -> list[int]:
    """Where each token begins in the prompt; what comes before it (BOS) begins before 0."""
    texts = _texts(entries)
    joined = "".join(texts)
    if not joined.endswith(prompt):
        raise NotOffered(
            "the texts of the tokens do not join to the prompt; give the option tokenizer, so that tokens "
            "are sent"
        )
    return list(accumulate((len(text) for text in texts[:-1]), initial=len(prompt) - len(joined)))


def _ending(content: Content, say: Say) -> Ending:
    """Raises GaveUp where the server did, as when it is shut down; it says why."""
    reason = at(content, "meta_info", "finish_reason")
    if isinstance(reason, dict) and reason.get("type") == "abort":
        raise GaveUp(f"the server gave up: {reason.get('message')}")
    return ending_of(reason, say)


def _usage(content: Content) -> Reported | None:
    meta = content.get("meta_info")
    if not isinstance(meta, dict):
        return None
    read, written = number(meta.get("prompt_tokens")), number(meta.get("completion_tokens"))
    if read is None or written is None:
        return None
    return Reported(Usage(read, written, number(meta.get("cached_tokens")) or 0))
