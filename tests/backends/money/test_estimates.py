"""What a call will take: rules of thumb first, then what calls like it took."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.errors import BackendError
from backends.money.estimates import Experience, estimated, plausible
from backends.money.prices import Usage

CALLS = st.lists(
    st.tuples(
        st.integers(1, 10_000),
        st.sampled_from(["greedy", "sampled"]),
        st.builds(
            Usage,
            tokens_in=st.integers(1, 5000),
            tokens_out=st.integers(0, 500),
            tokens_cached=st.just(1),
            seconds=st.floats(0, 60),
        ),
    ),
    max_size=50,
)


def after(*calls: tuple[int, str, Usage]) -> Experience:
    experience = Experience()
    for prompt_bytes, key, usage in calls:
        experience = experience.after(prompt_bytes, key, usage)
    return experience


def test_without_experience_a_reservation_is_a_token_in_two_bytes_and_all_that_may_be_written() -> None:
    reserved = Experience().reserved(1001, 256, "greedy")
    assert (reserved.tokens_in, reserved.tokens_out, reserved.tokens_cached) == (501, 256, 0)


def test_without_experience_a_token_in_four_bytes_is_expected() -> None:
    assert Experience().expected(1000, 256, "greedy") == Usage(250, 256)


def test_twenty_answers_show_what_to_reserve() -> None:
    call = (100, "greedy", Usage(tokens_in=25, tokens_out=40))
    assert after(*[call] * 19).reserved(1000, 256, "greedy").tokens_in == 500
    assert after(*[call] * 19).reserved(1000, 256, "greedy").tokens_out == 256
    dense, long = (100, "greedy", Usage(30, 40)), (100, "greedy", Usage(25, 100))
    reserved = after(dense, long, *[call] * 18).reserved(1000, 256, "greedy")
    assert reserved.tokens_in == math.ceil(1.1 * 0.3 * 1000)
    assert reserved.tokens_out == 125


def test_no_more_is_reserved_than_may_be_written() -> None:
    assert after(*[(100, "greedy", Usage(25, 250))] * 20).reserved(100, 256, "greedy").tokens_out == 256


def test_what_thinking_wrote_on_top_of_the_limit_is_reserved_as_well() -> None:
    assert after(*[(100, "greedy", Usage(25, 900))] * 2).reserved(100, 256, "greedy").tokens_out == 900
    assert after(*[(100, "greedy", Usage(25, 900))] * 20).reserved(100, 256, "greedy").tokens_out == 900


def test_answers_of_one_key_say_nothing_of_the_length_of_anothers() -> None:
    experience = after(*[(100, "greedy", Usage(25, 10, seconds=1.0))] * 20)
    assert experience.reserved(100, 256, "sampled").tokens_out == 256
    assert experience.expected(100, 256, "sampled").tokens_out == 256
    assert experience.expected(100, 256, "greedy").tokens_out == 10


def test_the_mean_is_expected_of_tokens_cached_tokens_and_seconds() -> None:
    experience = after(
        (100, "greedy", Usage(tokens_in=20, tokens_out=10, tokens_cached=0, seconds=1.0)),
        (300, "greedy", Usage(tokens_in=80, tokens_out=30, tokens_cached=50, seconds=5.0)),
    )
    assert experience.expected(1000, 256, "greedy") == Usage(250, 20, 125, pytest.approx(3.0))  # type: ignore[arg-type]


def test_time_goes_by_tokens_where_any_are_written_and_else_by_the_call() -> None:
    written = after((100, "greedy", Usage(25, 10, seconds=2.0)))
    assert written.expected(100, 50, "sampled").seconds == pytest.approx(10.0)
    read = after(
        (100, "loglikelihood", Usage(25, 0, seconds=0.5)), (9, "loglikelihood", Usage(3, seconds=1.5))
    )
    assert read.expected(100, 0, "loglikelihood").seconds == pytest.approx(1.0)


@given(CALLS, st.integers(0, 10_000), st.integers(0, 500))
def test_what_is_reserved_is_no_less_than_any_call_like_it_took(
    calls: list[tuple[int, str, Usage]], prompt_bytes: int, max_tokens: int
) -> None:
    experience = after(*calls)
    reserved = experience.reserved(prompt_bytes, max_tokens, "greedy")
    assert reserved.tokens_out >= max([one.tokens_out for _, key, one in calls if key == "greedy"], default=0)
    if len(calls) >= 20:
        assert reserved.tokens_in >= max(one.tokens_in / size for size, _, one in calls) * prompt_bytes


@given(CALLS)
def test_experience_survives_json_and_goes_on(calls: list[tuple[int, str, Usage]]) -> None:
    experience = after(*calls)
    kept = Experience.from_json(json.loads(json.dumps(experience.to_json())))
    assert kept == experience
    more = (100, "greedy", Usage(25, 10, 5, 1.0))
    assert kept.after(*more) == experience.after(*more)


def test_an_older_experience_stays_as_it_was() -> None:
    before = after((100, "greedy", Usage(25, 10)))
    was = before.to_json()
    before.after(100, "greedy", Usage(50, 20))
    assert before.to_json() == was


@pytest.mark.parametrize(
    ("value", "said"), [([], "dict"), ({"prompts": "many"}, "prompts"), ({"answers": {"a": 3}}, "answers.a")]
)
def test_a_damaged_experience_is_refused(value: Any, said: str) -> None:
    with pytest.raises(BackendError, match=said):
        Experience.from_json(value)


@pytest.mark.parametrize(
    ("usage", "prompt_bytes", "max_tokens", "can_be"),
    [
        (Usage(25, 10), 100, 10, True),
        (Usage(25, 26), 100, 10, True),
        (Usage(25, 27), 100, 10, False),
        (Usage(25, 10**6), 100, None, True),
        (Usage(2400, 0), 100, 10, True),
        (Usage(2401, 0), 100, 10, False),
        (Usage(0, 10), 100, 10, False),
        (Usage(0, 10), 0, 10, True),
        (Usage(-1, 10), 0, 10, False),
        (Usage(25, -1), 100, 10, False),
        (Usage(25, 10, 25), 100, 10, True),
        (Usage(25, 10, 26), 100, 10, False),
        (Usage(25, 10, -1), 100, 10, False),
        (Usage(25, 16), 100, 0, True),
        (Usage(25, 17), 100, 0, False),
    ],
)
def test_a_count_that_cannot_be_right_is_told(
    usage: Usage, prompt_bytes: int, max_tokens: int | None, can_be: bool
) -> None:
    assert plausible(usage, prompt_bytes, max_tokens) is can_be


@pytest.mark.parametrize("count", [25.0, True, "25", None])
def test_only_whole_numbers_count(count: Any) -> None:
    assert not plausible(Usage(count, 10), 100, 10)
    assert not plausible(Usage(25, count), 100, 100)


def test_thinking_may_come_on_top_of_what_was_allowed() -> None:
    assert plausible(Usage(25, 5000), 100, 10, reasoning=True)
    assert not plausible(Usage(25, 5000), 100, 10)


def test_tokens_that_nobody_counted_are_a_quarter_of_the_bytes() -> None:
    assert estimated(5, "") == (2, 0)
    assert estimated(6, "四字") == (2, 2)
    assert estimated(3, "\ud800") == (1, 1)
