"""Whether an endpoint is there, and whether its log-probabilities are what they should be, before a run.

Some servers ignore `echo`, and some give log-probabilities that are off by a token: both look like answers.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from backends.calls.failure import CallFailed
from backends.calls.http import Http
from backends.errors import BackendError
from backends.requests import Request, Response

_GREETING_SECONDS = 5.0
_CLOSED = frozenset((401, 403))
_CONTEXT = "The capital of France is the city of"
_NEXT = (" Paris", " London", " seven", " the")
_AFTER_NEXT = " and"
_CONTEXTS = (_CONTEXT, "One, two, three, four,", "The opposite of hot is")
_ONE_TOKEN = {"max_gen_toks": 1}
# Between the likeliest and the unlikeliest of `_NEXT` there is more than this in any model, and between two
# answers about the same tokens less, also where arithmetic differs from batch to batch (bfloat16).
_NOISE = 0.02
_SUM_NOISE = 0.1


Answers = Callable[[Sequence[Request]], Awaitable[list[Response]]]


class Away(BackendError):
    """Nobody is there to answer."""


async def greet(http: Http, path: Callable[[], str]) -> None:
    """Look whether anybody answers, and takes the key. Raises Away, and BackendError for a key that is not
    taken.

    path: where questions go. Not all endpoints list their models, or to everybody: what counts is the answer
    where questions are asked.
    """
    try:
        async with asyncio.timeout(_GREETING_SECONDS):
            await http.get("/models", timeout=2 * _GREETING_SECONDS)
    except TimeoutError as error:
        if not await http.connects(_GREETING_SECONDS):
            said = f"{http.base_url}: no connection within {_GREETING_SECONDS:g} s"
            raise Away(f"{said}; is base_url right, and does it run?") from error
    except CallFailed as error:
        failure = error.failure
        if failure.kind in ("transient", "timed_out") and not failure.status:
            raise Away(f"{failure.message}; is base_url right, and does it run?") from error
        if failure.kind == "unauthorized" and not failure.status:
            raise BackendError(failure.message) from error
        if failure.status in _CLOSED:
            await _check_key(http, path())


async def _check_key(http: Http, path: str) -> None:
    """Raises BackendError where also questions are refused for the key: one that is none costs nothing."""
    try:
        await http.knock(path, timeout=_GREETING_SECONDS)
    except CallFailed as error:
        if error.failure.status in _CLOSED:
            raise BackendError(error.failure.message) from error


async def check_logprobs(name: str, answers: Answers) -> None:
    """Score a few continuations whose log-probabilities must hang together. Raises BackendError where they
    do not, or there are none."""
    try:
        wrong = await _wrong_sums(answers) or await _wrong_rows(answers)
    except CallFailed as error:
        raise BackendError(f"{name} cannot score texts: {error.failure.message}") from error
    if wrong:
        raise BackendError(f"{name} cannot score texts: {wrong}")


async def _wrong_sums(answers: Answers) -> str:
    """What is wrong with log-probabilities; empty where they can be right.

    Different tokens at one place must have different ones; those of two pieces must add up to that of both.
    An answer that is off by a token, before or after, breaks one of the two.
    """
    first, *_ = _NEXT
    pairs = [(_CONTEXT, text) for text in _NEXT]
    pairs += [(_CONTEXT, first + _AFTER_NEXT), (_CONTEXT + first, _AFTER_NEXT)]
    scores = [
        response.logprob or 0.0
        for response in await answers([Request("loglikelihood", *pair) for pair in pairs])
    ]
    *nexts, both, second = scores
    if max(scores) > _NOISE:
        return "it gives probabilities above 1"
    if max(nexts) - min(nexts) < _NOISE:
        return "its log-probabilities belong to the tokens before those that they are given for"
    if abs(nexts[0] + second - both) > _SUM_NOISE:
        return "its log-probabilities belong to the tokens after those that they are given for"
    return ""


async def _wrong_rows(answers: Answers) -> str:
    """The same by what the endpoint writes: the likeliest token must be scored as such.

    Where each token is looked up in what is expected one place further on, hardly one is.
    """
    written = await answers([Request("generate_until", text, generation=_ONE_TOKEN) for text in _CONTEXTS])
    said = [
        (text, one.text) for text, one in zip(_CONTEXTS, written, strict=True) if (one.text or "").strip()
    ]
    scores = await answers([Request("loglikelihood", text, token or "") for text, token in said])
    if scores and not any(score.is_greedy for score in scores):
        return (
            "the tokens it writes are not the likeliest by its log-probabilities: these are of other places, "
            "or the option tokenizer names another model's"
        )
    return ""
