"""What a call will take, before it is made: learned from the calls before it.

`Experience` is a plain frozen value: the one who makes the calls keeps the newest, and others may read the
one they have from any thread.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError

from backends.errors import BackendError
from backends.money.prices import Usage

# So many answers show how long they get: the next is the longest of all once in 21 times.
_ENOUGH = 20
# English has some 4 bytes a token, Chinese 2 to 3, code 3: hardly any text has more than a token in 2 bytes.
_BYTES_A_TOKEN_AT_LEAST = 2
_BYTES_A_TOKEN = 4
# Prompts differ in language and content, but not much within a run; answers differ more.
_ROOM_FOR_PROMPTS = 1.1
_ROOM_FOR_ANSWERS = 1.25
# More than these no tokenizer makes of a text, the template around it and what an endpoint adds of its own.
_TOKENS_A_BYTE_AT_MOST = 4
_TOKENS_AROUND_A_PROMPT = 2000
# Endpoints count tokens that end an answer in different ways.
_TOKENS_AROUND_AN_ANSWER = 16
# No model thinks longer for one answer.
_TOKENS_OF_THINKING = 1_000_000


@dataclass(frozen=True, slots=True)
class AnswerTotals:
    """What the answers of one kind took. tokens, seconds: of all together. longest: tokens of the longest."""

    count: int = 0
    tokens: int = 0
    longest: int = 0
    seconds: float = 0.0

    def after(self, usage: Usage) -> "AnswerTotals":
        return AnswerTotals(
            self.count + 1,
            self.tokens + usage.tokens_out,
            max(self.longest, usage.tokens_out),
            self.seconds + usage.seconds,
        )


@dataclass(frozen=True, slots=True)
class Experience:
    """What calls of a model took so far.

    prompts, prompt_bytes, prompt_tokens, cached_tokens: how many prompts, and what they had together.
    densest: the most tokens a byte that a prompt had.
    answers: by key, which says how was asked (the generation settings): calls of one key take alike.
    """

    prompts: int = 0
    prompt_bytes: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    densest: float = 0.0
    answers: Mapping[str, AnswerTotals] = field(default_factory=dict)

    def after(self, prompt_bytes: int, key: str, usage: Usage) -> Self:
        """With one more answered call, whose tokens the endpoint counted. prompt_bytes: in UTF-8."""
        answers = self.answers.get(key, AnswerTotals())
        return replace(
            self,
            prompts=self.prompts + 1,
            prompt_bytes=self.prompt_bytes + prompt_bytes,
            prompt_tokens=self.prompt_tokens + usage.tokens_in,
            cached_tokens=self.cached_tokens + usage.tokens_cached,
            densest=max(self.densest, usage.tokens_in / max(prompt_bytes, 1)),
            answers={**self.answers, key: answers.after(usage)},
        )

    def expected(self, prompt_bytes: int, max_tokens: int, key: str) -> Usage:
        """What a call takes in the mean.

        Of a key that was never asked, the answer is taken to be as long as it may be. Without any experience,
        a prompt has a token in 4 bytes, and the seconds are 0.
        """
        answers = self.answers.get(key, AnswerTotals())
        tokens_in = math.ceil(prompt_bytes * self._tokens_a_byte())
        cached = tokens_in * self.cached_tokens // max(self.prompt_tokens, 1)
        tokens_out = math.ceil(answers.tokens / answers.count) if answers.count else max_tokens
        return Usage(tokens_in, tokens_out, cached, self._seconds(tokens_out, answers))

    def reserved(self, prompt_bytes: int, max_tokens: int, key: str) -> Usage:
        """What a call takes at most, as far as one can tell: for budgets.

        After 20 answers, 1.1 times the most tokens a byte that were seen, and 1.25 times the longest answer
        of the key, but no more than may be. Before, a token in 2 bytes, and all that may be. Where a longer
        answer was seen than may be, as thinking came on top, that one is the bound. Nothing is cached.
        """
        answers = self.answers.get(key, AnswerTotals())
        density = 1 / _BYTES_A_TOKEN_AT_LEAST
        if self.prompts >= _ENOUGH:
            density = _ROOM_FOR_PROMPTS * self.densest
        most = max(max_tokens, answers.longest)
        tokens_out = most
        if answers.count >= _ENOUGH:
            tokens_out = min(most, math.ceil(_ROOM_FOR_ANSWERS * answers.longest))
        return Usage(math.ceil(prompt_bytes * density), tokens_out, 0, self._seconds(tokens_out, answers))

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values, which `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Raises BackendError for what `to_json` did not write."""
        try:
            return TypeAdapter(cls).validate_python(value)
        except ValidationError as error:
            where = ".".join(str(part) for part in error.errors()[0]["loc"])
            raise BackendError(f"no experience of calls: {where}: {error.errors()[0]['msg']}") from error

    def _tokens_a_byte(self) -> float:
        return self.prompt_tokens / self.prompt_bytes if self.prompt_bytes else 1 / _BYTES_A_TOKEN

    def _seconds(self, tokens_out: int, answers: AnswerTotals) -> float:
        """By the token where any are written, else by the call; those of all keys where this one is new."""
        if not answers.count:
            answers = _together(self.answers)
        if answers.tokens:
            return answers.seconds / answers.tokens * tokens_out
        return answers.seconds / max(answers.count, 1)


def plausible(usage: Usage, prompt_bytes: int, max_tokens: int | None, *, reasoning: bool = False) -> bool:
    """Whether an endpoint's count of a call's tokens can be right.

    max_tokens: what was allowed, None where nothing was said. reasoning: whether tokens of thinking may come
    on top of that.
    """
    counts = (usage.tokens_in, usage.tokens_out, usage.tokens_cached)
    if not all(type(count) is int and count >= 0 for count in counts):
        return False
    least, most = min(prompt_bytes, 1), _TOKENS_A_BYTE_AT_MOST * prompt_bytes + _TOKENS_AROUND_A_PROMPT
    is_bounded = max_tokens is not None and not reasoning
    most_out = (max_tokens or 0) + _TOKENS_AROUND_AN_ANSWER if is_bounded else _TOKENS_OF_THINKING
    return (
        least <= usage.tokens_in <= most
        and usage.tokens_out <= most_out
        and usage.tokens_cached <= usage.tokens_in
    )


def estimated(prompt_bytes: int, text: str) -> tuple[int, int]:
    """Tokens read and written where nobody counted them: one in 4 bytes of UTF-8, rounded up.

    A rule of thumb for English; other languages have up to twice as many.
    """
    written = len(text.encode("utf-8", "surrogatepass"))
    return math.ceil(prompt_bytes / _BYTES_A_TOKEN), math.ceil(written / _BYTES_A_TOKEN)


def _together(answers: Mapping[str, AnswerTotals]) -> AnswerTotals:
    return AnswerTotals(
        sum(one.count for one in answers.values()),
        sum(one.tokens for one in answers.values()),
        max((one.longest for one in answers.values()), default=0),
        sum(one.seconds for one in answers.values()),
    )
