"""Scores of one generated text against its target: exact match, and pairs for metrics over the corpus.

Source of the rules: lm-eval 0.4.13, `ConfigurableTask.process_results`, output type `generate_until`, and
`exact_match_hf_evaluate`, which is the `exact_match` of Hugging Face evaluate.
"""

import functools
import inspect
import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metrics.errors import MetricError
from metrics.filters.patterns import compile_pattern


@dataclass(frozen=True, slots=True)
class GeneratedText:
    """A document with the text that was generated for it, or with what filters made of that.

    gold: the target; where the task declares several (`has_several_targets`), their list or a single one.
    """

    gold: Any
    text: Any
    has_several_targets: bool = False

    @property
    def targets(self) -> list[Any]:
        """All targets; some documents of a task with several have a single text."""
        if self.has_several_targets and isinstance(self.gold, list | tuple):
            return list(self.gold)
        return [self.gold]

    def texts(self, metric: str) -> tuple[list[str], str]:
        """The targets and the generated text; a MetricError if one of them is no text."""
        golds = self.targets
        if not golds or not all(isinstance(text, str) for text in (*golds, self.text)):
            raise MetricError(
                f"{metric} needs target texts and one predicted text, not {golds!r} and {self.text!r}; "
                "a `take_first` filter makes one text of several repeats."
            )
        return golds, self.text


def pair(answer: GeneratedText, **options: Any) -> list[Any]:
    """[target or their list, text], which an aggregation over the corpus reads; options mean nothing to it
    (lm-eval's task files give some all the same)."""
    return [answer.gold, answer.text]


def nothing(answer: GeneratedText, **options: Any) -> None:
    """No score, of a task that is asked but not scored."""


def equal(answer: GeneratedText, **options: Any) -> float:
    """1.0 or 0.0 (a fraction where the text is a list of repeats) by `exact_match`; of several targets one
    that is matched is enough."""
    golds = answer.targets
    share = exact_match(golds, [answer.text] * len(golds), **options)
    return float(share > 0) if answer.has_several_targets else share


def same_text(answer: GeneratedText) -> float:
    """1.0 if the text is one of the targets, whatever the case and the white space, else 0.0."""
    golds, text = answer.texts("exact_match_mc")
    return float(_plain(text) in map(_plain, golds))


def function_scores(
    name: str, function: Callable[..., Any], answer: GeneratedText, options: Mapping[str, Any]
) -> dict[str, Any]:
    """The scores of one document for a metric that is a function of task code, by result name.

    The function is called with `references` and `predictions` (lists of one) and the options if its signature
    takes them, else with the list [gold, prediction], or, where one argument is too few, with these two and
    the options. A mapping it returns gives one score per key; with several targets its value under `name`
    counts, and the score is 1.0 if it is truthy for any target.
    """
    call = _caller(function, options)
    if not answer.has_several_targets:
        score = call(answer.gold, answer.text)
        return dict(score) if isinstance(score, Mapping) else {name: score}
    scores = (call(target, answer.text) for target in answer.targets)
    truths = [score[name] if isinstance(score, Mapping) else score for score in scores]
    return {name: 1.0 if any(truths) else 0.0}


def match_type(gold: Any, prediction: Any) -> Any:
    """`gold` as the type of `prediction` (a number as text, say); a list of repeats changes nothing.

    Raises MetricError where that type cannot be made of it.
    """
    kind = type(prediction)
    if isinstance(prediction, list) or type(gold) is kind:
        return gold
    try:
        return kind(gold)
    except (TypeError, ValueError, OverflowError) as error:
        raise MetricError(f"The target {gold!r} cannot be compared with {prediction!r}: {error}.") from error


def exact_match(references: Sequence[Any], predictions: Sequence[Any], **options: Any) -> float:
    """The share of predictions that equal their reference after what `options` ignore, from 0.0 to 1.0.

    options: as of `ignored`. Values are compared as numpy compares arrays of them, so lists broadcast.
    """
    rules = ignored(**options)
    if not references:
        raise MetricError("exact_match needs a target, but the document has none.")
    if all(isinstance(value, str) for value in (*references, *predictions)):
        return _share_equal(rules.normalise(references), rules.normalise(predictions))
    return _share_equal_arrays(rules.normalise_array(references), rules.normalise_array(predictions))


@dataclass(frozen=True, slots=True)
class Rules:
    """What `exact_match` ignores."""

    patterns: tuple[re.Pattern[str], ...]
    case: bool
    deleted: Mapping[int, None]

    def normalise(self, texts: Sequence[str]) -> list[str]:
        for number, pattern in enumerate(self.patterns):
            if number:  # in numpy's arrays, between two patterns, texts have no NULs at their ends
                texts = [text.rstrip("\0") for text in texts]
            texts = [pattern.sub("", text) for text in texts]
        if self.case:
            # numpy keeps the width of the array: a letter whose lower case is longer is cut off.
            width = max((len(text) for text in texts), default=0)
            texts = [text.rstrip("\0").lower()[:width] for text in texts]
        # numpy does not tell a text from the same text with NULs at its end.
        return [text.rstrip("\0").translate(self.deleted).rstrip("\0") for text in texts]

    def normalise_array(self, values: Sequence[Any]) -> np.ndarray[Any, Any]:
        try:
            array = np.asarray(values)
        except ValueError as error:
            raise MetricError(f"exact_match cannot compare lists of different lengths: {error}.") from error
        if not (self.patterns or self.case or self.deleted):
            return array
        if array.dtype.kind != "U":
            raise MetricError(f"exact_match can only ignore parts of texts, not of {values!r}.")
        return np.array(self.normalise(array.ravel().tolist())).reshape(array.shape)


def ignored(
    *,
    regexes_to_ignore: Any = None,
    ignore_case: Any = False,
    ignore_punctuation: Any = False,
    ignore_numbers: Any = False,
) -> Rules:
    """What `exact_match` ignores: `regexes_to_ignore` (removed first, in order), then case, punctuation
    (ASCII) and numbers (digits), where these are true. Raises MetricError for what is no list of expressions.
    """
    regexes = regexes_to_ignore or ()
    if not isinstance(regexes, list | tuple) or not all(isinstance(regex, str) for regex in regexes):
        raise MetricError(
            f"exact_match: regexes_to_ignore must be a list of texts, not {regexes_to_ignore!r}."
        )
    return _compiled_rules(tuple(regexes), bool(ignore_case), bool(ignore_punctuation), bool(ignore_numbers))


def _share_equal(references: Sequence[str], predictions: Sequence[str]) -> float:
    pairs = zip(references, predictions, strict=True)
    return sum(reference == prediction for reference, prediction in pairs) / len(references)


def _share_equal_arrays(references: np.ndarray[Any, Any], predictions: np.ndarray[Any, Any]) -> float:
    try:
        equal = np.asarray(predictions == references)
    except ValueError as error:
        raise MetricError(f"exact_match cannot compare target and prediction: {error}.") from error
    if not equal.size:
        raise MetricError("exact_match needs a target and a response, but one of them is an empty list.")
    return float(np.mean(equal))


@functools.lru_cache(maxsize=256)
def _compiled_rules(regexes: tuple[str, ...], case: bool, punctuation: bool, numbers: bool) -> Rules:
    patterns = tuple(compile_pattern(regex, "exact_match, regexes_to_ignore") for regex in regexes)
    deleted = (string.punctuation if punctuation else "") + (string.digits if numbers else "")
    return Rules(patterns, case, {ord(letter): None for letter in deleted})


def _caller(function: Callable[..., Any], options: Mapping[str, Any]) -> Callable[[Any, Any], Any]:
    """`function` as one of (gold, prediction), through the interface that its signature takes."""
    if _takes(function, references=[], predictions=[], **options):
        return lambda gold, prediction: function(references=[gold], predictions=[prediction], **options)
    if not _takes(function, []) and _takes(function, "", "", **options):
        return lambda gold, prediction: function(gold, prediction, **options)
    return lambda gold, prediction: function([gold, prediction])


def _takes(function: Callable[..., Any], /, *arguments: Any, **options: Any) -> bool:
    try:
        inspect.signature(function).bind(*arguments, **options)
    except TypeError:
        return False
    return True


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
