"""Scores of tasks that are Python classes: the class's filters, metrics and aggregations over the answers.

In the order of lm-evaluation-harness 0.4.13, `evaluate` in `lm_eval/evaluator.py`; standard errors are ours.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Any

from backends.requests import Request
from metrics.aggregates.aggregation import AGGREGATIONS
from tasks_lib.doc import Doc
from tasks_lib.error_context import ErrorContext
from tasks_lib.scoring.pipelines import MetricPlan, answers_after
from tasks_lib.scoring.scorer import VALUES, Answered, Clusters, MetricScore, Sample, aggregated


class ClassScorer:
    """Scores documents by the filters, metrics and aggregations of a task class."""

    def __init__(
        self, made: Any, selected: Callable[[], Mapping[int, Doc]], errors: ErrorContext, clusters: Clusters
    ) -> None:
        self._made = made
        self._selected = selected
        self._errors = errors
        self._clusters = clusters

    def check(self) -> None:
        """Raise TaskError now for aggregations that the class cannot name, and a cluster documents lack."""
        _ = self.metrics
        if self._clusters.key is not None:
            self._clusters.check(self._selected())

    def answers_read(self, repeats: int) -> int:
        """How many of a document's `repeats` answers its scores depend on."""
        written = self._made.config.filter_list or [{"filter": [{"function": "take_first"}]}]
        return max(
            answers_after(((step["function"], step) for step in one["filter"]), repeats) for one in written
        )

    def target(self, doc_id: int, doc: Doc) -> Any:
        """What is right for a document."""
        with self._errors.on("doc_to_target", doc_id, doc):
            return self._made.doc_to_target(doc)

    def samples(self, answered: Sequence[Answered]) -> Iterator[Sample]:
        """A sample per filter pipeline and document, pipeline by pipeline."""
        instances = [instance for one in answered for instance in self._instances(one)]
        with self._errors.on("filters"):
            self._made._instances = instances
            self._made.apply_filters()
        for name in instances[0].filtered_resps:
            rest = iter(instances)
            for one in answered:
                asked = one.asked
                with self._errors.on("process_results", asked.doc_id, asked.doc):
                    own = islice(rest, len(asked.requests))
                    filtered = [instance.filtered_resps[name] for instance in own]
                    scores = self._made.process_results(asked.doc, filtered)
                    target = self._made.doc_to_target(asked.doc)
                yield Sample(one, target, name, filtered, dict(scores))

    def aggregate(self, samples: Sequence[Sample], *, compat: bool) -> list[MetricScore]:
        """One number for each metric and filter, over the documents in their order."""
        return aggregated(samples, self._plan_of, self._errors, self._clusters, compat=compat)

    @cached_property
    def metrics(self) -> Mapping[str, MetricPlan]:
        with self._errors.on("aggregation"):
            functions, better = self._made.aggregation(), self._made.higher_is_better()
            known = _known_aggregations()
            return {
                name: MetricPlan(name, _how(functions.get(name), known), better.get(name))
                for name in dict.fromkeys((*functions, *better))
            }

    def _plan_of(self, metric: str, filter_name: str) -> MetricPlan | None:
        return self.metrics.get(metric)

    def _instances(self, one: Answered) -> Iterator[Any]:
        from lm_eval.api.instance import Instance

        asked = one.asked
        for index, (request, responses) in enumerate(zip(asked.requests, one.responses, strict=True)):
            yield Instance(
                request_type=request.kind,
                doc=asked.doc,
                arguments=_arguments(request),
                idx=index,
                metadata=(self._made.config.task, asked.doc_id, len(responses)),
                resps=[VALUES[request.kind](response) for response in responses],
            )


def _arguments(request: Request) -> tuple[Any, ...]:
    match request.kind:
        case "loglikelihood":
            return (request.prompt_text, request.continuation)
        case "loglikelihood_rolling":
            return (request.prompt_text,)
        case "generate_until":
            return (request.prompt_text, dict(request.generation))


def _how(function: Any, known: Mapping[Any, str]) -> Any:
    """An aggregation by its name where it is lm-eval's, so that it has a standard error."""
    return "mean" if function is None else known.get(function, function)


def _known_aggregations() -> dict[Any, str]:
    from lm_eval.api.registry import AGGREGATION_REGISTRY

    names = [name for name in AGGREGATION_REGISTRY if name in AGGREGATIONS]
    return {AGGREGATION_REGISTRY[name]: name for name in names}
