"""The metrics that task files name: one entry each, and nothing else to write for a new one.

Source: lm-eval 0.4.13, `lm_eval/api/metrics.py` and `DEFAULT_METRIC_REGISTRY` in `lm_eval/api/registry.py`.
"""

from collections.abc import Iterable, Mapping
from functools import partial

from metrics.errors import MetricError, unknown_name
from metrics.scores import choices, likelihood, text
from metrics.scores.math_equal import check_math_equal, math_equal
from metrics.scores.metric import Metric, OutputType
from metrics.scores.rouge import check_rouge, rouge


def _by_name(*metrics: Metric) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}


LM_EVAL_METRICS: dict[str, Metric] = _by_name(
    Metric("perplexity", False, "perplexity", of_target=likelihood.logprob),
    Metric("acc", of_choices=choices.acc, of_target=likelihood.acc),
    Metric("f1", True, "f1", of_choices=choices.gold_and_prediction, of_generation=text.pair),
    Metric("mcc", True, "matthews_corrcoef", of_choices=choices.gold_and_prediction, of_generation=text.pair),
    Metric("acc_norm", of_choices=choices.acc_norm),
    Metric("acc_bytes", of_choices=choices.acc_bytes),
    Metric(
        "exact_match", of_choices=choices.exact_match, of_generation=text.equal, check_options=text.ignored
    ),
    Metric("brier_score", False, "brier_score", of_choices=choices.brier_score),
    Metric("likelihood", of_choices=choices.likelihood),
    Metric("acc_mutual_info", of_choices=choices.acc_mutual_info),
    Metric("acc_all", of_generation=text.pair),
    Metric("word_perplexity", False, "weighted_perplexity", of_rolling=likelihood.per_word),
    Metric("byte_perplexity", False, "weighted_perplexity", of_rolling=likelihood.per_byte),
    Metric("bits_per_byte", False, "bits_per_byte", of_rolling=likelihood.per_byte),
    Metric("bleu", True, "bleu", of_generation=text.pair),
    Metric("chrf", True, "chrf", of_generation=text.pair),
    Metric("chrf++", True, "chrf++", of_generation=text.pair),
    Metric("ter", False, "ter", of_generation=text.pair),
    Metric("bypass", True, "bypass", of_generation=text.nothing),
)

METRICS: Mapping[str, Metric] = LM_EVAL_METRICS | _by_name(
    Metric("ece", False, "ece", aggregation_has_options=True, of_choices=choices.ece),
    Metric("exact_match_mc", of_choices=choices.exact_match, of_generation=text.same_text),
    Metric("logprob", of_choices=choices.logprob, of_target=likelihood.logprob),
    Metric("bpb", higher_is_better=False, of_choices=choices.bpb, of_target=likelihood.bpb),
    Metric("choice_logprob", of_choices=choices.choice_logprob),
    Metric("choice_prob_norm", of_choices=choices.choice_prob_norm),
    Metric("choice_logprob_norm", of_choices=choices.choice_logprob_norm),
    *(
        Metric(name, of_generation=partial(rouge, name), check_options=partial(check_rouge, name))
        for name in ("rouge1", "rouge2", "rougeL", "rougeLsum")
    ),
    Metric("math_equal", of_generation=math_equal, check_options=check_math_equal),
)

_PLACES = {name: place for place, name in enumerate(METRICS)}

DEFAULT_METRICS: Mapping[OutputType, tuple[str, ...]] = {
    "loglikelihood": ("perplexity", "acc"),
    "loglikelihood_rolling": ("word_perplexity", "byte_perplexity", "bits_per_byte"),
    "multiple_choice": ("acc", "acc_norm"),
    "generate_until": ("exact_match",),
}


def metric(name: str) -> Metric:
    """The metric called `name`; a MetricError names the nearest one if there is none."""
    if name not in METRICS:
        raise unknown_name("metric", name, METRICS)
    return METRICS[name]


def scores_choices(name: str) -> bool:
    """Whether there is a metric of this name of choices that are compared."""
    return name in METRICS and METRICS[name].of_choices is not None


def in_table_order(metrics: Iterable[Metric]) -> list[Metric]:
    """lm-eval's order, in which a document's scores are; those of others come last."""
    return sorted(metrics, key=lambda one: _PLACES.get(one.name, len(_PLACES)))


def no_score(name: str, output_type: OutputType) -> MetricError:
    """The error for a metric that gives no score where this is asked."""
    known = ", ".join(one.name for one in METRICS.values() if one.scores(output_type))
    return MetricError(f"{name} gives no score where output_type is {output_type}: {known} do.")
