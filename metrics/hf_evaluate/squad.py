"""Scores of answers to questions on a text: SQuAD 1.1 and 2.0.

Source of the rules: the official evaluation scripts of the data sets (Rajpurkar et al., 2016 and 2018), as
the metrics `squad` and `squad_v2` of Hugging Face evaluate apply them.
"""

import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from metrics.errors import MetricError

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
# Above this probability that there is no answer, none is what was answered.
NO_ANSWER_THRESHOLD = 1.0

Item = Mapping[str, Any]


def normalize_answer(text: str) -> str:
    """In lower case, without ASCII punctuation, articles and repeated white space."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def get_tokens(text: str) -> list[str]:
    """The words of the normalised text."""
    return normalize_answer(text).split() if text else []


def compute_exact(gold: str, answer: str) -> int:
    """1 where both are the same after `normalize_answer`."""
    return int(normalize_answer(gold) == normalize_answer(answer))


def compute_f1(gold: str, answer: str) -> float:
    """F1 of the words two answers share; where one has no words, 1 if neither has any."""
    wanted, given = get_tokens(gold), get_tokens(answer)
    if not wanted or not given:
        return int(wanted == given)
    shared = (Counter(wanted) & Counter(given)).total()
    if shared == 0:
        return 0
    precision, recall = shared / len(given), shared / len(wanted)
    return (2 * precision * recall) / (precision + recall)


def squad(predictions: Sequence[Item], references: Sequence[Item]) -> dict[str, float]:
    """`exact_match` and `f1` in per cent, each against the best of a question's answers.

    predictions: `id` and `prediction_text`. references: `id` and `answers` with `text`.
    """
    given = {one["id"]: one["prediction_text"] for one in predictions}
    exact = f1 = 0.0
    for question in references:
        golds = _texts(question)
        if not golds:
            raise MetricError(f"squad: question {question['id']!r} has no answers; squad_v2 knows such ones.")
        if question["id"] in given:
            exact += max(compute_exact(gold, given[question["id"]]) for gold in golds)
            # SQuAD 1.1 has no question without an answer, and no point for two without words.
            f1 += max(_f1_of_words(gold, given[question["id"]]) for gold in golds)
    return {"exact_match": 100.0 * exact / len(references), "f1": 100.0 * f1 / len(references)}


def squad_v2(predictions: Sequence[Item], references: Sequence[Item]) -> dict[str, float]:
    """Per cent of `exact` and `f1`, of all questions and of those with and without answers; and the best of
    both over all thresholds on the probability that there is no answer.

    predictions: `id`, `prediction_text` and `no_answer_probability`. references: as of `squad`, but there may
    be no `text`.
    """
    given = {one["id"]: one["prediction_text"] for one in predictions}
    # evaluate keeps probabilities in single precision, in which some are equal that were not.
    chances = {one["id"]: float(np.float32(one["no_answer_probability"])) for one in predictions}
    golds = {
        one["id"]: [text for text in _texts(one) if normalize_answer(text)] or [""] for one in references
    }
    answerable = {one["id"]: bool(_texts(one)) for one in references}
    found, best = {}, {}
    for name, score in (("exact", compute_exact), ("f1", compute_f1)):
        scores = {key: max(score(gold, given[key]) for gold in golds[key]) for key in golds if key in given}
        kept = {
            key: one if chances[key] <= NO_ANSWER_THRESHOLD else float(not answerable[key])
            for key, one in scores.items()
        }
        for prefix, keys in _parts(kept, answerable).items():
            found[f"{prefix}{name}"] = 100.0 * sum(kept[key] for key in keys) / len(keys)
            found[f"{prefix}total"] = len(keys)
        best[f"best_{name}"], best[f"best_{name}_thresh"] = _best_threshold(
            given, scores, chances, answerable
        )
    return found | best


def _parts(scores: Mapping[str, float], answerable: Mapping[str, bool]) -> dict[str, list[str]]:
    """The questions behind each number, by its prefix; a kind of which there is none has no number."""
    parts = {
        "": list(scores),
        "HasAns_": [key for key, has_answer in answerable.items() if has_answer],
        "NoAns_": [key for key, has_answer in answerable.items() if not has_answer],
    }
    return {prefix: keys for prefix, keys in parts.items() if keys}


def _texts(question: Item) -> list[str]:
    """The accepted answers, written as a mapping of lists or as a list of mappings."""
    answers = question["answers"]
    return list(answers["text"]) if isinstance(answers, Mapping) else [one["text"] for one in answers]


def _f1_of_words(gold: str, answer: str) -> float:
    return compute_f1(gold, answer) if normalize_answer(gold) else 0


def _best_threshold(
    given: Mapping[str, str],
    scores: Mapping[str, float],
    chances: Mapping[str, float],
    answerable: Mapping[str, bool],
) -> tuple[float, float]:
    """The best score in per cent, and the probability above which "no answer" was taken for it."""
    current = best = float(sum(not has_answer for has_answer in answerable.values()))
    threshold = 0.0
    for key in sorted(chances, key=lambda key: chances[key]):
        if key in scores:
            current += scores[key] if answerable[key] else -1 if given[key] else 0
            if current > best:
                best, threshold = current, chances[key]
    return 100.0 * best / len(scores), threshold
