"""Responses to scores: filters, the metrics of each document, and their aggregation over the documents.

Source of the rules: lm-evaluation-harness 0.4.13, `process_results` in `lm_eval/api/task.py` and
`_compute_task_aggregations` in `lm_eval/evaluator_utils.py`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any

from backends.requests import Response
from metrics.aggregation import aggregation
from metrics.choices import choice_scores, resolve_gold
from metrics.filters import Filter, apply_pipeline, build_filter, filter_from_class
from metrics.likelihood import loglikelihood_scores, rolling_scores
from metrics.registry import METRICS, default_metrics, metric_definition
from metrics.stderr import stderr
from metrics.text import function_scores, match_type, text_scores
from tasks_lib.blame import Blame
from tasks_lib.building import DocRequests, RequestBuilder
from tasks_lib.config import FunctionRef, MetricConfig, OutputType, TaskConfig
from tasks_lib.documents import Resolve
from tasks_lib.fields import Doc

# Of a response: a pair (log-probability, is greedy), a log-probability, or a text; filters make it anything.
Value = Any


@dataclass(frozen=True, slots=True)
class Answered:
    """A document with, for each of its requests, the responses of all repeats."""

    asked: DocRequests
    responses: Sequence[Sequence[Response]]


@dataclass(frozen=True, slots=True)
class Sample:
    """What became of one document in one filter pipeline.

    filtered: a value per request. scores: per-document values by metric, as aggregations read them.
    """

    answered: Answered
    target: Any
    filter: str
    filtered: Sequence[Value]
    scores: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MetricScore:
    """One number of a task; `count` documents are in it, `stderr` is None where there is none."""

    metric: str
    filter: str
    value: float
    stderr: float | None
    count: int


@dataclass(frozen=True, slots=True)
class MetricPlan:
    """A metric as the task configures it; `aggregation` is a name or the task's own function."""

    name: str
    function: Callable[..., Any] | None
    options: Mapping[str, Any]
    aggregation: str | Callable[[Sequence[Any]], Any]
    higher_is_better: bool | None


class Scorer:
    """Scores the documents of one task; `builder` is what asked for them."""

    def __init__(self, config: TaskConfig, builder: RequestBuilder, blame: Blame, resolve: Resolve) -> None:
        self._config = config
        self._builder = builder
        self._blame = blame
        self._resolve = resolve
        # A metric function may give several numbers; each is aggregated as the metric is.
        self._expanded: dict[str, MetricPlan] = {}

    def check(self) -> None:
        """Raise TaskError now for a filter, metric or aggregation that could not be used later."""
        _ = self._pipelines, self._configured, self._process_results

    def samples(self, answered: Sequence[Answered]) -> Iterator[Sample]:
        """A sample per filter pipeline and document, pipeline by pipeline."""
        docs = [one.asked.doc for one in answered for _ in one.asked.requests]
        read = VALUES[self._config.output_type]
        values = [[read(r) for r in repeats] for one in answered for repeats in one.responses]
        for name, filters in self._pipelines.items():
            with self._blame.on(f"filter {name!r}"):
                filtered = iter(apply_pipeline(filters, values, docs))
            for one in answered:
                asked = one.asked
                own = [next(filtered) for _ in asked.requests]
                with self._blame.on("scoring", asked.doc_id, asked.doc):
                    scores = self._score(asked, own)
                yield Sample(one, self._builder.target(asked.doc_id, asked.doc), name, own, scores)

    def aggregate(self, samples: Sequence[Sample], *, compat: bool) -> list[MetricScore]:
        """One number for each metric and filter, over the documents in their order."""
        values: dict[tuple[str, str], list[Any]] = defaultdict(list)
        for sample in samples:
            for metric, value in sample.scores.items():
                values[metric, sample.filter].append(value)
        return [self._aggregate(metric, name, items, compat) for (metric, name), items in values.items()]

    @property
    def metrics(self) -> Mapping[str, MetricPlan]:
        """The metrics by name: those of the task, and, once documents are scored, each number that a metric
        function gave."""
        return self._expanded | self._configured

    @cached_property
    def _configured(self) -> dict[str, MetricPlan]:
        entries = self._config.metric_list
        if entries is None:
            entries = [MetricConfig(metric=name) for name in default_metrics(self._config.output_type)]
        with self._blame.on("metric_list"):
            return {entry.name: self._plan(entry) for entry in entries}

    # Scores of a document

    def _score(self, asked: DocRequests, values: Sequence[Value]) -> Mapping[str, Any]:
        if self._process_results is not None:
            scores: Mapping[str, Any] = self._process_results(asked.doc, values)
            return scores
        match self._config.output_type:
            case "multiple_choice":
                return self._score_choices(asked.doc_id, asked.doc, values)
            case "loglikelihood":
                logprob, is_greedy = values[0]
                return loglikelihood_scores(logprob, is_greedy, self._configured)
            case "loglikelihood_rolling":
                return rolling_scores(values[0], asked.requests[0].prompt, self._configured)
            case "generate_until":
                return self._score_text(asked.doc_id, asked.doc, values[0])

    def _score_choices(self, doc_id: int, doc: Doc, values: Sequence[Value]) -> dict[str, Any]:
        choices = self._builder.choices(doc_id, doc)
        lls, greedy = zip(*values, strict=True)
        several_inputs = self._builder.has_multiple_inputs
        gold = self._builder.readers.text(doc) if several_inputs else self._builder.target(doc_id, doc)
        return choice_scores(
            lls[: len(choices)],
            greedy[: len(choices)],
            choices,
            resolve_gold(gold, choices),
            multiple_targets=self._builder.has_multiple_targets,
            metrics=self._configured,
            unconditional=lls[len(choices) :] or None,
        )

    def _score_text(self, doc_id: int, doc: Doc, prediction: Value) -> dict[str, Any]:
        gold, several = self._builder.target(doc_id, doc), self._builder.has_multiple_targets
        if self._config.doc_to_choice is not None:
            gold = self._builder.choices(doc_id, doc)[gold]
        elif several:
            gold = list(gold) if isinstance(gold, list | tuple) else [gold]
        elif "bypass" not in self._configured:
            gold = match_type(gold, prediction)
        scores: dict[str, Any] = {}
        for metric in self._configured.values():
            found = _text_metric(metric, gold, prediction, several)
            self._expanded.update(dict.fromkeys(found, metric))
            scores |= found
        return scores

    # What the configuration says

    @cached_property
    def _pipelines(self) -> dict[str, list[Filter]]:
        if self._config.filter_list is None:
            return {"none": [build_filter("take_first", {})]}
        pipelines = {}
        for pipeline in self._config.filter_list:
            with self._blame.on(f"filter_list, {pipeline.name}"):
                steps = [self._filter(step.function, step.options) for step in pipeline.filter]
                pipelines[pipeline.name] = steps
        return pipelines

    def _filter(self, function: str | FunctionRef, options: Mapping[str, Any]) -> Filter:
        options = {
            key: self._resolve(value) if isinstance(value, FunctionRef) else value
            for key, value in options.items()
        }
        if isinstance(function, FunctionRef):
            return filter_from_class(self._resolve(function), options)
        return build_filter(function, options)

    @cached_property
    def _process_results(self) -> Callable[[Doc, Sequence[Value]], Mapping[str, Any]] | None:
        function = self._config.process_results
        return self._resolve(function) if isinstance(function, FunctionRef) else None

    def _plan(self, entry: MetricConfig) -> MetricPlan:
        if entry.hf_evaluate:
            raise self._blame.error("metric_list", f"{entry.name}: hf_evaluate metrics are not supported yet")
        function = self._resolve(entry.metric) if isinstance(entry.metric, FunctionRef) else None
        scored_by_task = function is not None or self._process_results is not None
        known = METRICS.get(entry.name) if scored_by_task else metric_definition(entry.name)
        how: str | Callable[[Sequence[Any]], Any] = known.aggregation if known else "mean"
        if isinstance(entry.aggregation, FunctionRef):
            how = self._resolve(entry.aggregation)
        elif entry.aggregation is not None:
            aggregation(entry.aggregation)
            how = entry.aggregation
        better = entry.higher_is_better
        if better is None and known:
            better = known.higher_is_better
        return MetricPlan(entry.name, function, entry.options, how, better)

    def _aggregate(self, metric: str, name: str, items: list[Any], compat: bool) -> MetricScore:
        plan = self.metrics.get(metric)
        how = plan.aggregation if plan else "mean"
        with self._blame.on(f"aggregation of {metric}"):
            if not isinstance(how, str):
                return MetricScore(metric, name, float(how(items)), None, len(items))
            value = float(aggregation(how)(items))
            error = stderr(how, items, metric=metric, compat=compat)
            return MetricScore(metric, name, value, error, len(items))


def _text_metric(metric: MetricPlan, gold: Any, prediction: Value, several: bool) -> dict[str, Any]:
    if metric.function is not None:
        return function_scores(
            metric.name, metric.function, gold, prediction, metric.options, multiple_targets=several
        )
    score = text_scores(metric.name, gold, prediction, metric.options, multiple_targets=several)
    return {metric.name: score}


def _pair(response: Response) -> Value:
    return (response.logprob, response.is_greedy)


# What filters, metrics and lm-eval's task code get for a response.
VALUES: Mapping[OutputType, Callable[[Response], Value]] = {
    "multiple_choice": _pair,
    "loglikelihood": _pair,
    "loglikelihood_rolling": attrgetter("logprob"),
    "generate_until": attrgetter("text"),
}
