"""What an endpoint's answers say, in the words of a Response; the same for all dialects."""

from dataclasses import dataclass
from typing import Any

from backends.endpoints.question import Content
from backends.money.estimates import estimated, plausible
from backends.money.prices import Usage
from backends.requests import Call, Response
from backends.text.generated import generated
from backends.text.generation_settings import Settings


@dataclass(frozen=True, slots=True)
class Count:
    """The tokens of a call. is_reported: whether the endpoint counted them, or they are estimated."""

    usage: Usage
    is_reported: bool = True

    @classmethod
    def of(cls, reported: Usage | None, prompt_bytes: int, text: str, max_tokens: int) -> "Count":
        """What the endpoint reports where that can be right, else an estimate by the texts' lengths."""
        if reported is not None and plausible(reported, prompt_bytes, max_tokens):
            return cls(reported)
        tokens_in, tokens_out = estimated(prompt_bytes, text)
        return cls(Usage(tokens_in, tokens_out), is_reported=False)


@dataclass(frozen=True, slots=True)
class Written:
    """A generation as an endpoint tells of it.

    text: all that was written, or, where the endpoint puts thinking apart, all but the `thinking`.
    is_complete: whether it ended by itself and not at its token limit.
    refusal: what was said of it where the model, or who offers it, declined.
    model: what the endpoint calls the model that answered.
    """

    text: str
    is_complete: bool
    count: Count
    thinking: str | None = None
    refusal: str | None = None
    model: str = ""


def text_response(written: Written, settings: Settings) -> Response:
    """The response that a generation is."""
    return generated(
        written.text,
        settings,
        is_complete=written.is_complete,
        thinking=written.thinking,
        refusal=written.refusal,
        **_counted(written.count, written.model),
    )


def declined(prompt_bytes: int, reason: str) -> Response:
    """The response to a prompt that the endpoint refused for what it says. Such prompts are paid for, by an
    endpoint that does not say how many tokens they have."""
    count = Count.of(None, prompt_bytes, "", 0)
    return Response(status="refused", text="", error=reason, **_counted(count, ""))


def scored(logprob: float, is_greedy: bool, count: Count, model: str) -> Response:
    """The response that a log-likelihood is."""
    return Response(logprob=logprob, is_greedy=is_greedy, **_counted(count, model))


def usage_of(content: Content) -> Usage | None:
    """What OpenAI's `usage` object says; None where there is none, or it is not made of numbers."""
    reported = content.get("usage")
    if not isinstance(reported, dict):
        return None
    details = reported.get("prompt_tokens_details") or {}
    tokens = [reported.get("prompt_tokens"), reported.get("completion_tokens", 0)]
    cached = details.get("cached_tokens") or 0 if isinstance(details, dict) else 0
    if not all(type(value) is int for value in (*tokens, cached)):
        return None
    return Usage(tokens_in=tokens[0], tokens_out=tokens[1], tokens_cached=cached)


def _counted(count: Count, model: str) -> dict[str, Any]:
    usage = count.usage
    call = Call(enqueued=0.0, tokens_cached=usage.tokens_cached, counted=count.is_reported, model=model)
    return {"tokens_in": usage.tokens_in, "tokens_out": usage.tokens_out, "call": call}
