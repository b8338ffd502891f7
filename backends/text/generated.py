"""The response that a generated text is, however it was generated."""

from functools import partial

from backends.requests import Call, Response
from backends.text.generation_settings import Settings
from backends.text.stop_sequences import cut_at_stops
from backends.text.thinking import parts_after, parts_of


def generated(
    text: str,
    settings: Settings,
    *,
    is_complete: bool,
    thinking: str | None = None,
    refusal: str | None = None,
    tokens_in: int,
    tokens_out: int,
    seconds: float = 0.0,
    call: Call | None = None,
) -> Response:
    """Thinking apart, the answer cut before the first stop sequence.

    text: all that was written, or, where thinking came apart from it, all but the `thinking` (empty where it
    is not shown). is_complete: whether it ended by itself and not at its token limit. refusal: what was said
    of it where the model, or who offers it, declined. The others are the response's.
    """
    cut = partial(cut_at_stops, stops=settings.stops)
    if thinking is None:
        parts = parts_of(text, settings.mark, cut, complete=is_complete)
    else:
        parts = parts_after(thinking, text, cut)
    is_whole = is_complete and not parts.cut_while_thinking
    is_truncated = refusal is None and not (is_whole or parts.stopped)
    return Response(
        status="refused" if refusal is not None else "truncated" if is_truncated else "answer",
        text=parts.answer,
        thinking=parts.thinking,
        cut_while_thinking=is_truncated and parts.cut_while_thinking,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        seconds=seconds,
        error=refusal,
        call=call,
    )
