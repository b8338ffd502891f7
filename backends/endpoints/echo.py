"""Log-probabilities of a prompt that an endpoint gives back, by OpenAI's names for them."""

from collections.abc import Sequence
from typing import Any

from backends.answer_faults import logprob_fault
from backends.endpoints.question import Content, Malformed, NotOffered, at, is_number, numbers_at, record_at
from backends.endpoints.scored_prompt import Scoring


def echoed_score(scoring: Scoring, logprobs: Content) -> tuple[float, bool]:
    """The log-probability of what is scored, and whether it is the most probable text. Raises Malformed and
    NotOffered where what is given back cannot be that of what was sent."""
    own = numbers_at(logprobs, "token_logprobs")
    tokens, offsets = _texts(logprobs, len(own)), _offsets(logprobs, len(own))
    span = scoring.span(offsets)
    scoring.check(span, tokens, len(own))
    values = [possible(at(own, place)) for place in span]
    best = [max(_alternatives(logprobs, place)) for place in span]
    return sum(values), all(value >= top for value, top in zip(values, best, strict=True))


def possible(value: Any) -> float:
    """A token's log-probability. Raises Malformed where it can be none, NotOffered where there is none."""
    if value is None:
        raise NotOffered(
            "the first token has no log-probability; give the option tokenizer, so that BOS comes before it"
        )
    if not is_number(value):
        raise Malformed(f"a log-probability is {value!r}, not a number")
    if fault := logprob_fault(value):
        raise Malformed(f"the model or its endpoint is broken: of a token {fault}")
    return float(value)


def _texts(logprobs: Content, count: int) -> Sequence[str] | None:
    """What each token is, where that is said."""
    tokens = logprobs.get("tokens")
    if tokens is None:
        return None
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise Malformed("the answer's tokens are no list of texts")
    return _as_many(tokens, "tokens", count)


def _offsets(logprobs: Content, count: int) -> Sequence[int] | None:
    """Where each token begins, where that is said."""
    offsets = logprobs.get("text_offset")
    if offsets is None:
        return None
    if not isinstance(offsets, list) or not all(type(offset) is int for offset in offsets):
        raise Malformed("the answer's text_offset is no list of numbers")
    return _as_many(offsets, "text_offset", count)


def _as_many(values: list[Any], name: str, count: int) -> list[Any]:
    if len(values) != count:
        raise Malformed(f"the answer has {count} log-probabilities and {len(values)} entries of {name}")
    return values


def _alternatives(logprobs: Content, place: int) -> list[float]:
    """The log-probabilities of the most probable tokens at a place."""
    if not at(logprobs, "top_logprobs", place):
        raise NotOffered("the answer has no top_logprobs of the prompt")
    return [possible(value) for value in _unlikely(record_at(logprobs, "top_logprobs", place).values())]


def _unlikely(values: Any) -> list[Any]:
    """Without tokens that cannot follow, whose probability is 0."""
    found = [value for value in values if value != -float("inf")]
    return found or list(values)
