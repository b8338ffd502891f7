"""Requests as vLLM is asked them, and its outputs as responses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backends.answer_faults import checked
from backends.errors import BackendError
from backends.model_files.decoding import Texts
from backends.model_files.tokenization import Query
from backends.requests import Call, Request, Response
from backends.text.generated import generated
from backends.text.generation_settings import Settings
from backends.vllm.engine import EngineRequest

_SEED_DIGITS = 8  # hexadecimal: 32 bits


def scoring_job(query: Query) -> EngineRequest:
    """All tokens are read at once, and those of the continuation are scored; the one written is not used."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    sampling = SamplingParams(
        temperature=0,
        max_tokens=1,
        prompt_logprobs=1,
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )
    return EngineRequest((*query.context, *query.continuation), sampling)


def score_of(query: Query, output: Any, asked: str) -> Response:
    """The continuation's log-probability. vLLM gives each token's own, and the likeliest one's beside it."""
    entries = output.prompt_logprobs[len(query.context) :]
    own = [entry[token].logprob for token, entry in zip(query.continuation, entries, strict=True)]
    best = [max(choice.logprob for choice in entry.values()) for entry in entries]
    call = _call(output, asked, is_text=False)
    response = Response(
        logprob=sum(own),
        is_greedy=all(value >= top for value, top in zip(own, best, strict=True)),
        tokens_in=query.length,
        seconds=_seconds(call),
        call=call,
    )
    found = checked(response)
    return found if found.is_scorable else replace(found, error=f"{asked}: {found.error}")


def generation_job(
    request: Request, settings: Settings, tokens: Sequence[int], defaults: Mapping[str, Any]
) -> EngineRequest:
    """A text that goes on; of a thinking model the stops are not sent, as they would end its thinking.

    defaults: the model's own way of drawing, for what the request does not say. Raises BackendError for a
    parameter that vLLM does not take.
    """
    from vllm import SamplingParams
    from vllm.exceptions import VLLMError
    from vllm.sampling_params import RequestOutputKind

    drawing = {"seed": int(request.digest()[:_SEED_DIGITS], 16)} if settings.do_sample else {"temperature": 0}
    given = {
        **defaults,
        **settings.options,
        **drawing,
        "max_tokens": settings.max_tokens,
        "stop": [] if settings.mark else list(settings.stops),
        "output_kind": RequestOutputKind.FINAL_ONLY,
    }
    try:
        return EngineRequest(tokens, SamplingParams(**given))
    except (TypeError, ValueError, VLLMError) as error:
        raise BackendError(f"vLLM refuses these generation parameters: {error}") from error


@dataclass(frozen=True, slots=True)
class AskedText:
    """A generation that was asked for. prompt_length: in tokens. name: the model as `backend:name`."""

    settings: Settings
    prompt_length: int
    name: str


def text_of(asked: AskedText, output: Any, tokenizer: Any) -> Response:
    """What was written, read as the `hf` backend reads it: special tokens are left out but for the mark's."""
    settings, written = asked.settings, output.outputs[0]
    text = Texts(tokenizer, settings.mark).of(list(written.token_ids), with_special=False)
    call = _call(output, asked.name, is_text=True)
    return generated(
        text,
        settings,
        is_complete=written.finish_reason != "length",
        tokens_in=asked.prompt_length,
        tokens_out=len(written.token_ids),
        seconds=_seconds(call),
        call=call,
    )


def _call(output: Any, asked: str, *, is_text: bool) -> Call | None:
    """What vLLM knows of how it went, from when it had the request; None where its statistics are off.

    A score's one token is none of an answer's, so it has no time of the first.
    """
    times = output.metrics
    if times is None:
        return None
    return Call(
        enqueued=times.arrival_time,
        started=times.scheduled_ts - times.queued_ts,
        first_token=times.first_token_ts - times.queued_ts if is_text else None,
        finished=times.last_token_ts - times.queued_ts,
        tokens_cached=output.num_cached_tokens or 0,
        asked=asked,
    )


def _seconds(call: Call | None) -> float:
    return 0.0 if call is None else call.finished - call.started
