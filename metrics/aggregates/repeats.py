"""Reductions: the scores of a document's repeats to one value, after each repeat was scored.

`first`, `mean`, `majority` (the score of the most frequent answer), and with a number for k, as in "pass@5":
`pass@k` (the chance that one of k repeats is right) and `avg@k` (the mean of the first k).
"""

import functools
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from metrics.errors import MetricError, cannot_use, unknown_name

Reduction = Callable[[Sequence[Any], Sequence[Any]], Any]
"""Scores and filtered answers of all repeats of a document, in the order of the repeats, to one score."""

_WITH_K = re.compile(r"(?P<kind>[^@]*)@(?P<k>[1-9][0-9]*)")


def reduction(name: str) -> Reduction:
    """The reduction called `name`.

    It raises MetricError for no repeats, for fewer repeats than its k, and for scores that it cannot reduce:
    all but `first` and `majority` need numbers, `pass@k` needs 0 or 1. An unknown name is a MetricError that
    names the nearest one.
    """
    found = _WITH_K.fullmatch(name)
    if found and f"{found['kind']}@k" in WITH_K:
        k = int(found["k"])
        return functools.partial(_checked, name, k, functools.partial(WITH_K[f"{found['kind']}@k"], k))
    if name in WITH_K:
        raise MetricError(f"Reduction {name!r} needs a number for k, such as {name.replace('k', '5')!r}.")
    if name not in REDUCTIONS:
        raise unknown_name("reduction", name, (*REDUCTIONS, *WITH_K))
    return functools.partial(_checked, name, 1, REDUCTIONS[name])


def first(scores: Sequence[Any], answers: Sequence[Any]) -> Any:
    """The score of the first repeat."""
    return scores[0]


def mean(scores: Sequence[float], answers: Sequence[Any]) -> float:
    """The mean score of all repeats."""
    return float(sum(scores) / len(scores))


def majority(scores: Sequence[Any], answers: Sequence[Any]) -> Any:
    """The score of the most frequent answer, of equally frequent ones the answer met first.

    Source: Wang et al. (2023), "Self-Consistency Improves Chain of Thought Reasoning in Language Models".
    """
    keys = [_key(answer) for answer in answers]
    return scores[keys.index(Counter(keys).most_common(1)[0][0])]


def pass_at(k: int, scores: Sequence[float], answers: Sequence[Any]) -> float:
    """The unbiased estimate of the chance that one of k repeats is right: 1 - C(n - c, k) / C(n, k).

    n repeats, c of them right.
    Source: Chen et al. (2021), "Evaluating Large Language Models Trained on Code", section 2.1.
    """
    for score in scores:
        if score not in (0, 1):
            raise ValueError(f"a repeat is right (1) or wrong (0), not {score!r}")
    n, wrong = len(scores), sum(score == 0 for score in scores)
    return 1.0 - math.comb(wrong, k) / math.comb(n, k)


def mean_of_first(k: int, scores: Sequence[float], answers: Sequence[Any]) -> float:
    """The mean score of the first k repeats."""
    return mean(scores[:k], answers)


REDUCTIONS: Mapping[str, Reduction] = {"first": first, "mean": mean, "majority": majority}
WITH_K: Mapping[str, Callable[[int, Sequence[Any], Sequence[Any]], Any]] = {
    "pass@k": pass_at,
    "avg@k": mean_of_first,
}


def _checked(name: str, needed: int, reduce: Reduction, scores: Sequence[Any], answers: Sequence[Any]) -> Any:
    if len(scores) != len(answers):
        raise MetricError(f"Reduction {name!r} has {len(scores)} scores of {len(answers)} answers.")
    if len(scores) < needed:
        raise MetricError(
            f"Reduction {name!r} needs {needed} repeats of each document, not {len(scores)}; "
            "raise the task's `repeats`."
        )
    with cannot_use(f"Reduction {name!r} cannot use scores like {scores[0]!r}"):
        return reduce(scores, answers)


def _key(answer: Any) -> tuple[str, Hashable]:
    """What two answers have in common exactly if they are the same."""
    try:
        hash(answer)
    except TypeError:
        pass
    else:
        return ("value", answer)
    try:
        return ("json", json.dumps(answer, sort_keys=True))
    except (TypeError, ValueError):
        return ("repr", repr(answer))
