"""What a metric is: what it gives for a document, how documents become one number, which way is better."""

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from metrics.errors import unknown_name
from metrics.scores.choices import AnsweredChoices
from metrics.scores.likelihood import AnsweredTarget, RollingText
from metrics.scores.text import GeneratedText, pair

# What a task asks of a model for each document, by lm-eval's names.
OutputType = Literal["loglikelihood", "loglikelihood_rolling", "multiple_choice", "generate_until"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as task files name it; what it gives for a document depends on what was asked.

    aggregation: makes one number of the documents' values: a name of `metrics.aggregates.aggregation`, or a
        function of them. aggregation_has_options: whether the metric's options are those of its aggregation.
    of_choices, of_target, of_rolling, of_generation: of a document with the model's answer the value that
        the aggregation reads, where choices were compared, the log-likelihood of a target or of a whole text
        was asked for, or a text was generated. None where the metric has no meaning. `of_generation` gets
        the metric's options as keywords.
    check_options: takes these too, and raises MetricError where `of_generation` would for every document.
    """

    name: str
    higher_is_better: bool = True
    aggregation: str | Callable[[Sequence[Any]], Any] = "mean"
    aggregation_has_options: bool = False
    of_choices: Callable[[AnsweredChoices], Any] | None = None
    of_target: Callable[[AnsweredTarget], Any] | None = None
    of_rolling: Callable[[RollingText], Any] | None = None
    of_generation: Callable[..., Any] | None = None
    check_options: Callable[..., object] | None = None

    def scores(self, output_type: OutputType) -> Callable[..., Any] | None:
        """What gives a document's value where this was asked."""
        match output_type:
            case "multiple_choice":
                return self.of_choices
            case "loglikelihood":
                return self.of_target
            case "loglikelihood_rolling":
                return self.of_rolling
            case "generate_until":
                return self.of_generation

    def text_score(self, answer: GeneratedText, options: Mapping[str, Any]) -> Any:
        """The value of a generated text.

        options: checked before (`check`), since there may be very many texts. A metric that gives none gives
        the pair [target, text], for an aggregation of task code. Raises MetricError where there is no text.
        """
        return pair(answer) if self.of_generation is None else self.of_generation(answer, **options)

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise MetricError for an unknown or wrong option, and where a package is not installed."""
        if (takes := self.check_options or self.of_generation) is not None:
            known, takes_any = _options(takes)
            for option in () if takes_any else options:
                if option not in known:
                    raise unknown_name(f"option of {self.name}:", option, known)
        if self.check_options is not None:
            self.check_options(**options)


def document_scores(
    metrics: Iterable[Metric],
    output_type: OutputType,
    answered: AnsweredChoices | AnsweredTarget | RollingText,
) -> dict[str, Any]:
    """The values of a document by the metrics that score this kind of answer; others give none, as in
    lm-eval."""
    return {one.name: score(answered) for one in metrics if (score := one.scores(output_type))}


@functools.cache
def _options(function: Callable[..., Any]) -> tuple[tuple[str, ...], bool]:
    """The options that a function takes: its parameters with defaults, and those that are passed by name. And
    whether it takes any."""
    parameters = inspect.signature(function).parameters.values()
    named = (one.name for one in parameters if one.default is not one.empty or one.kind is one.KEYWORD_ONLY)
    return tuple(named), any(one.kind is one.VAR_KEYWORD for one in parameters)
