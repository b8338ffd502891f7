"""BLEU, chrF, chrF++ and TER over a corpus of (reference or references, prediction) pairs, by sacrebleu.

All with sacrebleu's defaults, as lm-eval (0.4.13) calls it. They depend on the documents only through sums of
per-document counts, which sacrebleu computes once for its own significance tests; the bootstrap uses those.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from metrics.bootstrap import Floats, Resampled, of_sums
from metrics.errors import MetricError

Pairs = Sequence[tuple[Any, Any]]


def translation_score(name: str, items: Pairs) -> float:
    """The corpus score (0 to 100, TER may exceed it) of metric `name`: bleu, chrf, chrf++ or ter.

    Where documents have different numbers of references, as many of each are used as every document has.
    """
    references, predictions = _columns(name, items)
    shared = min(len(texts) for texts in references)
    return float(_scorer(name).corpus_score(predictions, _streams(references, shared)).score)


def resampled_translation(name: str, items: Pairs) -> Resampled:
    references, predictions = _columns(name, items)
    numbers = np.array([len(texts) for texts in references])
    by_number = {
        number: _of_counts(name, predictions, _streams(references, number)) for number in np.unique(numbers)
    }

    def statistic(counts: Floats) -> Floats:
        # A resample uses as many references as each of its documents has, see `translation_score`.
        shared = np.where(counts > 0, numbers, numbers.max()).min(axis=1)
        values = np.empty(len(counts))
        for number, score in by_number.items():
            rows = shared == number
            if rows.any():
                values[rows] = score(counts[rows])
        return values

    return statistic


def _of_counts(name: str, predictions: list[str], streams: list[list[str | None]]) -> Resampled:
    scorer = _scorer(name)
    counts = scorer._extract_corpus_statistics(predictions, streams)

    def score(sums: Floats) -> Floats:
        return np.array([scorer._compute_score_from_stats(row).score for row in sums.tolist()])

    return of_sums(counts, score)


def _scorer(name: str) -> Any:
    from sacrebleu.metrics import BLEU, CHRF, TER

    if name == "bleu":
        return BLEU()
    if name == "ter":
        return TER()
    return CHRF(word_order=2 if name == "chrf++" else 0)


def _streams(references: list[list[str]], number: int) -> list[list[str | None]]:
    """The first `number` references as sacrebleu wants them: one stream over all documents per reference.

    A document with fewer has None in the streams it lacks.
    """
    return [[texts[k] if k < len(texts) else None for texts in references] for k in range(number)]


def _columns(name: str, items: Pairs) -> tuple[list[list[str]], list[str]]:
    """References as one list per document, and predictions; MetricError where one is no text."""
    references, predictions = [], []
    for document, item in enumerate(items):
        try:
            reference, prediction = item
        except (TypeError, ValueError):
            raise MetricError(f"{name}: document {document} has no (reference, prediction) pair.") from None
        texts = [reference] if isinstance(reference, str) else list(reference)
        answers = [prediction] if isinstance(prediction, str) else list(prediction)
        if not texts or len(answers) != 1 or not all(isinstance(text, str) for text in (*texts, *answers)):
            raise MetricError(
                f"{name}: document {document} needs reference texts and one predicted text; "
                "a `take_first` filter makes one text of several repeats."
            )
        references.append(texts)
        predictions.append(answers[0])
    return references, predictions
