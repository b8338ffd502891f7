"""Scores of one generated text against its target: exact match, and pairs for metrics over the corpus.

Source of the rules: lm-eval 0.4.13, `ConfigurableTask.process_results`, output type `generate_until`, and
`exact_match_hf_evaluate`, which is the `exact_match` of Hugging Face evaluate. The metrics that lm-eval lacks
are in `metrics.scores.generated`.
"""

import functools
import inspect
import itertools
import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metrics.errors import MetricError, unknown_name
from metrics.filters.patterns import compile_pattern
from metrics.scores.generated import GENERATED_METRICS, check_generated, generated_score
from metrics.scores.registry import LIKELIHOOD_METRICS, metric_definition

EXACT_MATCH_OPTIONS = ("regexes_to_ignore", "ignore_case", "ignore_punctuation", "ignore_numbers")

# Metrics that are numbers made from log-likelihoods; of a text there is none.
NUMBERS_OF_LIKELIHOODS = frozenset(itertools.chain(*LIKELIHOOD_METRICS.values())) - {
    "exact_match",
    "f1",
    "mcc",
}


def text_scores(
    metric_name: str,
    gold: Any,
    prediction: Any,
    options: Mapping[str, Any],
    *,
    multiple_targets: bool = False,
) -> Any:
    """The score of one document for a registered metric.

    `exact_match`: 1.0 or 0.0 (a fraction where `prediction` is a list of repeats); with several targets 1.0
    if any of them is matched. `bypass`: None. `GENERATED_METRICS`: a number, with several targets the best.
    All others: the pair [gold, prediction], which the aggregation reads; `options` mean nothing to them
    (lm-eval's task files give some all the same). With several targets `gold` in that pair is their list.

    Raises MetricError for an unknown metric, for a wrong option of `exact_match` and of `GENERATED_METRICS`,
    and where those have no text to score or lack their package.
    """
    metric_definition(metric_name)
    if metric_name == "bypass":
        return None
    if metric_name in GENERATED_METRICS:
        return generated_score(
            metric_name, targets(gold) if multiple_targets else [gold], prediction, options
        )
    if metric_name != "exact_match":
        return [gold, prediction]
    if not multiple_targets:
        return exact_match([gold], [prediction], options)
    golds = targets(gold)
    return 1.0 if exact_match(golds, [prediction] * len(golds), options) > 0 else 0.0


def check_text_metric(metric_name: str, options: Mapping[str, Any], aggregation: object) -> None:
    """Raise MetricError for a registered metric that could not score texts with these options, or whose
    values this aggregation (a name, or task code's function) could not use."""
    if metric_name == "exact_match":
        _rules(options)
    elif metric_name in GENERATED_METRICS:
        check_generated(metric_name, options)
    elif metric_name in NUMBERS_OF_LIKELIHOODS and isinstance(aggregation, str):
        raise MetricError(
            f"{metric_name} gives no score of generated texts, only pairs for an aggregation of task code; "
            "exact_match gives one."
        )


def function_scores(
    name: str,
    function: Callable[..., Any],
    gold: Any,
    prediction: Any,
    options: Mapping[str, Any],
    *,
    multiple_targets: bool = False,
) -> dict[str, Any]:
    """The scores of one document for a metric that is a function of task code, by result name.

    The function is called with `references` and `predictions` (lists of one) and the options if its signature
    takes them, else with the list [gold, prediction]. A mapping it returns gives one score per key; with
    several targets its value under `name` counts, and the score is 1.0 if it is truthy for any target.
    """
    call = _caller(function, options)
    if not multiple_targets:
        score = call(gold, prediction)
        return dict(score) if isinstance(score, Mapping) else {name: score}
    scores = (call(target, prediction) for target in targets(gold))
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


def targets(gold: Any) -> list[Any]:
    """The targets of a document of which some have several and others a single text."""
    return list(gold) if isinstance(gold, list | tuple) else [gold]


def exact_match(references: Sequence[Any], predictions: Sequence[Any], options: Mapping[str, Any]) -> float:
    """The share of predictions that equal their reference after what `options` ignore, from 0.0 to 1.0.

    Options: `regexes_to_ignore` (removed first, in order), then `ignore_case`, `ignore_punctuation` (ASCII)
    and `ignore_numbers` (digits). Values are compared as numpy compares arrays of them, so lists broadcast.
    """
    rules = _rules(options)
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


def _rules(options: Mapping[str, Any]) -> Rules:
    for option in options:
        if option not in EXACT_MATCH_OPTIONS:
            raise unknown_name("option of exact_match:", option, EXACT_MATCH_OPTIONS)
    return _compiled_rules(
        _regexes(options.get("regexes_to_ignore")),
        bool(options.get("ignore_case")),
        bool(options.get("ignore_punctuation")),
        bool(options.get("ignore_numbers")),
    )


def _regexes(value: Any) -> tuple[str, ...]:
    regexes = value or ()
    if not isinstance(regexes, list | tuple) or not all(isinstance(regex, str) for regex in regexes):
        raise MetricError(f"exact_match: regexes_to_ignore must be a list of texts, not {value!r}.")
    return tuple(regexes)


@functools.lru_cache(maxsize=256)
def _compiled_rules(regexes: tuple[str, ...], case: bool, punctuation: bool, numbers: bool) -> Rules:
    patterns = tuple(compile_pattern(regex, "exact_match, regexes_to_ignore") for regex in regexes)
    deleted = (string.punctuation if punctuation else "") + (string.digits if numbers else "")
    return Rules(patterns, case, {ord(letter): None for letter in deleted})


def _caller(function: Callable[..., Any], options: Mapping[str, Any]) -> Callable[[Any, Any], Any]:
    """`function` as one of (gold, prediction), through the interface that its signature takes."""
    try:
        inspect.signature(function).bind(references=[], predictions=[], **options)
    except TypeError:
        return lambda gold, prediction: function([gold, prediction])
    return lambda gold, prediction: function(references=[gold], predictions=[prediction], **options)
