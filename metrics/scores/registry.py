"""The metrics that task files name, as data: which way is better and how documents become one number.

Source: lm-eval 0.4.13, `lm_eval/api/metrics.py` and `DEFAULT_METRIC_REGISTRY` in `lm_eval/api/registry.py`.
It has none of `OWN_METRICS`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from metrics.errors import MetricError, unknown_name
from metrics.scores.choices import CHOICE_METRICS


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """name: as in task files. aggregation: a name for `metrics.aggregates.aggregation.aggregation`.

    aggregation_has_options: whether the metric's options are those of its aggregation.
    """

    name: str
    higher_is_better: bool
    aggregation: str
    aggregation_has_options: bool = False


LM_EVAL_METRICS: Mapping[str, MetricDefinition] = {
    definition.name: definition
    for definition in (
        MetricDefinition("acc", True, "mean"),
        MetricDefinition("acc_norm", True, "mean"),
        MetricDefinition("acc_bytes", True, "mean"),
        MetricDefinition("acc_mutual_info", True, "mean"),
        MetricDefinition("acc_all", True, "mean"),
        MetricDefinition("exact_match", True, "mean"),
        MetricDefinition("likelihood", True, "mean"),
        MetricDefinition("perplexity", False, "perplexity"),
        MetricDefinition("word_perplexity", False, "weighted_perplexity"),
        MetricDefinition("byte_perplexity", False, "weighted_perplexity"),
        MetricDefinition("bits_per_byte", False, "bits_per_byte"),
        MetricDefinition("brier_score", False, "brier_score"),
        MetricDefinition("f1", True, "f1"),
        MetricDefinition("mcc", True, "matthews_corrcoef"),
        MetricDefinition("bleu", True, "bleu"),
        MetricDefinition("chrf", True, "chrf"),
        MetricDefinition("chrf++", True, "chrf++"),
        MetricDefinition("ter", False, "ter"),
        MetricDefinition("bypass", True, "bypass"),
    )
}

OWN_METRICS: Mapping[str, MetricDefinition] = {
    definition.name: definition
    for definition in (
        MetricDefinition("ece", False, "ece", aggregation_has_options=True),
        MetricDefinition("exact_match_mc", True, "mean"),
        MetricDefinition("logprob", True, "mean"),
        MetricDefinition("bpb", False, "mean"),
        MetricDefinition("choice_logprob", True, "mean"),
        MetricDefinition("choice_prob_norm", True, "mean"),
        MetricDefinition("choice_logprob_norm", True, "mean"),
        MetricDefinition("rouge1", True, "mean"),
        MetricDefinition("rouge2", True, "mean"),
        MetricDefinition("rougeL", True, "mean"),
        MetricDefinition("rougeLsum", True, "mean"),
        MetricDefinition("math_equal", True, "mean"),
    )
}

METRICS: Mapping[str, MetricDefinition] = {**LM_EVAL_METRICS, **OWN_METRICS}

DEFAULT_METRICS: Mapping[str, tuple[str, ...]] = {
    "loglikelihood": ("perplexity", "acc"),
    "loglikelihood_rolling": ("word_perplexity", "byte_perplexity", "bits_per_byte"),
    "multiple_choice": ("acc", "acc_norm"),
    "generate_until": ("exact_match",),
}

# The metrics of log-likelihoods; a name beyond these gives no score there.
LIKELIHOOD_METRICS: Mapping[str, tuple[str, ...]] = {
    "loglikelihood": ("perplexity", "acc", "logprob", "bpb"),
    "loglikelihood_rolling": ("word_perplexity", "byte_perplexity", "bits_per_byte"),
    "multiple_choice": tuple(CHOICE_METRICS),
}


def check_metric(name: str, output_type: str) -> None:
    """Raise MetricError for a metric that gives no score of answers of this output type."""
    known = LIKELIHOOD_METRICS[output_type]
    if name not in known:
        raise MetricError(f"{name} gives no score where output_type is {output_type}: {', '.join(known)} do.")


def metric_definition(name: str) -> MetricDefinition:
    """The metric called `name`; a MetricError names the nearest one if there is none."""
    if name not in METRICS:
        raise unknown_name("metric", name, METRICS)
    return METRICS[name]


def default_metrics(output_type: str) -> tuple[str, ...]:
    """The metrics of a task of this output type whose file has no `metric_list`."""
    if output_type not in DEFAULT_METRICS:
        raise unknown_name("output type", output_type, DEFAULT_METRICS)
    return DEFAULT_METRICS[output_type]
