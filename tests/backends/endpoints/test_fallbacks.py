"""Another model answers while the first one does not."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backends.calls.endpoint_options import EndpointOptions
from backends.endpoints.backend import EndpointBackend
from backends.endpoints.endpoint_model import Remote
from backends.endpoints.openai_chat import OpenAIChat
from backends.endpoints.openers import openai_remote
from backends.endpoints.probe import Away
from backends.errors import BackendStopped
from backends.money.budget import Budget, Limits
from backends.money.prices import Price
from backends.money.purse import Purse
from backends.protocol import AskContext, ask
from tests.support.asking import QUICK, answers, calls, questions, truth
from tests.support.endpoints.endpoint import Endpoint

Make = Callable[..., Remote]


@pytest.fixture
def secondary() -> Iterator[Endpoint]:
    with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    def make(endpoint: Endpoint, name: str, **options: Any) -> Remote:
        monkeypatch.setenv("STAND_IN_KEY", f"sk-{tmp_path.name}")
        given = {"base_url": endpoint.url, "api_key_env": "STAND_IN_KEY", **QUICK, **options}
        return openai_remote(OpenAIChat(name), EndpointOptions(**given), tmp_path)

    return make


def test_while_the_first_is_away_the_second_answers_and_nothing_waits(
    endpoint: Endpoint, secondary: Endpoint, remote: Make
) -> None:
    endpoint.change(down=True)
    backend = EndpointBackend(remote(endpoint, "one", backoff=0.3), remote(secondary, "two"))
    backend.load(["generate_until"])
    requests = questions(200)
    responses = answers(backend, requests)
    assert [one.text for one in responses] == [truth(request) for request in requests]
    assert {call.asked for call in calls(responses)} == {"openai-chat:two"}
    assert {call.endpoint for call in calls(responses)} == {secondary.url}
    assert endpoint.counts()["refused_connections"] < 30
    for call in calls(responses):
        assert call.failures == ("transient",) * (call.attempts - 1)
        assert call.attempts <= 2  # none waits for the first twice


def test_many_that_wait_for_a_place_at_the_first_all_go_on_to_the_second(
    endpoint: Endpoint, secondary: Endpoint, remote: Make
) -> None:
    endpoint.change(latency=0.05)
    backend = EndpointBackend(
        remote(endpoint, "one", max_concurrency=64), remote(secondary, "two", max_concurrency=64)
    )
    count = 0
    for batch in ask(backend, questions(600)):
        if not count:
            endpoint.change(down=True)
        count += len(batch)
    assert count == 600


def test_the_first_is_asked_again_once_it_is_back(
    endpoint: Endpoint, secondary: Endpoint, remote: Make
) -> None:
    backend = EndpointBackend(remote(endpoint, "one"), remote(secondary, "two"))
    endpoint.change(down=True)
    answers(backend, questions(50))
    endpoint.change(down=False)
    time.sleep(0.4)  # its longest cool-down
    answers(backend, questions(5))  # of which one finds out
    assert {call.asked for call in calls(answers(backend, questions(50)))} == {"openai-chat:one"}


def test_the_second_answers_also_when_the_first_is_away_for_good(
    endpoint: Endpoint, secondary: Endpoint, remote: Make
) -> None:
    endpoint.change(down=True)
    secondary.change(latency=0.05)
    options = {"give_up_after": 0.2, "max_concurrency": 4}
    backend = EndpointBackend(remote(endpoint, "one", **options), remote(secondary, "two", **options))
    assert {one.status for one in answers(backend, questions(80))} == {"answer"}
    secondary.change(down=True)
    with pytest.raises(BackendStopped, match=secondary.url):
        answers(backend, questions(20))


def test_a_permanent_error_is_not_put_to_the_second(
    endpoint: Endpoint, secondary: Endpoint, remote: Make
) -> None:
    endpoint.change(max_prompt_tokens=1)
    backend = EndpointBackend(remote(endpoint, "one"), remote(secondary, "two"))
    assert {one.status for one in answers(backend, questions(20))} == {"failed"}
    assert secondary.counts()["arrived"] == 0


def test_what_the_first_cannot_answer_in_all_its_tries_the_second_does(
    endpoint: Endpoint, secondary: Endpoint, remote: Make
) -> None:
    endpoint.change(malformed=1.0)
    backend = EndpointBackend(remote(endpoint, "one", max_tries=2), remote(secondary, "two"))
    for call in calls(answers(backend, questions(5))):
        assert (call.asked, call.attempts) == ("openai-chat:two", 2)
        assert call.failures == ("malformed",)


def test_a_budget_holds_also_where_the_second_is_dearer(
    endpoint: Endpoint, secondary: Endpoint, remote: Make
) -> None:
    endpoint.change(down=True)
    secondary.change(latency=0.01)
    prices = {"openai-chat:one": Price(output=1.0), "openai-chat:two": Price(output=1000.0)}
    budget = Budget(Limits(usd=2.0))
    backend = EndpointBackend(
        remote(endpoint, "one", max_concurrency=64), remote(secondary, "two", max_concurrency=64)
    )
    responses = answers(backend, questions(600), AskContext(Purse(budget, prices, ["gsm8k"] * 600)))
    assert {one.status for one in responses} == {"answer", "skipped"}
    assert 1.5 < budget.spent().usd <= 2.0


def test_a_run_does_not_start_where_nobody_is_there(
    endpoint: Endpoint, secondary: Endpoint, remote: Make
) -> None:
    endpoint.change(down=True)
    secondary.change(down=True)
    backend = EndpointBackend(remote(endpoint, "one"), remote(secondary, "two"))
    with pytest.raises(Away, match=secondary.url):
        backend.load(["generate_until"])


def test_who_may_answer_is_part_of_the_models_identity(
    endpoint: Endpoint, secondary: Endpoint, remote: Make
) -> None:
    one, two = remote(endpoint, "one"), remote(secondary, "two")
    found = [dict(EndpointBackend(*chain).fingerprint) for chain in ([one], [one, two], [two, one])]
    assert found[0] != found[1] != found[2] != found[0]
