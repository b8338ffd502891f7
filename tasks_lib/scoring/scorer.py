"""Responses to scores: filters, the metrics of each document, and their aggregation over the documents.

Source of the rules: lm-evaluation-harness 0.4.13, `process_results` in `lm_eval/api/task.py` and
`_compute_task_aggregations` in `lm_eval/evaluator_utils.py`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import chain, islice
from operator import attrgetter
from typing import Any

from backends.requests import RequestKind, Response
from metrics.aggregates.aggregation import aggregation
from metrics.filters.filters import apply_pipeline
from metrics.hf_evaluate.code_eval import noting_results
from metrics.scores.choices import AnsweredChoices, resolve_gold
from metrics.scores.likelihood import AnsweredTarget, RollingText
from metrics.scores.metric import OutputType, document_scores
from metrics.scores.text import GeneratedText, match_type
from metrics.statistics.intervals import interval
from metrics.statistics.stderr import function_stderr, stderr
from tasks_lib.doc import Doc
from tasks_lib.error_context import ErrorContext
from tasks_lib.errors import TaskError
from tasks_lib.files.config import FunctionRef, TaskConfig
from tasks_lib.prompts.request_builder import DocRequests, RequestBuilder
from tasks_lib.prompts.templates import compile_template
from tasks_lib.prompts.turns import choice_of
from tasks_lib.scope import TaskScope
from tasks_lib.scoring.pipelines import MetricPlan, Pipeline, PipelineReader
from tasks_lib.value_text import short_repr

# Of a response: a pair (log-probability, is greedy), a log-probability, or a text; filters make it anything.
Value = Any

# Of a task's own Python: a document and a value per request to scores by metric.
ProcessResults = Callable[[Doc, Sequence[Value]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Answered:
    """A document with, for each of its requests, the responses of all repeats."""

    asked: DocRequests
    responses: Sequence[Sequence[Response]]


@dataclass(frozen=True, slots=True)
class Sample:
    """What became of one document in one filter pipeline.

    filtered: a value per request. scores: per-document values by metric, as aggregations read them.
    programs: what became of those that its answers are, each tried with its tests (`code_eval`).
    """

    answered: Answered
    target: Any
    filter: str
    filtered: Sequence[Value]
    scores: Mapping[str, Any]
    programs: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class MetricScore:
    """One number of a task; `count` documents are in it.

    stderr, interval: its standard error and its 95 % confidence interval, None where there is none.
    aggregation: what made it of the documents' values, by name, with its options; None for a function of the
    task's own.
    """

    metric: str
    filter: str
    value: float
    stderr: float | None
    count: int
    interval: tuple[float, float] | None = None
    aggregation: str | None = None
    aggregation_options: Mapping[str, Any] = field(default_factory=dict)


class Scorer:
    """Scores the documents of one task; `builder` is what asked for them."""

    def __init__(self, scope: TaskScope[TaskConfig], builder: RequestBuilder) -> None:
        self._config, self._errors, self._resolve = scope.config, scope.errors, scope.resolve
        self._builder = builder
        self._clusters = Clusters(scope.options.cluster or scope.config.cluster, scope.errors)
        self._reader = PipelineReader(scope, builder.answers)
        # A metric may give several numbers; each is aggregated as the metric is.
        self._results: dict[tuple[str, str], MetricPlan] = {}

    def check(self) -> None:
        """Raise TaskError now for a filter, metric, aggregation or cluster that could not be used later."""
        _ = self._reader.pipelines, self._process_results
        if self._process_results is None:
            self._reader.check_metrics()
        if self._clusters.key is not None:
            self._clusters.check(self._builder.selected)

    def answers_read(self, repeats: int) -> int:
        """How many of a document's `repeats` answers its scores depend on."""
        return self._reader.answers_read(repeats)

    def target(self, doc_id: int, doc: Doc) -> Any:
        """What is right for a document."""
        return self._builder.target(doc_id, doc)

    def samples(self, answered: Sequence[Answered]) -> Iterator[Sample]:
        """A sample per filter pipeline and document, pipeline by pipeline."""
        for pipeline in self._reader.pipelines:
            for one, own in zip(answered, self._filtered(pipeline, answered), strict=True):
                asked = one.asked
                with self._errors.on("scoring", asked.doc_id, asked.doc), noting_results() as programs:
                    scores = self._score(asked, own, pipeline)
                target = self._builder.target(asked.doc_id, asked.doc)
                yield Sample(one, target, pipeline.name, own, scores, programs)

    def aggregate(self, samples: Sequence[Sample], *, compat: bool) -> list[MetricScore]:
        """One number for each metric and filter, over the documents in their order."""
        return aggregated(samples, self._plan_of, self._errors, self._clusters, compat=compat)

    @property
    def metrics(self) -> Mapping[str, MetricPlan]:
        """The metrics by name: those of the task, and, once documents are scored, each number that a metric
        gave."""
        found = {name: plan for (name, _), plan in self._results.items()}
        for plans in self._plans.values():
            found |= {name: plan for name, plan in plans.items() if not plan.reductions}
        return found

    def _filtered(self, pipeline: Pipeline, answered: Sequence[Answered]) -> Iterator[list[Value]]:
        """What the filters make of the answers to each document."""
        read, key = VALUES[self._config.output_type], f"filter {pipeline.name!r}"
        docs = [[one.asked.doc] * len(one.asked.requests) for one in answered]
        values = [[[read(said) for said in repeats] for repeats in one.responses] for one in answered]
        if pipeline.takes_all:
            with self._errors.on(key):
                found = iter(apply_pipeline(pipeline.filters, list(chain(*values)), list(chain(*docs))))
            for own_docs in docs:
                yield list(islice(found, len(own_docs)))
            return
        for one, own, own_docs in zip(answered, values, docs, strict=True):
            with self._errors.on(key, one.asked.doc_id):
                filtered = apply_pipeline(pipeline.filters, own, own_docs)
            yield filtered

    # Scores of a document

    def _score(self, asked: DocRequests, values: Sequence[Value], pipeline: Pipeline) -> Mapping[str, Any]:
        if self._process_results is not None:
            return self._own_scores(self._process_results, asked.doc, values, pipeline)
        match kind := self._config.output_type:
            case "multiple_choice":
                return document_scores(pipeline.registered, kind, self._answered_choices(asked, values))
            case "loglikelihood":
                ((logprob, is_greedy),) = _pairs(values)
                answered = AnsweredTarget(logprob, is_greedy, asked.requests[0].continuation)
                return document_scores(pipeline.registered, kind, answered)
            case "loglikelihood_rolling":
                read = RollingText(values[0], asked.requests[0].prompt_text)
                return document_scores(pipeline.registered, kind, read)
            case "generate_until":
                return self._text_scores(asked.doc_id, asked.doc, values[0], pipeline)

    def _own_scores(
        self, process: ProcessResults, doc: Doc, values: Sequence[Value], pipeline: Pipeline
    ) -> dict[str, Any]:
        found = pipeline.scores_by_task(lambda own: _named_scores(process(doc, own)), values)
        if pipeline.has_reductions:
            plans = {(name, pipeline.name): plan for name, (_, plan) in found.items() if plan is not None}
            self._results.update(plans)
        return {name: score for name, (score, _) in found.items()}

    def _answered_choices(self, asked: DocRequests, values: Sequence[Value]) -> AnsweredChoices:
        choices = self._builder.choices(asked.doc_id, asked.doc)
        lls, greedy = zip(*_pairs(values), strict=True)
        several_inputs = self._builder.has_multiple_inputs
        read = self._builder.readers.text if several_inputs else partial(self._builder.target, asked.doc_id)
        return AnsweredChoices(
            lls[: len(choices)],
            greedy[: len(choices)],
            choices,
            resolve_gold(read(asked.doc), choices),
            self._builder.has_multiple_targets,
            lls[len(choices) :] or None,
        )

    def _text_scores(self, doc_id: int, doc: Doc, prediction: Value, pipeline: Pipeline) -> dict[str, Any]:
        gold, several = self._builder.target(doc_id, doc), self._builder.has_multiple_targets
        if self._builder.readers.choices is not None:
            gold = choice_of(gold, self._builder.choices(doc_id, doc))
        elif several:
            gold = list(gold) if isinstance(gold, list | tuple) else [gold]
        elif "bypass" not in pipeline.metrics:
            gold = match_type(gold, prediction)
        answer = GeneratedText(gold, prediction, several)
        scores: dict[str, Any] = {}
        for metric in pipeline.metrics.values():
            found = metric.text_scores(answer)
            self._results.update(dict.fromkeys(((name, pipeline.name) for name in found), metric))
            scores |= found
        return scores

    # What the configuration says

    @cached_property
    def _process_results(self) -> ProcessResults | None:
        function = self._config.process_results
        return self._resolve(function) if isinstance(function, FunctionRef) else None

    def _plan_of(self, metric: str, filter_name: str) -> MetricPlan | None:
        return self._results.get((metric, filter_name)) or self._plans[filter_name].get(metric)

    @cached_property
    def _plans(self) -> dict[str, Mapping[str, MetricPlan]]:
        return {pipeline.name: pipeline.metrics for pipeline in self._reader.pipelines}


@dataclass(frozen=True, slots=True)
class Clusters:
    """Which documents share a source, so that standard errors must not take them for independent.

    key: a field of the documents or a template, whose value such documents share; None where none do.
    """

    key: str | None
    errors: ErrorContext

    def of(self, doc_id: int, doc: Doc) -> str:
        """The cluster of a document. Raises TaskError where it lacks the field."""
        key = self.key or ""
        with self.errors.on("cluster", doc_id, doc):
            return compile_template(key).render(doc) if "{" in key else str(doc[key])

    def check(self, selected: Mapping[int, Doc]) -> None:
        """Raise TaskError where the first document has no cluster."""
        self.of(*next(iter(selected.items())))


def aggregated(
    samples: Sequence[Sample],
    plan_of: Callable[[str, str], MetricPlan | None],
    errors: ErrorContext,
    clusters: Clusters,
    *,
    compat: bool,
) -> list[MetricScore]:
    """One number for each metric and filter, over the samples in their order.

    plan_of: the plan of a metric in a filter pipeline; None for one that the task does not name, whose mean
        is taken.
    """
    values: dict[tuple[str, str], list[Any]] = defaultdict(list)
    docs: dict[tuple[str, str], list[DocRequests]] = defaultdict(list)
    for sample in samples:
        for metric, value in sample.scores.items():
            values[metric, sample.filter].append(value)
            docs[metric, sample.filter].append(sample.answered.asked)
    scores = []
    for (metric, name), items in values.items():
        plan = plan_of(metric, name)
        shared = None
        if clusters.key is not None and not compat:
            shared = [clusters.of(asked.doc_id, asked.doc) for asked in docs[metric, name]]
        with errors.on(f"aggregation of {metric}"):
            scores.append(_aggregated(metric, name, items, plan, shared, compat))
    return scores


def _aggregated(
    metric: str,
    name: str,
    items: list[Any],
    plan: MetricPlan | None,
    clusters: list[str] | None,
    compat: bool,
) -> MetricScore:
    how, options = (plan.aggregation, plan.aggregation_options) if plan else ("mean", {})
    if isinstance(how, str):
        value = float(aggregation(how, options)(items))
        error = stderr(how, items, metric=metric, compat=compat, clusters=clusters, options=options)
    else:
        value = float(how(items))
        error = None if compat else function_stderr(how, items, clusters=clusters)
    shares = items if how == "mean" else ()
    found = interval(value, error, shares, clustered=clusters is not None)
    named = how if isinstance(how, str) else None
    return MetricScore(metric, name, value, error, len(items), found, named, options if named else {})


def _named_scores(given: Any) -> Mapping[str, Any]:
    """What task code gave, if it is scores."""
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise TaskError(f"process_results gives {short_repr(given)}, not a mapping of metric names to values")
    return given


def _pairs(values: Sequence[Value]) -> Sequence[tuple[float, bool]]:
    """The values of log-likelihood requests, if the filters left them what they are."""
    for value in values:
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise TaskError(
                f"the filters give {short_repr(value)}, not a log-likelihood and whether it is greedy"
            )
    return values


def _pair(response: Response) -> Value:
    return (response.logprob, response.is_greedy)


# What filters, metrics and lm-eval's task code get for a response.
VALUES: Mapping[OutputType | RequestKind, Callable[[Response], Value]] = {
    "multiple_choice": _pair,
    "loglikelihood": _pair,
    "loglikelihood_rolling": attrgetter("logprob"),
    "generate_until": attrgetter("text"),
}
