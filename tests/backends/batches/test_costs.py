"""What batches cost, and that they keep to a budget."""

from pathlib import Path

import pytest

from backends.money.budget import Budget, Limits
from backends.money.prices import Price
from backends.money.purse import Purse
from backends.protocol import AskContext
from tests.backends.batches.asking import (
    REQUESTS,
    ask_and_stop,
    asked,
    opened,
    with_limit,
)
from tests.support.endpoints.endpoint import Endpoint

# What it costs


def purse(tokens: int) -> Purse:
    prices = {"openai-batch:gpt-4o-mini": Price(1.0, 1.0)}
    return Purse(Budget(Limits(tokens=tokens)), prices, ["task"] * len(REQUESTS))


def test_what_is_handed_in_stays_within_the_budget(endpoint: Endpoint, home: Path) -> None:
    used = purse(tokens=150)
    responses = asked(
        opened(endpoint, home), [with_limit(request, 64) for request in REQUESTS], AskContext(used)
    )
    done = [response for response in responses if response.is_scorable]
    assert 0 < len(done) < len(REQUESTS)
    assert {response.status for response in responses} == {"answer", "skipped"}
    taken = sum(response.tokens_in + response.tokens_out for response in done)
    assert used.budget.spent().tokens == taken <= 150
    assert endpoint.counts()["arrived"] == len(done)


@pytest.mark.parametrize("tokens", [10_000, 10])
def test_answers_of_an_earlier_start_come_and_are_counted_also_over_the_budget(
    endpoint: Endpoint, home: Path, tokens: int
) -> None:
    ask_and_stop(opened(endpoint, home))
    used = purse(tokens=tokens)
    responses = asked(opened(endpoint, home), context=AskContext(used))
    taken = sum(response.tokens_in + response.tokens_out for response in responses)
    assert used.budget.spent().tokens == taken
    assert used.budget.spent().usd == pytest.approx(taken / 1e6)


def test_a_batch_costs_half(endpoint: Endpoint, home: Path) -> None:
    (offer,) = opened(endpoint, home).capabilities.offers
    assert offer.share == 0.5
