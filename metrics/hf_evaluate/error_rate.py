"""Word and character error rates: edits that make a text its reference, per word or character of it.

Source of the rules: the metrics `wer` and `cer` of Hugging Face evaluate, which are jiwer's
(4.0; before, `cer` took several spaces for one).
"""

import re
from collections.abc import Callable, Sequence

from metrics.errors import MetricError

_SEVERAL_SPACES = re.compile(r"\s\s+")


def wer(predictions: Sequence[str], references: Sequence[str], concatenate_texts: bool = False) -> float:
    """Insertions, deletions and substitutions of words over the words of all references.

    concatenate_texts: makes no difference to the number; jiwer sums over the texts too.
    """
    return _rate("wer", predictions, references, _words)


def cer(predictions: Sequence[str], references: Sequence[str], concatenate_texts: bool = False) -> float:
    """As `wer`, of characters."""
    return _rate("cer", predictions, references, str.strip)


def edits(before: Sequence[str], after: Sequence[str]) -> int:
    """Levenshtein's distance: how many insertions, deletions and substitutions there must be."""
    row = list(range(len(after) + 1))
    for position, one in enumerate(before, start=1):
        corner, row[0] = row[0], position
        for column, other in enumerate(after, start=1):
            substituted = corner + (one != other)
            corner = row[column]
            row[column] = min(row[column] + 1, row[column - 1] + 1, substituted)
    return row[-1]


def _rate(
    name: str, predictions: Sequence[str], references: Sequence[str], units: Callable[[str], Sequence[str]]
) -> float:
    total = sum(len(units(reference)) for reference in references)
    if total == 0:
        raise MetricError(f"{name}: the references are empty, so that there is no rate.")
    pairs = zip(predictions, references, strict=True)
    return sum(edits(units(reference), units(prediction)) for prediction, reference in pairs) / total


def _words(text: str) -> list[str]:
    """Split at blanks only: a single line break is part of a word."""
    return [word for word in _SEVERAL_SPACES.sub(" ", text).strip().split(" ") if word]
