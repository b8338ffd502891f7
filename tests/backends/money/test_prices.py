"""What tokens cost: the user's price, else the listed one, and never 0 for what is not known."""

from datetime import UTC, datetime
from typing import Any

import genai_prices
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.errors import BackendError
from backends.money.price_list import listed_price
from backends.money.price_lookup import offered_price
from backends.money.prices import Offer, Price, Usage, cost, parse_price

NIGHT, DAY = datetime(2026, 3, 2, 18, 0, tzinfo=UTC), datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
TOKENS = st.integers(0, 2_000_000)


def test_tokens_cost_by_the_million_and_cached_ones_have_their_own_rate() -> None:
    price = Price(input=2.0, output=10.0, cached=0.5)
    assert cost(price, Usage(tokens_in=1_000_000)) == 2.0
    assert cost(price, Usage(tokens_out=500_000)) == 5.0
    assert cost(price, Usage(tokens_in=1_000_000, tokens_cached=400_000)) == pytest.approx(1.2 + 0.2)


def test_cached_tokens_cost_as_others_where_no_rate_of_theirs_is_known() -> None:
    assert cost(Price(input=2.0), Usage(tokens_in=1_000_000, tokens_cached=1_000_000)) == 2.0
    assert cost(Price(input=2.0, cached=0.0), Usage(tokens_in=1_000_000, tokens_cached=1_000_000)) == 0.0


def test_hours_and_calls_cost_beside_tokens() -> None:
    assert cost(Price(hour=3.0), Usage(seconds=1800)) == 1.5
    assert cost(Price(input=1.0, request=0.012), Usage(tokens_in=1000)) == pytest.approx(0.013)


def test_an_unknown_price_is_unknown_and_not_nothing() -> None:
    assert listed_price("a-model-of-my-own", None) is None
    assert listed_price("gpt-4o", "a-provider-of-my-own") is None
    assert cost(None, Usage(tokens_in=1)) is None


def test_a_model_that_is_listed_without_prices_or_without_one_for_what_it_writes_has_none() -> None:
    usage = genai_prices.Usage(input_tokens=1000)
    assert genai_prices.calc_price(usage, "gpt-4o", provider_id="github-copilot").total_price == 0
    assert listed_price("gpt-4o", "github-copilot") is None
    assert listed_price("davinci", "azure") is None


def test_the_users_price_wins() -> None:
    mine = Price(input=1.0, output=1.0)
    offer = Offer("openai-chat:gpt-4o", "gpt-4o", "https://api.openai.com/v1")
    assert offered_price(offer, mine) == mine
    assert offered_price(offer, None) == listed_price("gpt-4o", "openai")


def test_a_listed_price_names_the_list_its_version_and_the_model() -> None:
    price = listed_price("gpt-4o-2024-08-06", "openai")
    assert price is not None
    assert (price.input, price.output, price.cached) == (2.5, 10.0, 1.25)
    assert price.source == f"genai-prices {genai_prices.__version__}, openai gpt-4o"


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("gpt-4o", "openai"),
        ("gemini-2.5-pro", "google"),
        ("claude-sonnet-4-5", "anthropic"),
        ("sonar", "perplexity"),
        ("openai/gpt-4o", "openrouter"),
        ("qwen/qwen3.7-flash", "openrouter"),
    ],
)
@given(TOKENS, TOKENS, st.floats(0, 1))
def test_calls_cost_what_the_list_itself_says(
    model: str, provider: str, tokens_in: int, tokens_out: int, cached: float
) -> None:
    usage = Usage(tokens_in, tokens_out, int(cached * tokens_in))
    price = listed_price(model, provider, at=DAY)
    listed = genai_prices.calc_price(
        genai_prices.Usage(
            input_tokens=usage.tokens_in,
            output_tokens=usage.tokens_out,
            cache_read_tokens=usage.tokens_cached,
        ),
        model,
        provider_id=provider,
        genai_request_timestamp=DAY,
    )
    assert cost(price, usage) == pytest.approx(float(listed.total_price))


def test_a_long_call_costs_more_as_a_whole() -> None:
    price = listed_price("gemini-2.5-pro", "google")
    assert cost(price, Usage(tokens_in=200_000)) == pytest.approx(0.25)
    assert cost(price, Usage(tokens_in=200_001)) == pytest.approx(0.5000025)


def test_a_price_that_depends_on_the_time_of_day_is_the_dearest_at_any_time() -> None:
    by_night = listed_price("deepseek-chat", "deepseek", at=NIGHT)
    assert by_night is not None
    assert by_night == listed_price("deepseek-chat", "deepseek", at=DAY)
    assert (by_night.input, by_night.output) == (0.27, 1.1)
    assert by_night.source.endswith("deepseek deepseek-chat, the dearest of the day")


def test_users_write_prices_by_tokens_and_by_the_hour() -> None:
    assert parse_price({"in": 0.15, "out": 0.6, "cached": 0.075}) == Price(0.15, 0.6, 0.075, source="given")
    assert parse_price({"hour": 2.5}) == Price(hour=2.5)
    assert parse_price({"in": 1, "out": 0, "hour": 2}) == Price(1.0, 0.0, hour=2.0)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"in": 1, "out": 1, "cach": 0.1}, "no key 'cach'; did you mean 'cached'?"),
        ({"in": 1, "output": 2}, "no key 'output'; did you mean 'out'?"),
        ({"in": -0.1, "out": 1}, "'in' is USD, a number of 0 or more, not -0.1"),
        ({"in": "cheap", "out": 1}, "'in' is USD, a number of 0 or more, not 'cheap'"),
        ({"hour": True}, "'hour' is USD"),
        ({"hour": float("nan")}, "'hour' is USD"),
        ({"hour": float("inf")}, "'hour' is USD"),
        ({"in": 1}, "needs both 'in' and 'out'"),
        ({"out": 1}, "needs both 'in' and 'out'"),
        ({"cached": 1, "hour": 1}, "needs both 'in' and 'out'"),
        ({}, "the price is empty"),
    ],
)
def test_a_wrong_price_is_refused_with_what_would_be_right(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(BackendError, match=said.replace("?", r"\?")):
        parse_price(fields)
