"""Scores of one document from the log-likelihood of its target, or of all of its text.

Source: lm-eval 0.4.13, `process_results`; for `logprob` and `bpb` its branch for 0.5.
"""

import math
import re
from dataclasses import dataclass

from metrics.errors import MetricError

_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class AnsweredTarget:
    """The natural log-probability of a document's target after the prompt.

    is_greedy: whether it is what greedy decoding would say. target: the text itself.
    """

    logprob: float
    is_greedy: bool
    target: str | None = None


@dataclass(frozen=True, slots=True)
class RollingText:
    """The natural log-probability of a whole text."""

    logprob: float
    text: str


def logprob(answered: AnsweredTarget) -> float:
    return answered.logprob


def acc(answered: AnsweredTarget) -> int:
    """1 if the target is what greedy decoding would say."""
    return int(answered.is_greedy)


def bpb(answered: AnsweredTarget) -> float:
    """Bits per UTF-8 byte of the target."""
    if not answered.target:
        raise MetricError("bpb divides by the length of the target, which is empty.")
    return -answered.logprob / math.log(2) / _size(answered.target)


def per_word(read: RollingText) -> tuple[float, int]:
    """The log-probability of the text and its words, which are what white space separates; space at an end
    of the text counts as one more, as in lm-eval."""
    return read.logprob, len(_SPACES.split(read.text))


def per_byte(read: RollingText) -> tuple[float, int]:
    """The log-probability of the text and its UTF-8 bytes."""
    return read.logprob, _size(read.text)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
