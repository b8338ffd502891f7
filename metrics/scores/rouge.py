"""ROUGE of one generated text, by Google's package rouge_score (0.1).

Source: Lin (2004), "ROUGE: A Package for Automatic Evaluation of Summaries".
"""

import functools
import importlib.util
from typing import Any

from metrics.errors import MetricError
from metrics.scores.text import GeneratedText


def rouge(name: str, answer: GeneratedText, *, use_stemmer: bool = False) -> float:
    """The F1, from 0.0 to 1.0, of the text with that of the targets it agrees with best.

    name: `rouge1` and `rouge2` (of words and pairs of words), `rougeL` (of the longest common subsequence) or
        `rougeLsum` (the same over the lines of both texts).
    use_stemmer: compare words without their English endings (Porter's stemmer).

    Words are runs of the letters a to z and digits, in lower case: text in another script has none and scores
    0.
    """
    golds, prediction = answer.texts(name)
    scores = (_scorer(name, use_stemmer).score(gold, prediction)[name] for gold in golds)
    return max(float(score.fmeasure) for score in scores)


def check_rouge(name: str, *, use_stemmer: bool = False) -> None:
    """Raise MetricError if `rouge` cannot work with this option, or not at all."""
    if not isinstance(use_stemmer, bool):
        raise MetricError(f"{name}: use_stemmer must be true or false, not {use_stemmer!r}.")
    if importlib.util.find_spec("rouge_score") is None:
        raise MetricError(f"{name} needs the package rouge-score: pip install 'assay-eval[rouge]'.")


@functools.cache
def _scorer(name: str, use_stemmer: bool) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer([name], use_stemmer=use_stemmer)
