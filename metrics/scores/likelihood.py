"""Scores of one document from the log-likelihood of its target.

Source: lm-eval 0.4.13, `process_results`; for `logprob` and `bpb` its branch for 0.5.
"""

import math
import re
from collections.abc import Collection
from typing import Any

from metrics.errors import MetricError

_SPACES = re.compile(r"\s+")


def loglikelihood_scores(
    logprob: float, is_greedy: bool, metrics: Collection[str], *, target: str | None = None
) -> dict[str, Any]:
    """Those of these scores that are in `metrics`.

    `perplexity` and `logprob`: the natural log-probability. `acc`: 1 if greedy. `bpb`: bits per UTF-8 byte of
    `target`, the text that `logprob` is of; a MetricError without one.
    """
    scores = {"perplexity": logprob, "acc": int(is_greedy), "logprob": logprob}
    if "bpb" in metrics:
        scores["bpb"] = _bits_per_byte(logprob, target)
    return {name: score for name, score in scores.items() if name in metrics}


def _bits_per_byte(logprob: float, target: str | None) -> float:
    if not target:
        raise MetricError("bpb divides by the length of the target, which is empty.")
    return -logprob / math.log(2) / len(target.encode("utf-8", "surrogatepass"))


def rolling_scores(logprob: float, text: str, metrics: Collection[str]) -> dict[str, Any]:
    """Pairs (log-probability of `text`, its length in words or UTF-8 bytes) for the metrics in `metrics`.

    Words are what white space separates; space at an end of the text counts as one more, as in lm-eval.
    """
    words = len(_SPACES.split(text))
    size = len(text.encode("utf-8", "surrogatepass"))
    scores = {
        "word_perplexity": (logprob, words),
        "byte_perplexity": (logprob, size),
        "bits_per_byte": (logprob, size),
    }
    return {name: score for name, score in scores.items() if name in metrics}
