"""What calls cost stays within the budget of whoever asks."""

import time
from collections.abc import Mapping

import pytest

from backends.money.budget import Budget, Limits, Spend
from backends.money.prices import Price
from backends.money.purse import Purse
from backends.protocol import AskContext, ask
from backends.requests import Request, Response
from tests.support.asking import Open, answers, questions, truth
from tests.support.endpoints.answers import chat_prompt, count_tokens
from tests.support.endpoints.endpoint import Endpoint

MODEL = "openai-chat:m"
PRICE = Price(input=2.0, output=10.0)


def long_questions(count: int) -> list[Request]:
    """Prompts of usual length; the longest answers have ten times the usual number of tokens."""
    return [
        Request("generate_until", f"Question {number}: " + "how many? " * (20 + number % 7))
        for number in range(count)
    ]


def spend_of(responses: list[Response]) -> Spend:
    tokens_in = sum(one.tokens_in for one in responses)
    tokens_out = sum(one.tokens_out for one in responses)
    return Spend((2 * tokens_in + 10 * tokens_out) / 1e6, tokens_in + tokens_out)


def paid_from(budget: Budget, count: int, prices: Mapping[str, Price | None] | None = None) -> AskContext:
    return AskContext(Purse(budget, prices or {}, ["gsm8k"] * count))


@pytest.fixture(scope="module")
def usual() -> Spend:
    """What 500 of the long questions take."""
    requests = long_questions(500)
    tokens_in = sum(count_tokens(chat_prompt([{"role": "user", "content": one.prompt}])) for one in requests)
    tokens_out = sum(count_tokens(truth(one)) for one in requests)
    return Spend((2 * tokens_in + 10 * tokens_out) / 1e6, tokens_in + tokens_out)


@pytest.mark.parametrize("unit", ["usd", "tokens"])
@pytest.mark.parametrize("faults", [{}, {"server_error": 0.1, "malformed": 0.1}])
def test_a_budget_is_spent_to_the_last_hundredth_and_never_passed(
    opened: Open, endpoint: Endpoint, usual: Spend, unit: str, faults: dict[str, float]
) -> None:
    endpoint.change(latency=0.02, **faults)
    requests = long_questions(700)
    limit = getattr(usual, unit)
    budget = Budget(Limits(**{unit: limit}))
    backend = opened(max_concurrency=64)
    responses = answers(backend, requests, paid_from(budget, 700, {MODEL: PRICE}))
    done = [one for one in responses if one.status == "answer"]
    assert spend_of(responses).tokens == budget.spent().tokens
    assert spend_of(responses).usd == pytest.approx(budget.spent().usd)
    assert 0.99 * limit <= getattr(budget.spent(), unit) <= limit
    assert len(done) > 300
    skipped = [one for one in responses if one.status == "skipped"]
    unread = [one for one in responses if one.status == "failed"]
    assert len(unread) < 40
    assert len(done) + len(skipped) + len(unread) == 700
    assert all(f"--budget-{unit} allows more" in (one.error or "") for one in skipped)

    larger = Budget(Limits(**{unit: 3 * limit}))
    larger.note("gsm8k", budget.spent())
    rest = [request for request, one in zip(requests, responses, strict=True) if one.status == "skipped"]
    found = [one.status for one in answers(backend, rest, paid_from(larger, len(rest), {MODEL: PRICE}))]
    assert set(found) <= {"answer", "failed"}
    assert found.count("failed") < 40  # two broken answers, one after the other, which are asked no more


def test_each_task_has_a_budget_of_its_own(opened: Open, endpoint: Endpoint) -> None:
    requests = questions(200)
    payers = ["first" if number % 4 else "second" for number in range(200)]
    budget = Budget(Limits(), Limits(tokens=1500))
    responses = answers(opened(max_concurrency=8), requests, AskContext(Purse(budget, {}, payers)))
    by_task = {
        name: [one for one, payer in zip(responses, payers, strict=True) if payer == name]
        for name in ("first", "second")
    }
    assert {one.status for one in by_task["second"]} == {"answer"}
    skipped = [one.error or "" for one in by_task["first"] if one.status == "skipped"]
    assert skipped
    assert all("for first" in why and "--task-budget-tokens" in why for why in skipped)
    assert budget.spent("first").tokens <= 1500
    assert budget.spent("second").tokens == spend_of(by_task["second"]).tokens


def test_a_budget_of_time_ends_the_asking(opened: Open, endpoint: Endpoint) -> None:
    endpoint.change(latency=0.05)
    began = time.monotonic()
    responses = answers(
        opened(max_concurrency=4), questions(500), paid_from(Budget(Limits(seconds=0.5)), 500)
    )
    assert time.monotonic() - began > 0.45
    statuses = [one.status for one in responses]
    assert 1 <= statuses.count("answer") <= 60
    assert "--budget-time" in next(one.error or "" for one in responses if one.status == "skipped")


def test_calls_without_an_answer_leave_the_budget_as_it_was(opened: Open, endpoint: Endpoint) -> None:
    endpoint.change(max_prompt_tokens=1)
    budget = Budget(Limits(tokens=10_000))
    assert {one.status for one in answers(opened(), questions(40), paid_from(budget, 40))} == {"failed"}
    assert budget.spent() == Spend()
    endpoint.change(max_prompt_tokens=None)
    assert {one.status for one in answers(opened(), questions(40), paid_from(budget, 40))} == {"answer"}


def test_what_was_kept_for_calls_that_nobody_waits_for_is_given_back(
    opened: Open, endpoint: Endpoint
) -> None:
    endpoint.change(hanging=0.5)
    budget, backend = Budget(Limits(tokens=4_000)), opened(max_concurrency=8)
    for _ in range(5):
        next(ask(backend, questions(100), paid_from(budget, 100)))
    endpoint.change(hanging=0.0)
    assert {one.status for one in answers(backend, questions(50), paid_from(budget, 50))} == {"answer"}


def test_marks_are_logged_once(opened: Open, endpoint: Endpoint, caplog: pytest.LogCaptureFixture) -> None:
    answers(opened(), questions(400), paid_from(Budget(Limits(tokens=4_000)), 400))
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split(" ")[0] for line in lines] == ["50", "80", "95"]
