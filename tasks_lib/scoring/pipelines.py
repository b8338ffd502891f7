"""What a task's responses go through: its filter pipelines, each with the metrics that score its values."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from metrics.aggregates.aggregation import aggregation
from metrics.aggregates.repeats import Reduction, reduction
from metrics.errors import MetricError
from metrics.filters.answer_letters import matching_choice
from metrics.filters.filters import FILTERS, Docs, Filter, build_filter, filter_from_class
from metrics.hf_evaluate.metrics import load_hf_metric
from metrics.scores.metric import Metric, OutputType
from metrics.scores.registry import (
    DEFAULT_METRICS,
    LM_EVAL_METRICS,
    METRICS,
    in_table_order,
    metric,
    no_score,
)
from metrics.scores.text import GeneratedText, function_scores, match_type
from tasks_lib.code.registered_filters import registered_filter
from tasks_lib.code.trusted_functions import module_name
from tasks_lib.doc import Doc
from tasks_lib.errors import TaskError
from tasks_lib.files.config import (
    FilterPipeline,
    FilterStep,
    FunctionRef,
    MetricConfig,
    TaskConfig,
    function_refs,
)
from tasks_lib.scope import TaskScope

# Filters that look at one document at a time.
_OF_ONE_DOCUMENT = {*FILTERS, "choice_match"} - {"custom"}
NO_CHOICE_MATCHES = "[no choice]"
NEEDS_ALL = "a reduction needs all repeats of a document; leave `take_first` out of its filters"
# Filters that make one value of each answer, and leave all answers there.
ONE_BY_ONE = frozenset(
    {
        "choice_match",
        "first_token",
        "format_span",
        "lowercase",
        "map",
        "multi_choice_regex",
        "regex",
        "regex_pos",
        "remove_whitespace",
        "uppercase",
    }
)
# The texts that an answer to a document may be, with the target that each stands for.
AnswerTexts = Callable[[Doc], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class MetricPlan:
    """A metric as the task configures it.

    aggregation: a name, with options, or the task's own function. reductions: what becomes of the scores of a
    document's repeats, by the ending of the result's name; none where a document has one value. metric: its
    entry in the table; None for a name that the task's own Python gives scores of. function: of the task's
    own Python; it scores texts in place of the entry.
    """

    name: str
    aggregation: str | Callable[[Sequence[Any]], Any]
    higher_is_better: bool | None
    aggregation_options: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    reductions: Mapping[str, Reduction] = field(default_factory=dict)
    metric: Metric | None = None
    function: Callable[..., Any] | None = None

    def text_scores(self, answer: GeneratedText) -> dict[str, Any]:
        """The scores of one generated answer, or of a list of repeats, by result name."""
        if not self.reductions:
            return self._scores(answer)
        answers = _all_repeats(answer.text)
        each = [self._scores(replace(answer, gold=match_type(answer.gold, one), text=one)) for one in answers]
        found: dict[str, Any] = {}
        for name in each[0]:
            found |= reduced(name, [scores[name] for scores in each], self.reductions, answers)
        return found

    def check(self, output_type: OutputType) -> None:
        """Raise MetricError for a metric that gives no score of this kind of answer, or values that its
        aggregation could not use."""
        if output_type != "generate_until":
            if self.metric is None or not self.metric.scores(output_type):
                raise no_score(self.name, output_type)
        elif self.function is None and self.metric is not None:
            self.metric.check(self.options)
            if self.metric.of_generation is None and isinstance(self.aggregation, str):
                said = f"{self.name} gives no score of generated texts, only pairs for an aggregation of"
                raise MetricError(f"{said} task code; exact_match gives one.")

    def _scores(self, answer: GeneratedText) -> dict[str, Any]:
        if self.function is not None:
            return function_scores(self.name, self.function, answer, self.options)
        assert self.metric is not None
        return {self.name: self.metric.text_score(answer, self.options)}


def reduced(
    name: str, scores: Sequence[Any], reductions: Mapping[str, Reduction], answers: Sequence[Any]
) -> dict[str, Any]:
    """A metric's scores of a document's answers to one by each reduction."""
    return {name + ending: reduce(scores, answers) for ending, reduce in reductions.items()}


@dataclass(frozen=True, slots=True)
class Pipeline:
    """filters: applied in order. metrics: by their names, of the values that come out. takes_all: whether a
    filter is the task's own, which wants all documents at once."""

    name: str
    filters: Sequence[Filter]
    metrics: Mapping[str, MetricPlan]
    takes_all: bool

    @property
    def has_reductions(self) -> bool:
        return any(plan.reductions for plan in self.metrics.values())

    def scores_by_task(
        self, process: Callable[[Sequence[Any]], Mapping[str, Any]], values: Sequence[Any]
    ) -> dict[str, tuple[Any, MetricPlan | None]]:
        """What the task's own `process_results` gives a document, with the plan of each score; of several
        answers, what it gives each of them, reduced."""
        if not self.has_reductions:
            return {name: (score, self.metrics.get(name)) for name, score in process(values).items()}
        (answers,) = values  # a reduction is for generated texts, which are one request each
        each = [process([answer]) for answer in _all_repeats(answers)]
        if any(scores.keys() != each[0].keys() for scores in each):
            raise TaskError("process_results gives the answers to a document scores of different names")
        found: dict[str, tuple[Any, MetricPlan | None]] = {}
        for name in each[0]:
            plan = self.metrics.get(name)
            reductions = (plan and plan.reductions) or {"": reduction("first")}
            own = reduced(name, [scores[name] for scores in each], reductions, answers)
            found |= {result: (score, plan) for result, score in own.items()}
        return found

    @property
    def registered(self) -> list[Metric]:
        """The metrics that are in the table, in its order."""
        return in_table_order(plan.metric for plan in self.metrics.values() if plan.metric)


class PipelineReader:
    """Makes the pipelines of one task from its configuration."""

    def __init__(self, scope: TaskScope[TaskConfig], answers: AnswerTexts) -> None:
        self._config, self._errors, self._resolve = scope.config, scope.errors, scope.resolve
        self._answers = answers

    @cached_property
    def pipelines(self) -> list[Pipeline]:
        """Raises TaskError for a filter, metric, reduction or aggregation that could not be used later."""
        written = self._written
        if not written:
            raise self._errors.error("filter_list", "is empty; leave it out for the first response as it is")
        for name, count in Counter(one.name for one in written).items():
            if count > 1:
                raise self._errors.error(
                    f"filter_list, {name}", "two pipelines have this name; rename one of them"
                )
        return [self._pipeline(one) for one in written]

    def answers_read(self, repeats: int) -> int:
        """How many of a document's answers its scores depend on."""
        pairs = zip(self._written, self.pipelines, strict=True)
        return max(_answers_read(written, pipeline, repeats) for written, pipeline in pairs)

    def check_metrics(self) -> None:
        """Raise TaskError where no metric of a pipeline gives a score of this kind of answer."""
        kind = self._config.output_type
        for pipeline in self.pipelines:
            with self._errors.on("metric_list"):
                if not pipeline.metrics:
                    raise TaskError(f"is empty; leave it out for {', '.join(DEFAULT_METRICS[kind])}")
                _refuse_useless(pipeline.metrics.values(), kind)

    @cached_property
    def _written(self) -> Sequence[FilterPipeline]:
        written = self._config.filter_list
        return [self._default] if written is None else written

    @property
    def _default(self) -> FilterPipeline:
        """Without filters the first response counts, but where metrics want all of them."""
        metrics = self._config.metric_list or []
        if not any(metric.reductions for metric in metrics):
            return FilterPipeline(name="none", filter=[FilterStep(function="take_first")])
        first = [metric.model_copy(update={"reduction": metric.reduction or "first"}) for metric in metrics]
        return FilterPipeline(name="none", filter=[], metric_list=first)

    def _pipeline(self, written: FilterPipeline) -> Pipeline:
        with self._errors.on(f"filter_list, {written.name}"):
            filters = [self._filter(step.function, step.options) for step in written.filter]
        metrics = self.metrics
        if written.metric_list is not None:
            with self._errors.on(f"metric_list of {written.name}"):
                metrics = self._plans(written.metric_list)
        takes_all = any(step.function not in _OF_ONE_DOCUMENT for step in written.filter)
        pipeline = Pipeline(written.name, filters, metrics, takes_all)
        if pipeline.has_reductions and any(step.function == "take_first" for step in written.filter):
            raise self._errors.error(f"filter_list, {written.name}", NEEDS_ALL)
        return pipeline

    @cached_property
    def metrics(self) -> dict[str, MetricPlan]:
        """The task's metrics, of all pipelines that name none of their own."""
        entries = self._config.metric_list
        if entries is None:
            entries = [MetricConfig(metric=name) for name in DEFAULT_METRICS[self._config.output_type]]
        with self._errors.on("metric_list"):
            return self._plans(entries)

    def _plans(self, entries: Sequence[MetricConfig]) -> dict[str, MetricPlan]:
        plans: dict[str, MetricPlan] = {}
        for plan in map(self._plan, entries):
            if plan.name in plans:
                raise TaskError(f"{plan.name} is there twice; remove one of them")
            plans[plan.name] = plan
        return plans

    def _filter(self, function: str | FunctionRef, options: Mapping[str, Any]) -> Filter:
        options = {
            key: self._resolve(value) if isinstance(value, FunctionRef) else value
            for key, value in options.items()
        }
        if isinstance(function, FunctionRef):
            return filter_from_class(self._resolve(function), options)
        if function == "choice_match":
            return self._choice_match(**options)
        registered = None if function in FILTERS else self._registered_filter(function)
        if registered is None:
            return build_filter(function, options)
        return filter_from_class(registered, options)

    def _registered_filter(self, name: str) -> type | None:
        """The filter of the task's own Python that is called `name` by `@register_filter`."""
        references = list(function_refs(self._config))
        for reference in references:
            self._resolve(reference)
        return registered_filter(name, {module_name(reference) for reference in references})

    def _choice_match(self) -> Filter:
        """Each response as the target of the choice that it names."""

        def match(response: Any, answers: Mapping[str, str]) -> str:
            found = matching_choice(str(response), list(answers))
            return NO_CHOICE_MATCHES if found is None else answers[found]

        def apply(responses: Sequence[Any], docs: Docs) -> list[Any]:
            answers = map(self._answers, docs)
            pairs = zip(responses, answers, strict=True)
            return [[match(response, own) for response in values] for values, own in pairs]

        return apply

    def _scored_by(self, entry: MetricConfig) -> tuple[Metric | None, Callable[..., Any] | None]:
        """What there is of a metric: its entry, and what scores texts in its place: the task's own function,
        or a metric of Hugging Face evaluate."""
        scored_by_task = isinstance(self._config.process_results, FunctionRef)
        if isinstance(entry.metric, FunctionRef):
            found = self._resolve(entry.metric)
            if isinstance(found, Metric):
                return found, None
            if not callable(found):
                said = "is neither a `metrics.scores.metric.Metric` nor a function"
                raise TaskError(f"{entry.metric} {said} that scores texts")
            return None if entry.metric.is_custom else LM_EVAL_METRICS.get(entry.name), found
        scores_texts = self._config.output_type == "generate_until" and not scored_by_task
        if scores_texts and (entry.hf_evaluate or entry.name not in METRICS):
            return LM_EVAL_METRICS.get(entry.name), load_hf_metric(entry.name, entry.options)
        return LM_EVAL_METRICS.get(entry.name) if scored_by_task else metric(entry.name), None

    def _plan(self, entry: MetricConfig) -> MetricPlan:
        if entry.reductions and self._config.output_type != "generate_until":
            kind = self._config.output_type
            raise MetricError(f"{entry.name}: a reduction is for generated texts, the task is {kind}.")
        known, function = self._scored_by(entry)
        name = known.name if isinstance(entry.metric, FunctionRef) and known else entry.name
        how: str | Callable[[Sequence[Any]], Any] = known.aggregation if known else "mean"
        if isinstance(entry.aggregation, FunctionRef):
            how = self._resolve(entry.aggregation)
        elif entry.aggregation is not None:
            how = entry.aggregation
        how_options = entry.options if known and known.aggregation_has_options else {}
        if isinstance(how, str):
            aggregation(how, how_options)
        better = entry.higher_is_better
        if better is None and known:
            better = known.higher_is_better
        reductions = {_ending(name): reduction(name) for name in entry.reductions}
        return MetricPlan(name, how, better, how_options, entry.options, reductions, known, function)


def _refuse_useless(plans: Iterable[MetricPlan], kind: OutputType) -> None:
    """Raise why the first metric gives no score of this kind of answer, or values that its aggregation cannot
    use, if all are like it: beside others lm-eval passes over them."""
    errors = []
    for plan in plans:
        try:
            plan.check(kind)
            return
        except MetricError as error:
            errors.append(error)
    raise errors[0]


def answers_after(steps: Iterable[tuple[object, Mapping[str, Any]]], repeats: int) -> int:
    """How many of a document's answers filters read, by their functions and options."""
    for function, options in steps:
        match function:
            case "take_first":
                return min(repeats, 1)
            case "take_first_k":
                repeats = min(repeats, options["k"])
            case _ if function not in ONE_BY_ONE:  # a vote, or task code, which may read all
                return repeats
    return repeats


def _answers_read(written: FilterPipeline, pipeline: Pipeline, repeats: int) -> int:
    read = answers_after(((step.function, step.options) for step in written.filter), repeats)
    named = [plan.reductions for plan in pipeline.metrics.values() if plan.reductions]
    return 1 if named and all(reductions.keys() == {_ending("first")} for reductions in named) else read


def _all_repeats(answers: Any) -> list[Any]:
    """The answers of all repeats, if the filters left them."""
    if not isinstance(answers, list):
        raise MetricError(NEEDS_ALL)
    return answers


def _ending(name: str) -> str:
    """The first response gives a metric its plain name, as it does without a reduction."""
    return "" if name == "first" else f"_{name}"
