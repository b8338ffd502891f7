"""Texts on which it is tried whether a model gives its own numbers where texts share work.

The same for every model of a vocabulary: drawn tokens, in the forms in which texts are asked together. They
cross the limits that the model's configuration names, as far as what is asked is that long.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backends.model_files.tokenization import Query, Tokenization, Tokens

# Texts of a trial are this long at least, where the model reads so much.
SHORTEST = 48
# Longer ones are tried only where they are asked.
_LONGEST = 6144
# What keys of a configuration have in their names where their value may be a length at which a model changes
# how it reads: a window, a chunk, a table of positions.
_NAMES_OF_LIMITS = ("window", "chunk", "block", "local", "original", "position", "length", "context")
_SMALLEST_LIMIT = 8


@dataclass(frozen=True, slots=True)
class TrialTexts:
    """vocabulary: the tokens to draw from. prefix: what a text begins with. most: tokens that the model reads
    at once. limits: lengths below that at which it may change how it reads."""

    vocabulary: Sequence[int]
    prefix: Tokens
    most: int
    limits: Sequence[int]

    @classmethod
    def of(cls, model: Any, tokenization: Tokenization) -> "TrialTexts":
        tokenizer = tokenization.tokenizer
        embedded = getattr(model.get_input_embeddings(), "num_embeddings", len(tokenizer))
        special = set(tokenizer.all_special_ids)
        usual = [token for token in range(min(len(tokenizer), embedded)) if token not in special]
        prefix = () if tokenization.prefix_token is None else (tokenization.prefix_token,)
        limits = sorted(set(_limits(model.config.to_dict(), tokenization.max_length)))
        return cls(usual, prefix, tokenization.max_length, limits)

    def tried_length(self, asked: int) -> int:
        """How long texts are tried where they are asked of so many tokens."""
        return min(max(asked, min(SHORTEST, self.most // 2)), self.most)

    @property
    def beyond_limits(self) -> int:
        """A length at which all the limits are crossed that are below what a trial may take."""
        crossed = [limit + limit // 2 for limit in self.limits if limit + limit // 2 <= _LONGEST]
        return self.tried_length(max(crossed, default=SHORTEST))

    def lengths(self, longest: int) -> list[int]:
        """How long the longest text of each trial is, so that together they cross each limit up to there."""
        crossed = [limit for limit in self.limits if limit < longest]
        around = [min(length, self.most) for limit in crossed for length in (limit, limit + limit // 2)]
        return sorted({min(SHORTEST, longest), longest, *around})

    def queries(self, length: int) -> list[Query]:
        """Queries of up to so many tokens that all begin alike: a long one, a short one, and two of one
        context, nearly as long and shorter, whose continuations make a row that is longer than any text."""
        draw = self._drawing(length)
        header = (*self.prefix, *draw(length // 8))
        wide = (*header, *draw(length // 4 - len(header)))
        long = (*header, *draw(length * 3 // 4 - len(header)))
        short = (*header, *draw(2))
        return [
            Query(long, draw(length - len(long) + 1)),
            Query(wide, draw(length * 5 // 8)),
            Query(wide, draw(length * 3 // 8)),
            Query(short, draw(2)),
        ]

    def prompts(self, length: int) -> list[Tokens]:
        """Prompts to go on from: one of so many tokens, one nearly as long, and a short one."""
        draw = self._drawing(length)
        lengths = (length - len(self.prefix), length * 7 // 8, length // 8)
        return [(*self.prefix, *draw(own)) for own in lengths]

    def some(self, count: int) -> Tokens:
        """Some tokens, the same whenever asked."""
        return self._drawing(count)(count)

    def _drawing(self, seed: int) -> "_Drawing":
        return _Drawing(self.vocabulary, random.Random(seed))


@dataclass(frozen=True, slots=True)
class _Drawing:
    vocabulary: Sequence[int]
    chance: random.Random

    def __call__(self, count: int) -> Tokens:
        """So many tokens, one at least."""
        return tuple(self.chance.choices(self.vocabulary, k=max(count, 1)))


def _limits(config: Mapping[str, Any], most: int) -> Iterator[int]:
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _limits(value, most)
        elif type(value) is int and _SMALLEST_LIMIT <= value < most and _is_limit(name):
            yield value


def _is_limit(name: str) -> bool:
    return any(part in name for part in _NAMES_OF_LIMITS)
