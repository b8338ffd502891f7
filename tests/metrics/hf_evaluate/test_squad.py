"""SQuAD 2.0's exact match and F1."""

import pytest

from metrics.hf_evaluate.squad import compute_exact, compute_f1, normalize_answer


def test_case_punctuation_articles_and_white_space_do_not_count() -> None:
    assert normalize_answer("  The  U.S.\tArmy, an\narmy ") == "us army army"
    assert normalize_answer("theory of Anna") == "theory of anna"
    assert normalize_answer("¿Qué? Été") == "¿qué été"


@pytest.mark.parametrize(
    ("gold", "said", "exact", "f1"),
    [
        ("The cat", "a cat!", 1, 1),
        ("cat sat", "cat sat down", 0, 0.8),
        ("cat cat", "cat", 0, 2 / 3),
        ("cat", "dog", 0, 0),
        ("", "", 1, 1),
        ("the", "an", 1, 1),
        ("", "cat", 0, 0),
        ("cat", "...", 0, 0),
    ],
)
def test_scores_of_an_answer(gold: str, said: str, exact: int, f1: float) -> None:
    assert compute_exact(gold, said) == exact
    assert compute_f1(gold, said) == pytest.approx(f1)
