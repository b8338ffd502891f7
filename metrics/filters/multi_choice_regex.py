"""Which choice a free response names: the filter `multi_choice_regex`.

Three readings, the first that finds something wins (rule and order: lm-eval 0.4.13,
`lm_eval/filters/extraction.py`):

1. the user's pattern, as it stands in the response;
2. the text of one of the document's `choices`, both sides normalised, longest choice first;
3. a letter after a colon, as in "Answer: B".

Readings 2 and 3 give the letter as "(A)", "(B)", ...; the first gives what the pattern matched.
"""

import functools
import re
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metrics.errors import MetricError
from metrics.filters.patterns import compile_pattern, compile_patterns, nth_match, responses_of

NAME = "Filter 'multi_choice_regex'"


@dataclass(frozen=True, slots=True)
class Normaliser:
    """What is ignored when a response is compared with the text of a choice."""

    case: bool
    punctuation: bool
    patterns: tuple[re.Pattern[str], ...]

    @classmethod
    def of(cls, case: bool, punctuation: bool, regexes: Sequence[str] | None) -> "Normaliser":
        return cls(case, punctuation, compile_patterns(regexes, f"{NAME}, regexes_to_ignore"))

    def __call__(self, text: str) -> str:
        for pattern in self.patterns:
            text = pattern.sub("", text)
        if self.case:
            text = text.lower()
        return text.translate(_punctuation()) if self.punctuation else text


@dataclass(frozen=True, slots=True)
class ChoiceReader:
    """The filter: callable over (responses, docs); every document needs a list of texts under `choices`."""

    pattern: re.Pattern[str]
    group_select: int
    fallback: Any
    normalise: Normaliser

    def __call__(self, responses: Sequence[Any], docs: Sequence[Mapping[str, Any]]) -> list[Any]:
        if len(responses) != len(docs):
            raise MetricError(f"{NAME}: {len(responses)} documents have responses, {len(docs)} are given.")
        return [
            self._read_document(responses_of(values, position, NAME), _choices(doc, position))
            for position, (values, doc) in enumerate(zip(responses, docs, strict=True))
        ]

    def _read_document(self, values: Sequence[Any], choices: Sequence[str]) -> list[Any]:
        letters = [chr(ord("A") + index) for index in range(len(choices))]
        # Equal choices share the last one's letter.
        by_text = {
            self.normalise(choice.strip()): f"({letter})"
            for choice, letter in zip(choices, letters, strict=True)
        }
        by_letter = {letter: f"({letter})" for letter in letters}
        texts = sorted((re.escape(text) for text in by_text), key=len, reverse=True)
        text_pattern = compile_pattern("|".join(texts), NAME)
        letter_pattern = compile_pattern(rf":[\s]*({'|'.join(letters)})", NAME)

        def read(response: Any) -> Any:
            text = response if isinstance(response, str) else ""
            return (
                self._find(self.pattern, text, {})
                or self._find(text_pattern, self.normalise(text), by_text)
                or self._find(letter_pattern, text, by_letter)
                or self.fallback
            )

        return [read(response) for response in values]

    def _find(self, pattern: re.Pattern[str], text: str, letters: Mapping[str, str]) -> str | None:
        found = pattern.findall(text)
        match = nth_match(found, self.group_select, NAME) if found else None
        return letters.get(match, match) if match else None


def _choices(doc: Mapping[str, Any], position: int) -> Sequence[str]:
    given = doc.get("choices")
    choices: list[Any] = list(given) if isinstance(given, Iterable) else [given]
    if not all(isinstance(choice, str) for choice in choices):
        raise MetricError(f"{NAME}: document {position} needs a field `choices` with a list of texts.")
    if len(choices) > 26:
        raise MetricError(f"{NAME}: document {position} has {len(choices)} choices, letters reach for 26.")
    return choices


@functools.cache
def _punctuation() -> dict[int, None]:
    """Every code point of a Unicode category P*, for `str.translate`."""
    return {
        code: None for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)).startswith("P")
    }
