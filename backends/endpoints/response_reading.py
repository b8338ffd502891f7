"""What an endpoint's answers say, in the words of a Response; the same for all dialects."""

from dataclasses import dataclass
from typing import Any

from backends.endpoints.endings import Ending
from backends.endpoints.question import Say
from backends.money.counts import Count
from backends.requests import Call, Response
from backends.text.generated import generated
from backends.text.generation_settings import Settings

# What is said of an answer that was withheld without a word.
_FILTERED = "content_filter"
_CUT_BY_ITSELF = "answers ended while the model was thinking, before a word of the answer itself"
_CUT_BY_STOPS = (
    f"{_CUT_BY_ITSELF}: stop sequences, which were sent, may have ended them; with "
    "--end-of-thinking '</think>' none are sent, and they are looked for in the answer alone"
)


@dataclass(frozen=True, slots=True)
class Written:
    """A generation as an endpoint tells of it.

    text: all that was written, or, where the endpoint puts thinking apart, all but the `thinking`, which is
        empty where it is not shown.
    ending: how it ended.
    refusal: what was said of it where the model, or who offers it, declined.
    model: what the endpoint calls the model that answered.
    """

    text: str
    ending: Ending
    count: Count
    thinking: str | None = None
    refusal: str | None = None
    model: str = ""


def text_response(written: Written, settings: Settings, say: Say) -> Response:
    """The response that a generation is."""
    refusal = written.refusal or (_FILTERED if written.ending == "filtered" else None)
    response = generated(
        written.text,
        settings,
        is_complete=written.ending != "limit",
        thinking=written.thinking,
        refusal=refusal,
        **_counted(written.count, written.model),
    )
    if response.cut_while_thinking and written.ending == "whole":
        say(_CUT_BY_STOPS if settings.stops and not settings.mark else _CUT_BY_ITSELF)
    return response


def declined(prompt_bytes: int, reason: str) -> Response:
    """The response to a prompt that the endpoint refused for what it says. Such prompts are paid for, by an
    endpoint that does not say how many tokens they have."""
    count = Count.of(None, prompt_bytes, "", 0)
    return Response(status="refused", text="", error=reason, **_counted(count, ""))


def scored(logprob: float, is_greedy: bool, count: Count, model: str) -> Response:
    """The response that a log-likelihood is."""
    return Response(logprob=logprob, is_greedy=is_greedy, **_counted(count, model))


def _counted(count: Count, model: str) -> dict[str, Any]:
    usage = count.usage
    call = Call(enqueued=0.0, tokens_cached=usage.tokens_cached, counted=count.is_reported, model=model)
    return {"tokens_in": usage.tokens_in, "tokens_out": usage.tokens_out, "call": call}
