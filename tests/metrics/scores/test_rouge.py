"""ROUGE through the registered metrics: values worked out by hand."""

from typing import Any

import pytest

from metrics.errors import MetricError
from metrics.scores.registry import METRICS
from tests.support.packages import needed
from tests.support.scores import text_scores

needed("rouge_score", reason="compares with rouge_score, which is not installed")


def score(name: str, gold: Any, prediction: str, several: bool = False, **options: Any) -> Any:
    return text_scores(name, gold, prediction, options, multiple_targets=several)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # the cat sat on the mat / the cat lay on a mat
        ("rouge1", 4 / 6),  # the, cat, on, mat
        ("rouge2", 1 / 5),  # the cat
        ("rougeL", 4 / 6),  # the cat on mat
    ],
)
def test_rouge_by_hand(name: str, expected: Any) -> None:
    assert score(name, "The cat sat on the mat.", "the cat lay on a mat") == pytest.approx(expected)
    assert METRICS[name].aggregation == "mean"


def test_it_is_the_f1_of_precision_and_recall() -> None:
    assert score("rouge1", "a b c d", "a b") == pytest.approx(2 / 3)  # precision 1, recall 1/2


def test_only_the_sum_over_lines_sees_lines_in_another_order() -> None:
    gold, prediction = "one two three\nfour five six", "four five six\none two three"
    assert score("rougeL", gold, prediction) == pytest.approx(0.5)
    assert score("rougeLsum", gold, prediction) == pytest.approx(1.0)


def test_of_several_targets_the_best_counts() -> None:
    assert score("rouge1", ["x", "a b"], "a b", several=True) == 1.0
    assert score("rouge1", ["a b", "x"], "a b", several=True) == 1.0
    assert score("rouge1", "a b", "a b", several=True) == 1.0


def test_words_keep_their_endings_unless_asked() -> None:
    assert score("rouge1", "running dogs", "run dog") == 0.0
    assert score("rouge1", "running dogs", "run dog", use_stemmer=True) == 1.0


def test_no_words_score_nothing() -> None:
    assert score("rougeL", "a", "") == 0.0
    assert score("rougeL", "", "") == 0.0


@pytest.mark.parametrize(
    ("gold", "prediction", "options", "message"),
    [
        ("a", "a", {"use_stemer": True}, "did you mean 'use_stemmer'"),
        ("a", "a", {"use_stemmer": "yes"}, "true or false"),
        ("a", ["a", "b"], {}, "take_first"),
        (None, "a", {}, "target texts"),
    ],
)
def test_what_cannot_be_scored_is_a_metric_error(
    gold: Any, prediction: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(MetricError, match=message):
        score("rouge1", gold, prediction, **options)


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MetricError, match=r"pip install 'assay-eval\[rouge\]'"):
        score("rougeL", "a", "a")
