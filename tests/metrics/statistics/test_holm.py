"""Several tests at once."""

import pytest

from metrics.statistics.holm import holm


def test_holm_gives_the_numbers_of_a_worked_example() -> None:
    # Four tests at once: 0.01 x 4, 0.02 x 3, 0.03 x 2, 0.04 x 1, none below the one before it.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])


def test_no_adjusted_p_value_is_above_one_and_none_is_below_its_own() -> None:
    p_values = [0.9, 0.5, 0.001, 1.0, 0.5]
    adjusted = holm(p_values)
    assert all(before <= after <= 1 for before, after in zip(p_values, adjusted, strict=True))


def test_one_test_alone_is_not_corrected() -> None:
    assert holm([0.03]) == [0.03]
    assert holm([]) == []
