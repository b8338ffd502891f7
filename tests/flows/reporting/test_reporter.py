"""The time left: never negative, less with each answer, and none before the first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.requests import RequestKind
from flows.reporting.progress_bar import reporting
from flows.reporting.reporter import RELATIVE_COST, Reporter, Work, reporter

KINDS: list[RequestKind] = list(RELATIVE_COST)
# Requests that are prepared and how many of them are answered and reused; seconds each takes.
PARTS = st.tuples(
    st.sampled_from(KINDS),
    st.integers(0, 1000),
    st.integers(0, 1000),
    st.integers(0, 1000),
    st.floats(0, 1e4),
)


def work(total: int, kind: RequestKind = "loglikelihood") -> Work:
    made = Work()
    made.total[kind] = total
    return made


def test_there_is_no_estimate_before_an_answer() -> None:
    planned = work(10)
    assert Work().seconds_left() is None
    assert planned.seconds_left() is None
    planned.reused("loglikelihood", 5)
    assert planned.seconds_left() is None


def test_the_rest_takes_as_long_a_request_as_those_before_it() -> None:
    planned = work(10)
    planned.answered("loglikelihood", 4, 8.0)
    assert planned.seconds_left() == 12.0


def test_reused_answers_shorten_the_rest_but_say_nothing_of_the_pace() -> None:
    planned = work(10)
    planned.answered("loglikelihood", 2, 4.0)
    planned.reused("loglikelihood", 5)
    assert planned.seconds_left() == 6.0


def test_a_kind_that_was_not_timed_is_guessed_from_the_others() -> None:
    planned = work(10)
    planned.total["generate_until"] = 3
    planned.answered("loglikelihood", 10, 5.0)
    guessed = planned.seconds_left()
    assert guessed == pytest.approx(3 * 0.5 * RELATIVE_COST["generate_until"])
    planned.answered("generate_until", 1, 100.0)
    assert planned.seconds_left() == pytest.approx(200.0)


@given(st.lists(PARTS, max_size=12))
def test_an_estimate_is_never_negative_and_zero_when_all_is_done(
    parts: list[tuple[RequestKind, int, int, int, float]],
) -> None:
    planned = Work()
    for kind, open_, answered, reused, seconds in parts:
        planned.total[kind] += open_ + answered + reused
        planned.reused(kind, reused)
        planned.answered(kind, answered, answered * seconds)
        left = planned.seconds_left()
        assert left is None or left >= 0
    for kind in KINDS:
        planned.reused(kind, planned.total[kind] - planned.done[kind])
    assert planned.seconds_left() in (None, 0)


@given(st.sampled_from(KINDS), st.floats(1e-3, 1e3), st.lists(st.integers(1, 500), min_size=2, max_size=20))
def test_at_a_steady_pace_the_estimate_counts_down_to_zero(
    kind: RequestKind, pace: float, batches: list[int]
) -> None:
    planned = work(sum(batches), kind)
    estimates = []
    for batch in batches:
        planned.answered(kind, batch, batch * pace)
        estimates.append(planned.seconds_left())
    rest = [sum(batches[i + 1 :]) for i in range(len(batches))]
    assert estimates == pytest.approx([count * pace for count in rest])


def test_outside_a_run_events_go_nowhere() -> None:
    silent = reporter()
    silent.prepared("loglikelihood", 3)
    silent.say("lost")
    assert reporter() is not silent
    assert reporter().work.total == {}


@pytest.mark.parametrize("show", [False, True])
def test_a_run_has_one_reporter_until_it_ends(show: bool) -> None:
    with reporting(show) as current:
        assert reporter() is current
        with reporting(False) as inner:
            assert reporter() is inner
        assert reporter() is current
    assert reporter() is not current


@pytest.mark.parametrize("show", [False, True])
def test_a_reporter_counts_what_is_prepared_answered_and_reused(show: bool) -> None:
    with reporting(show) as current:
        current.working_on("gsm8k [1/2]")
        current.prepared("generate_until", 5)
        current.answered("generate_until", 2, 1.0)
        current.reused("generate_until", 1)
        assert current.work.seconds_left() == 1.0


def test_a_line_that_is_said_stays_on_standard_error_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    line = "made: [bold]not[/bold] a mark " + "x" * 200
    with reporting(True) as shown:
        shown.say(line)
    with reporting(False) as silent:
        silent.say("nothing")
    out, err = capsys.readouterr()
    assert out == ""
    assert line in err.splitlines()
    assert "nothing" not in err


def test_a_plain_reporter_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    plain = Reporter()
    plain.prepared("loglikelihood", 2)
    plain.answered("loglikelihood", 2, 1.0)
    plain.working_on("gsm8k")
    assert capsys.readouterr() == ("", "")
