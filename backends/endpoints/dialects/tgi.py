"""Text Generation Inference's own `/generate`: texts that go on.

Source of the fields: text-generation 0.7.0, `types.Parameters` and `types.Details`.
"""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from backends.calls.endpoint_options import EndpointOptions, api_key
from backends.endpoints.backend import EndpointBackend
from backends.endpoints.endings import ending_of
from backends.endpoints.openai_body import MAX_STOPS
from backends.endpoints.openers import bearer, refuse_options, remote, required_address
from backends.endpoints.prompt import Generation, Prompt
from backends.endpoints.question import Content, Question, Say, text_at, unsaid
from backends.endpoints.response_reading import Written, text_response
from backends.endpoints.usage_reading import number, taken
from backends.money.counts import Count, Reported
from backends.money.prices import Usage
from backends.requests import Request, RequestKind, Response
from backends.text.generation_settings import Settings


def open_tgi(name: str, *, options: EndpointOptions, home: Path) -> EndpointBackend:
    """The model that a TGI server at `base_url` (without `/v1`) has."""
    dialect = Tgi(name)
    where = f"{dialect.name}:{name}"
    chat = "openai-chat at the same server's /v1"
    texts = f"it takes texts only; for chats, {chat}"
    refuse_options(where, options, stream=f"{chat} streams", tokenizer=texts)
    address = required_address(options, where, "http://127.0.0.1:8080")
    key = api_key(options, "HF_TOKEN", address, required=False, backend=where)
    return EndpointBackend(remote(dialect, options, address, home, bearer(key), key))


@dataclass(frozen=True, slots=True)
class Tgi:
    """model: what the user calls it; a server has one, and is not told.

    Log-probabilities are not offered: TGI gives those of a prompt's tokens, but no others at their places, so
    that nobody could say whether a continuation is the most probable one.
    """

    model: str
    name: str = "tgi"
    kinds: frozenset[RequestKind] = frozenset(("generate_until",))
    instead: str = (
        "TGI does not tell whether a continuation is the most probable one; ask in another format "
        "(TASK@generate), or serve the model with vLLM or SGLang"
    )
    takes_chats: bool = False

    def question(self, request: Request, prompt: Prompt) -> Question:
        assert isinstance(prompt, Generation), self.instead
        body = {"inputs": prompt.prompt, "parameters": _parameters(prompt.settings, prompt.seed)}
        took = partial(taken, prompt.prompt_bytes, prompt.max_tokens, lambda _: None)
        return Question("/generate", body, partial(_read, prompt.prompt_bytes, prompt.settings), took)


def _parameters(settings: Settings, seed: int) -> dict[str, Any]:
    """A temperature of 0 is refused, so it is not sent where nothing is drawn. Stops are not sent where the
    model thinks first: they would end its thinking."""
    parameters: dict[str, Any] = {
        **settings.options,
        "max_new_tokens": settings.max_tokens,
        "do_sample": settings.do_sample,
        "details": True,
    }
    if settings.do_sample:
        parameters["seed"] = seed
    if settings.stops and not settings.mark:
        parameters["stop"] = list(settings.stops[:MAX_STOPS])
    return parameters


def _read(prompt_bytes: int, settings: Settings, content: Content, say: Say = unsaid) -> Response:
    """The stop sequence that ended a text is still at its end, and cut with what follows any."""
    text = text_at(content, "generated_text")
    told = content.get("details")
    details = told if isinstance(told, dict) else {}
    ending = ending_of(details.get("finish_reason"), say)
    return text_response(Written(text, ending, _count(details, prompt_bytes, text, settings)), settings, say)


def _count(details: Content, prompt_bytes: int, text: str, settings: Settings) -> Count:
    """Only what was written is counted by the server, so that the whole is an estimate."""
    estimate = Count.of(None, prompt_bytes, text, settings.max_tokens)
    written = number(details.get("generated_tokens"))
    if written is None:
        return estimate
    reported = Reported(Usage(estimate.usage.tokens_in, written))
    return replace(Count.of(reported, prompt_bytes, text, settings.max_tokens), is_reported=False)
