"""Several runs at once on one home."""

from pathlib import Path

import pytest

from tests.support.lab import Lab, finish

SLOW_MODEL = "scripted:hash?batch_size=4&delay=0.1"


@pytest.fixture
def expected(lab: Lab, tmp_path: Path) -> object:
    """The scores of a run of its own."""
    lab.add_choices("facts", 10)
    lab.add_texts("sums", 30)
    return lab.undisturbed(tmp_path / "other", "facts,sums")


def test_two_runs_at_once_are_both_right(lab: Lab, expected: object) -> None:
    processes = [lab.start(tasks="facts,sums", model=SLOW_MODEL) for _ in range(2)]
    ended = [finish(process) for process in processes]
    assert [one.status for one in ended] == [0, 0], ended
    assert lab.all_results == [expected, expected]
    asked = lab.asked
    assert 50 <= asked <= 100
    assert lab.evaluate("facts,sums").results["results"] == expected
    assert lab.asked == asked, "an answer was lost"


def test_two_runs_may_make_the_home_at_the_same_moment(lab: Lab, expected: object, tmp_path: Path) -> None:
    home = str(tmp_path / "new")
    processes = [lab.start(tasks="facts,sums", ASSAY_HOME=home) for _ in range(2)]
    ended = [finish(process) for process in processes]
    assert [one.status for one in ended] == [0, 0], ended
    assert lab.all_results == [expected, expected]


def test_runs_of_two_models_do_not_answer_for_each_other(lab: Lab, expected: object) -> None:
    models = ("scripted:hash?version=1", "scripted:hash?version=2")
    for process in [lab.start(tasks="facts,sums", model=model) for model in models]:
        assert finish(process).status == 0
    assert lab.asked == 100
    assert [one for one in lab.all_results if one == expected] == [expected]
