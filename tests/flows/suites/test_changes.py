"""What changed since an earlier run of a suite: what is a regression, what not, and what cannot be said."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from flows.common.errors import ResultError
from flows.comparing.difference import Difference
from flows.specs.suite import SuiteSpec
from flows.suites.changes import Change, Changes
from flows.suites.result import SuiteResult
from metrics.statistics.intervals import Interval
from metrics.statistics.paired import Paired
from tests.support.lab import Lab
from tests.support.nights import DOCS, TASK, Nights

SPEC = SuiteSpec.model_validate(
    {"name": "s", "models": ["baseline:random"], "tasks": ["arc"], "tolerance": 0.02}
)


@pytest.fixture
def nights(lab: Lab) -> Nights:
    return Nights(lab)


def change(p: float, difference: float = -0.1, higher_is_better: bool = True) -> Change:
    return Change(
        "m",
        "arc",
        "same",
        "acc",
        "none",
        "before",
        0.5,
        0.4,
        difference,
        p=p,
        higher_is_better=higher_is_better,
    )


def test_a_first_run_says_that_there_is_nothing_to_compare_with(nights: Nights) -> None:
    first = nights.run(nights.spec(nights.model("m", wrong=0)))
    assert first.changes.is_first
    assert "No earlier run of this suite" in first.text()
    assert SuiteResult.open(first.folder).text() == first.text()


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [(0, 3, "same"), (0, 20, "regression"), (20, 0, "improvement"), (7, 7, "same")],
)
def test_a_change_in_few_documents_is_none_and_one_in_many_is(
    nights: Nights, before: int, now: int, verdict: str
) -> None:
    spec = nights.spec(nights.model("m", wrong=before))
    first = nights.run(spec)
    nights.model("m", wrong=now)
    second = nights.run(spec)
    (found,) = second.changes.changes
    assert (found.verdict, found.since) == (verdict, first.folder.name)
    assert found.difference == pytest.approx((before - now) / DOCS)
    assert found.low is not None
    assert found.low <= (before - now) / DOCS
    assert [one.verdict for one in second.changes.regressions] == (["regression"] if now == 20 else [])
    assert verdict in second.text()


def test_what_cannot_be_compared_is_said_and_no_regression(nights: Nights) -> None:
    spec = nights.spec(nights.model("m", wrong=0))
    nights.run(spec)
    other = [
        {"question": f"other {i}?", "choices": [f"yes {i}", f"no {i}"], "answer": i % 2} for i in range(DOCS)
    ]
    nights.lab.write_data(TASK, other)
    renamed = nights.model("m", wrong=30, task="other")
    second = nights.run(nights.spec(renamed))
    (found,) = second.changes.changes
    assert found.verdict == "not compared"
    assert "other documents" in str(found.reason)
    assert f"m: {TASK} is not compared: other documents" in second.text()


def test_a_night_in_which_a_model_failed_is_skipped_and_hides_nothing(nights: Nights) -> None:
    spec = nights.spec(nights.model("m", wrong=0))
    first = nights.run(spec)
    away = nights.fail(spec)
    assert away.changes.changes == []
    nights.model("m", wrong=30)
    third = nights.run(spec)
    (found,) = third.changes.regressions
    assert found.since == first.folder.name


def test_a_run_that_was_tidied_away_is_skipped(nights: Nights) -> None:
    spec = nights.spec(nights.model("m", wrong=0))
    first = nights.run(spec)
    second = nights.run(spec)
    shutil.rmtree(str(second.folder / "runs"))
    third = nights.run(spec)
    assert [one.since for one in third.changes.changes] == [first.folder.name]


@pytest.mark.parametrize("damage", ['{"suite": ', "[]", '{"models": [{"name": 3}]}', "\ud800"])
def test_a_damaged_board_is_said_and_the_night_before_it_is_compared(
    nights: Nights, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    spec = nights.spec(nights.model("m", wrong=0))
    first = nights.run(spec)
    second = nights.run(spec)
    Path(str(second.folder / "leaderboard.json")).write_text(damage, errors="surrogatepass")
    third = nights.run(spec)
    assert [one.since for one in third.changes.changes] == [first.folder.name]
    assert "leaderboard.json is damaged, or of another kind" in caplog.text
    with pytest.raises(ResultError, match=r"leaderboard\.json is damaged"):
        SuiteResult.open(second.folder)


def test_a_model_is_found_again_by_its_name(nights: Nights) -> None:
    old, new = nights.model("old", wrong=0), nights.model("new", wrong=30)
    nights.run(nights.spec({**old, "name": "production"}))
    second = nights.run(nights.spec({**new, "name": "production"}, new))
    assert [(one.model, one.verdict) for one in second.changes.changes] == [
        ("production", "regression"),
        ("new", "first"),
    ]


def test_among_many_comparisons_a_small_p_value_is_no_news() -> None:
    alone = Changes.judge([change(0.03)], SPEC)
    assert [one.verdict for one in alone.changes] == ["regression"]
    among = Changes.judge([change(0.03), *(change(0.5) for _ in range(9))], SPEC)
    assert among.regressions == []
    assert among.changes[0].p_holm == pytest.approx(0.3)


def test_a_change_within_the_tolerance_is_none_however_sure() -> None:
    tolerant = SPEC.model_copy(update={"tolerances": {"arc": 0.2}})
    within = change(1e-9, difference=-0.02)
    assert Changes.judge([within], SPEC).regressions == []
    assert len(Changes.judge([change(1e-9, difference=-0.03)], SPEC).regressions) == 1
    assert Changes.judge([change(1e-9, difference=-0.19)], tolerant).regressions == []


def test_of_a_metric_where_lower_is_better_more_is_worse() -> None:
    found = Changes.judge(
        [change(1e-9, 0.5, higher_is_better=False), replace(change(1e-9, 0.5), model="n")], SPEC
    )
    assert [one.verdict for one in found.changes] == ["regression", "improvement"]


def found_of(permutation_p: float, t_p: float | None) -> Difference:
    paired = Paired(
        documents=100,
        difference=-0.1,
        higher=10,
        lower=20,
        stderr=0.01,
        interval=Interval(-0.12, -0.08),
        t_p=t_p,
        permutation_p=permutation_p,
        mcnemar_p=None,
    )
    return Difference("arc", "arc", 0, "none", "f1", True, 0.5, 0.4, paired)


def test_a_p_value_that_resampling_cannot_tell_is_taken_from_the_t_test() -> None:
    assert Change.between("m", "before", found_of(1e-4, 1e-12)).p == 1e-12
    assert Change.between("m", "before", found_of(2e-4, 1e-12)).p == 2e-4
    assert Change.between("m", "before", found_of(1e-4, None)).p == 1e-4


def test_a_score_that_is_no_mean_is_not_compared() -> None:
    bare = replace(found_of(0.5, 0.5), paired=None)
    made = Change.between("m", "before", bare)
    assert (made.verdict, made.reason) == ("not compared", "f1 is no mean of the documents' scores")
    assert (made.before, made.now) == (0.5, 0.4)
