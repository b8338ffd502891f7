"""Scores of documents against lm-eval's `process_results`."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.scores.choices import resolve_gold
from metrics.scores.registry import DEFAULT_METRICS, LM_EVAL_METRICS, METRICS
from metrics.scores.text import exact_match, match_type
from tests.support.packages import needed
from tests.support.scores import (
    CHOICE_METRICS,
    choice_scores,
    loglikelihood_scores,
    rolling_scores,
    text_scores,
)

needed("lm_eval", reason="compares with lm-eval, which is not installed")

pytestmark = pytest.mark.parity

logprobs = st.floats(-200, 0).map(lambda value: round(value, 3))
texts = st.text("abAB .,!'12İßéΣ\0", max_size=8) | st.text(max_size=6)
golds = st.integers(-1, 6)


@pytest.fixture(scope="module")
def oracle() -> Any:
    """lm-eval's scoring of one document, without the data set that its constructor wants."""
    from lm_eval.api.registry import get_metric
    from lm_eval.api.task import ConfigurableTask

    class Oracle(ConfigurableTask):  # type: ignore[misc]
        def __init__(
            self,
            output_type: str,
            metrics: Any,
            gold: Any,
            choices: Any = None,
            multiple: bool = False,
            options: Any = None,
        ) -> None:
            self.OUTPUT_TYPE = output_type
            self._config = SimpleNamespace(process_results=None, doc_to_choice=None)
            self._metric_fn_list = {name: get_metric(name) for name in metrics}
            self._metric_fn_kwargs = {name: options or {} for name in metrics}
            self._aggregation_list: dict[str, Any] = {}
            self._higher_is_better: dict[str, Any] = {}
            self.multiple_input, self.multiple_target = 0, multiple
            self.doc_to_target = lambda doc: gold
            self.doc_to_choice = lambda doc: choices

    return lambda results, *args, **kwargs: Oracle(*args, **kwargs).process_results({}, results)


def plain(scores: Any) -> Any:
    return {
        name: tuple(np.asarray(part).tolist() for part in value) if isinstance(value, tuple) else value
        for name, value in scores.items()
    }


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.tuples(logprobs, st.booleans(), st.text(min_size=1, max_size=5)), min_size=2, max_size=5),
    st.data(),
)
def test_choice_scores_are_lm_evals(oracle: Any, answers: Any, data: Any) -> None:
    lls, greedy, choices = (list(column) for column in zip(*answers, strict=True))
    multiple = data.draw(st.booleans())
    if multiple:
        gold = data.draw(st.lists(st.integers(0, 6), min_size=1, max_size=3))
    else:
        gold = data.draw(golds | st.sampled_from(choices) | st.text(max_size=1))
    names = set(CHOICE_METRICS) & set(LM_EVAL_METRICS) - {"acc_mutual_info"}
    expected = oracle(
        list(zip(lls, greedy, strict=True)),
        "multiple_choice",
        names,
        gold,
        choices=choices,
        multiple=multiple,
    )
    resolved = resolve_gold(gold, choices)
    ours = choice_scores(lls, greedy, choices, resolved, multiple_targets=multiple, metrics=names)
    assert plain(ours) == plain(expected)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(logprobs, logprobs), min_size=2, max_size=5), st.integers(0, 4))
def test_mutual_information_is_lm_evals(oracle: Any, pairs: Any, gold: Any) -> None:
    lls, unconditional = (list(column) for column in zip(*pairs, strict=True))
    choices = ["x"] * len(lls)
    results = [(ll, False) for ll in lls + unconditional]
    ours = choice_scores(
        lls,
        [False] * len(lls),
        choices,
        resolve_gold(gold, choices),
        multiple_targets=False,
        metrics=["acc_mutual_info"],
        unconditional=unconditional,
    )
    assert ours == oracle(results, "multiple_choice", ["acc_mutual_info"], gold, choices=choices)


@settings(deadline=None)
@given(logprobs, st.booleans(), texts)
def test_likelihood_scores_are_lm_evals(oracle: Any, ll: Any, greedy: Any, text: str) -> None:
    names = DEFAULT_METRICS["loglikelihood"]
    assert loglikelihood_scores(ll, greedy, names) == oracle([(ll, greedy)], "loglikelihood", names, "")
    names = DEFAULT_METRICS["loglikelihood_rolling"]
    assert rolling_scores(ll, text, names) == oracle([ll], "loglikelihood_rolling", names, text)


EXACT_MATCH_OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "ignore_case": st.booleans(),
        "ignore_punctuation": st.booleans(),
        "ignore_numbers": st.booleans(),
        "regexes_to_ignore": st.sampled_from([None, [r"\s"], ["a", r"\d+"]]),
    },
)


@settings(deadline=None, max_examples=500)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=4), EXACT_MATCH_OPTIONS)
def test_exact_match_is_lm_evals(pairs: Any, options: dict[str, Any]) -> None:
    from lm_eval.api.metrics import exact_match_hf_evaluate

    for mirrored in (pairs, [(text, text.upper()) for text, _ in pairs]):
        references, predictions = (list(column) for column in zip(*mirrored, strict=True))
        expected = exact_match_hf_evaluate(predictions, references, **options)["exact_match"]
        assert exact_match(references, predictions, **options) == expected


@pytest.mark.parametrize(
    ("gold", "prediction"),
    [("i", "İ"), ("i", "İx"), ("İ", "İ\0"), ("a", "a\0"), ("a", "\0a"), ("a", "a\0!"), ("ß", "SS")],
)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"ignore_case": True},
        {"ignore_punctuation": True},
        {"ignore_case": True, "regexes_to_ignore": ["b"]},
        {"ignore_case": True, "regexes_to_ignore": ["b", "c"]},
    ],
)
def test_exact_match_has_the_corners_of_numpys_texts(
    gold: Any, prediction: Any, options: dict[str, Any]
) -> None:
    from lm_eval.api.metrics import exact_match_hf_evaluate

    expected = exact_match_hf_evaluate([prediction], [gold], **options)["exact_match"]
    assert exact_match([gold], [prediction], **options) == expected


@settings(deadline=None, max_examples=300)
@given(
    gold=texts | st.integers(0, 12) | st.floats(0, 3),
    prediction=texts | st.sampled_from(["1", "12", "2.0"]) | st.lists(texts, min_size=1, max_size=3),
    options=EXACT_MATCH_OPTIONS,
)
def test_a_generated_text_is_scored_as_in_lm_eval(
    oracle: Any, gold: Any, prediction: Any, options: dict[str, Any]
) -> None:
    if isinstance(prediction, list):
        options = {}
    expected = oracle([prediction], "generate_until", ["exact_match"], gold, options=options)
    assert (
        text_scores("exact_match", match_type(gold, prediction), prediction, options)
        == expected["exact_match"]
    )


@settings(deadline=None)
@given(st.lists(texts, min_size=1, max_size=3), texts, EXACT_MATCH_OPTIONS)
def test_several_targets_are_scored_as_in_lm_eval(
    oracle: Any, gold: Any, prediction: Any, options: dict[str, Any]
) -> None:
    expected = oracle([prediction], "generate_until", ["exact_match"], gold, multiple=True, options=options)
    ours = text_scores("exact_match", gold, prediction, options, multiple_targets=True)
    assert ours == expected["exact_match"]


@pytest.mark.parametrize("name", ["bleu", "chrf", "chrf++", "ter", "acc", "f1", "bypass"])
def test_metrics_over_the_corpus_pass_on_what_lm_eval_does(oracle: Any, name: str) -> None:
    expected = oracle(["said"], "generate_until", [name], "gold", options={"ignore_case": True})
    assert {name: text_scores(name, "gold", "said", {"ignore_case": True})} == expected


def test_the_registered_metrics_are_lm_evals() -> None:
    import lm_eval.api.metrics  # noqa: F401
    from lm_eval.api import registry

    for name, definition in LM_EVAL_METRICS.items():
        assert definition.higher_is_better == registry.is_higher_better(name), name
        aggregate = registry.get_metric_aggregation(name)
        assert aggregate is registry.get_aggregation(definition.aggregation), name
    assert set(LM_EVAL_METRICS) == set(registry.metric_registry)
    for output_type, names in registry.DEFAULT_METRIC_REGISTRY.items():
        assert DEFAULT_METRICS[output_type] == tuple(names)
        assert METRICS.keys() >= set(names)
