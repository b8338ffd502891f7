"""What is asked and what is said, whatever the dialect: `Asked`, `Generation`, and the `Problem`s between."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from tests.support.endpoints.answers import Position, count_tokens, positions, text_for, tokens_of
from tests.support.endpoints.behaviour import Behaviour

Finish = Literal["stop", "length", "stop_sequence", "refused"]
Counted = Literal["exactly", "null", "missing", "negative", "huge"]

# The ways in which counts can be wrong.
WRONGLY: tuple[Counted, ...] = ("null", "missing", "negative", "huge")

STATUS = {
    "bad_request": 400,
    "too_long": 400,
    "filtered": 400,
    "unauthorized": 401,
    "no_model": 404,
    "no_path": 404,
    "rate_limited": 429,
    "over_limit": 429,
    "no_credit": 429,
    "server_error": 500,
    "overloaded": 503,
}


class Problem(Exception):
    """A call that gets an error. kind: one of STATUS, which each dialect says in its own words.
    retry_after: seconds to wait, where it says so."""

    def __init__(self, kind: str, text: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text
        self.retry_after = retry_after


@dataclass(frozen=True)
class Asked:
    """One prompt of a call.

    prompt: all that the model reads. question: its last user message, or the prompt.
    max_tokens: None is without a limit.
    """

    prompt: str
    question: str
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()

    @cached_property
    def prompt_tokens(self) -> int:
        return count_tokens(self.prompt)


@dataclass(frozen=True)
class Generation:
    """What the model said to one prompt.

    text: None where there is no content. stop: the sequence that ended it, for `stop_sequence`.
    counted: how the numbers of tokens are reported. cached: those of the prompt that are said to be cached.
    """

    asked: Asked
    text: str | None
    finish: Finish
    stop: str | None = None
    counted: Counted = "exactly"
    cached: int = 0

    @cached_property
    def tokens(self) -> list[str]:
        return tokens_of(self.text or "")

    def places(self) -> list[tuple[str, Position]]:
        """Each token said, and the place it stands at."""
        return list(zip(self.tokens, positions(self.asked.prompt, self.tokens), strict=False))


def checked(asked: Asked, behaviour: Behaviour) -> Asked:
    """The same. Raises Problem for a prompt that is too long."""
    limit = behaviour.max_prompt_tokens
    if limit is not None and asked.prompt_tokens > limit:
        raise Problem(
            "too_long",
            f"This model's maximum context length is {limit} tokens. However, your prompt has "
            f"{asked.prompt_tokens} tokens. Please reduce its length.",
        )
    return asked


def generated(asked: Asked, behaviour: Behaviour, texts: Mapping[str, str]) -> Generation:
    """What is said to a prompt. texts: what is said to some, in place of the model's own."""
    cached = int(behaviour.cached * asked.prompt_tokens)
    if behaviour.refuse is not None and behaviour.refuse in asked.prompt:
        return Generation(asked, None, "refused", cached=cached)
    text = texts.get(asked.question)
    tokens = tokens_of(text_for(asked.prompt) if text is None else text)
    limit = len(tokens) if asked.max_tokens is None else asked.max_tokens
    said = "".join(tokens[:limit])
    end, stop = min(((said.find(stop), stop) for stop in asked.stop if stop in said), default=(-1, None))
    if stop is not None:
        return Generation(asked, said[:end], "stop_sequence", stop, cached=cached)
    return Generation(asked, said, "length" if limit < len(tokens) else "stop", cached=cached)


def numbers(counted: Counted, exact: Mapping[str, int]) -> dict[str, int | None]:
    """Counts of tokens as they are reported."""
    match counted:
        case "exactly":
            return dict(exact)
        case "null":
            return dict.fromkeys(exact)
        case "missing":
            return {}
        case "negative":
            return {name: -1 - value for name, value in exact.items()}
        case "huge":
            return {name: value + 10**15 for name, value in exact.items()}


def usage(counted: Counted, exact: Mapping[str, int], **more: Any) -> dict[str, Any]:
    """The part of an answer that has the counts under `usage`: nothing of it, null, or the numbers."""
    match counted:
        case "missing":
            return {}
        case "null":
            return {"usage": None}
        case _:
            return {"usage": {**numbers(counted, exact), **more}}
