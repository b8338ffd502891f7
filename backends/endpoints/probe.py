"""Whether an endpoint is there, and whether its log-probabilities are what they should be, before a run.

Some servers ignore `echo`, and some give log-probabilities that are off by a token: both look like answers.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from backends.endpoints.question import Question
from backends.engine.failure import CallFailed
from backends.engine.http import Http
from backends.errors import BackendError
from backends.hf.tokenization import Unanswerable
from backends.requests import Request

_GREETING_SECONDS = 20.0
_CONTEXT = "The capital of France is the city of"
_NEXT = (" Paris", " London", " seven", " the")
_AFTER_NEXT = " and"
# Between the likeliest and the unlikeliest of `_NEXT` there is more than this in any model, and between two
# answers about the same tokens less, also where arithmetic differs from batch to batch (bfloat16).
_NOISE = 0.02
_SUM_NOISE = 0.1


class Away(BackendError):
    """Nobody is there to answer."""


async def greet(http: Http) -> None:
    """Look whether anybody answers, and takes the key. Raises Away, and BackendError for a key that is not
    taken."""
    try:
        await http.get("/models", timeout=_GREETING_SECONDS)
    except CallFailed as error:
        failure = error.failure
        if failure.kind == "transient" and not failure.status:
            raise Away(f"{failure.message}; is base_url right, and does it run?") from error
        # Any other refusal comes from somebody who is there; not all endpoints list their models.
        if failure.status == 401 or (failure.kind == "unauthorized" and not failure.status):
            raise BackendError(failure.message) from error


async def check_logprobs(
    name: str,
    questions: Callable[[Sequence[Request]], Sequence[Question | Unanswerable]],
    score: Callable[[Question], Awaitable[float]],
) -> None:
    """Score a few continuations whose log-probabilities must hang together. Raises BackendError where they
    do not, or there are none.

    Different tokens at one place must have different ones; those of two pieces must add up to that of both.
    An answer that is off by a token, before or after, breaks one of the two.
    """
    first, *_ = _NEXT
    pairs = [(_CONTEXT, text) for text in _NEXT]
    pairs += [(_CONTEXT, first + _AFTER_NEXT), (_CONTEXT + first, _AFTER_NEXT)]
    asked = questions([Request("loglikelihood", *pair) for pair in pairs])
    try:
        scores = await asyncio.gather(*(score(one) for one in asked if isinstance(one, Question)))
    except CallFailed as error:
        raise BackendError(f"{name} cannot score texts: {error.failure.message}") from error
    *nexts, both, second = scores
    if max(scores) > _NOISE:
        raise BackendError(f"{name} cannot score texts: it gives probabilities above 1")
    is_early = max(nexts) - min(nexts) < _NOISE
    is_late = abs(nexts[0] + second - both) > _SUM_NOISE
    if is_early or is_late:
        raise BackendError(
            f"{name} cannot score texts: its log-probabilities belong to the tokens "
            f"{'before' if is_early else 'after'} those that they are given for"
        )
