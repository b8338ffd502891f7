"""Scores of one multiple-choice document from the log-likelihoods of its choices.

Source of the rules: lm-eval 0.4.13, `ConfigurableTask.process_results`, output type `multiple_choice`. Of
`logprob`, `bpb` and `choice_*`: its branch for 0.5, `lm_eval/api/_metrics/ll.py`, where they are of one right
choice; what they are of several is said with each. `ece` is ours.
"""

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from metrics.errors import MetricError

NO_CHOICE = -100
"""The gold index of a document whose label is none of its choices; it is scored as wrong."""

Floats = npt.NDArray[np.float64]
Gold = int | Sequence[int]


def resolve_gold(gold: Any, choices: Sequence[str]) -> int | list[int]:
    """The index of the right choice, or a list of indices where `gold` is a list.

    A text is looked up among the choices. What is beyond the choices is `NO_CHOICE`; a negative index stays.
    Raises MetricError for a label that is neither text nor integer.
    """
    if isinstance(gold, list | tuple):
        return [_index(label, choices) for label in gold]
    return _index(gold, choices)


@dataclass(frozen=True, slots=True)
class AnsweredChoices:
    """A document whose choices were compared.

    lls: natural log-likelihood of each choice after the prompt.
    is_greedy: whether each choice is what greedy decoding would say.
    gold: from `resolve_gold`; a sequence where any of several choices is right.
    has_several_targets: whether the task declares several right choices.
    unconditional: log-likelihood of each choice without the prompt; `acc_mutual_info` needs it.
    """

    lls: tuple[float, ...]
    is_greedy: tuple[bool, ...]
    choices: Sequence[str]
    gold: Gold
    has_several_targets: bool = False
    unconditional: Sequence[float] | None = None

    def __post_init__(self) -> None:
        if not len(self.lls) == len(self.is_greedy) == len(self.choices) or not self.choices:
            raise MetricError(
                f"{len(self.choices)} choices have {len(self.lls)} log-likelihoods and {len(self.is_greedy)} "
                "greedy flags; every choice needs one of each."
            )
        if not isinstance(self.gold, int) and not self.has_several_targets:
            raise MetricError(
                f"{list(self.gold)} are several right choices, but the task declares one right choice."
            )

    @property
    def golds(self) -> Sequence[int]:
        """The right indices."""
        return (self.gold,) if isinstance(self.gold, int) else self.gold

    def is_right(self, scores: npt.ArrayLike) -> float:
        """1.0 if the choice with the highest score (the first of equal ones) is right, else 0.0."""
        return 1.0 if int(np.argmax(np.asarray(scores))) in self.golds else 0.0

    def probabilities(self) -> list[float]:
        """Those of the choices: the softmax of their log-likelihoods."""
        weights = np.exp(np.asarray(self.lls) - np.max(self.lls))
        probabilities: list[float] = (weights / weights.sum()).tolist()
        return probabilities

    def right_choices(self, metric: str) -> list[int]:
        """The right indices that are of choices, from 0, each once; a MetricError if there are none."""
        size = len(self.choices)
        right = sorted({index % size for index in self.golds if -size <= index < size})
        if not right:
            raise MetricError(f"{metric} needs a right choice; the label of this document is none of them.")
        return right

    def per_byte(self, metric: str) -> Floats:
        """The log-likelihood of each choice per UTF-8 byte; a MetricError if one is empty."""
        lengths = self.byte_lengths()
        if 0 in lengths:
            raise MetricError(
                f"{metric} divides by the length of a choice; choice {lengths.index(0)} is empty."
            )
        return self.per_length(lengths)

    def byte_lengths(self) -> list[int]:
        return [len(choice.encode("utf-8", "surrogatepass")) for choice in self.choices]

    def per_length(self, lengths: Sequence[int]) -> Floats:
        # An empty choice has length 0: numpy's -inf or nan decides, as it does in lm-eval.
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.lls, dtype=np.float64) / np.asarray(lengths, dtype=np.float64)


def acc(answered: AnsweredChoices) -> float:
    return answered.is_right(answered.lls)


def acc_norm(answered: AnsweredChoices) -> float:
    return answered.is_right(answered.per_length([len(choice) for choice in answered.choices]))


def acc_bytes(answered: AnsweredChoices) -> float:
    return answered.is_right(answered.per_length(answered.byte_lengths()))


def acc_mutual_info(answered: AnsweredChoices) -> float:
    if answered.unconditional is None or len(answered.unconditional) != len(answered.lls):
        raise MetricError("acc_mutual_info needs the log-likelihood of every choice without the prompt.")
    return answered.is_right(np.subtract(answered.lls, answered.unconditional))


def exact_match(answered: AnsweredChoices) -> int:
    """1 if a right choice is what greedy decoding would say."""
    size = len(answered.is_greedy)
    return int(any(answered.is_greedy[index] for index in answered.golds if -size <= index < size))


def brier_score(answered: AnsweredChoices) -> tuple[Gold, list[float]]:
    """The right index and the probabilities of the choices."""
    return answered.gold, answered.probabilities()


def logprob(answered: AnsweredChoices) -> float:
    """The log-likelihood of the right choice, of several the highest."""
    return max(answered.lls[index] for index in answered.right_choices("logprob"))


def bpb(answered: AnsweredChoices) -> float:
    """Bits per UTF-8 byte of the right choice, of several the fewest."""
    bits = -answered.per_byte("bpb") / math.log(2)
    return float(min(bits[index] for index in answered.right_choices("bpb")))


def choice_logprob(answered: AnsweredChoices) -> float:
    """The log of the probability of the right choice, of several of all of them."""
    return _log_share(np.asarray(answered.lls), answered.right_choices("choice_logprob"))


def choice_logprob_norm(answered: AnsweredChoices) -> float:
    """`choice_logprob` where choices are compared by their log-likelihood per UTF-8 byte."""
    name = "choice_logprob_norm"
    return _log_share(answered.per_byte(name), answered.right_choices(name))


def choice_prob_norm(answered: AnsweredChoices) -> float:
    """The probability whose log is `choice_logprob_norm`."""
    name = "choice_prob_norm"
    return math.exp(_log_share(answered.per_byte(name), answered.right_choices(name)))


def _log_share(scores: Floats, indices: Sequence[int]) -> float:
    """The log of the part that some choices have of the softmax of `scores`."""
    return float(np.logaddexp.reduce(scores[list(indices)]) - np.logaddexp.reduce(scores))


def gold_and_prediction(answered: AnsweredChoices) -> tuple[Gold, int]:
    return answered.gold, int(np.argmax(answered.lls))


def ece(answered: AnsweredChoices) -> tuple[float, float]:
    """The probability of the most likely choice, and whether it is right."""
    return max(answered.probabilities()), answered.is_right(answered.lls)


def likelihood(answered: AnsweredChoices) -> tuple[Gold, tuple[float, ...]]:
    return answered.gold, answered.lls


def _index(label: Any, choices: Sequence[str]) -> int:
    if isinstance(label, str):
        return choices.index(label) if label in choices else NO_CHOICE
    try:
        index = operator.index(label)
    except TypeError:
        raise MetricError(f"{label!r} is no label of a choice: give its index or its text.") from None
    return index if index < len(choices) else NO_CHOICE
