"""An endpoint that goes away is left alone until it is back, or until it was away too long."""

import logging
import threading
import time
from typing import Any

import pytest

from backends.endpoints.backend import EndpointBackend
from backends.endpoints.probe import Away
from backends.errors import BackendStopped
from backends.protocol import ask
from tests.support.asking import Open, answers, calls, questions, truth
from tests.support.endpoints.endpoint import Endpoint


def outlived(backend: EndpointBackend, endpoint: Endpoint, seconds: float) -> int:
    """How many calls came to an endpoint while it was away for so long; all are answered in the end."""
    endpoint.change(down=True)
    back = threading.Timer(seconds, endpoint.change, kwargs={"down": False})
    back.start()
    requests = questions(100)
    responses = answers(backend, requests)
    back.join()
    assert [response.text for response in responses] == [truth(request) for request in requests]
    assert {call.failures for call in calls(responses)} <= {("transient",) * tries for tries in range(8)}
    return int(endpoint.counts()["refused_connections"])


# The 8 in flight before it is known, and one for each cool-down.
FEW = 20


def test_few_calls_reach_an_endpoint_that_is_away_and_the_run_goes_on_by_itself(
    opened: Open, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    """An outage of 60 seconds at a fiftieth of the time."""
    began = time.monotonic()
    with caplog.at_level(logging.WARNING, "assay"):
        count = outlived(opened(max_concurrency=8), endpoint, 1.2)
    assert 5 <= count <= FEW
    assert time.monotonic() - began > 1.2
    away, back = [record.getMessage() for record in caplog.records]
    assert "wait until it answers again" in away
    assert back.endswith("answers again")


@pytest.mark.slow
def test_few_calls_reach_an_endpoint_in_an_outage_of_60_seconds(opened: Open, endpoint: Endpoint) -> None:
    assert 5 <= outlived(opened(max_concurrency=8, backoff=0.5), endpoint, 60.0) <= FEW


def test_the_answers_that_still_come_do_not_hide_an_outage_for_long(opened: Open, endpoint: Endpoint) -> None:
    endpoint.change(latency=0.1, outage=[0.35, 1.2])
    answers(opened(max_concurrency=8), questions(100))
    assert endpoint.counts()["refused_connections"] <= FEW + 8


def test_an_endpoint_that_is_away_too_long_stops_the_run_and_the_next_start_goes_on(
    opened: Open, endpoint: Endpoint
) -> None:
    backend = opened(give_up_after=0.5, max_tries=100)
    requests = questions(300)
    found: set[Any] = set()
    endpoint.change(latency=0.01)
    with pytest.raises(BackendStopped, match=r"not answered for 0\.5 s; start again when it is back"):  # noqa: PT012
        for batch in ask(backend, requests):
            if not found:
                endpoint.change(down=True)
            found |= {position for position, _ in batch}
    assert 0 < len(found) < 300
    with pytest.raises(Away, match="is base_url right"):
        backend.load(["generate_until"])
    endpoint.change(down=False)
    backend.load(["generate_until"])
    rest = [request for position, request in enumerate(requests) if position not in found]
    assert [response.text for response in answers(backend, rest)] == [truth(request) for request in rest]
    assert endpoint.counts()["most_answers"] == 1


def test_an_endpoint_that_hangs_stops_the_run_in_the_end(opened: Open, endpoint: Endpoint) -> None:
    endpoint.change(hanging=1.0)
    with pytest.raises(BackendStopped, match=r"calls were all waited for in vain.*raise the option timeout"):
        answers(opened(timeout=0.1, max_tries=100), questions(1000))
    assert endpoint.counts()["arrived"] < 100


def test_an_endpoint_that_is_slower_than_our_time_out_is_not_away(
    opened: Open, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.change(latency=0.5)
    with caplog.at_level(logging.WARNING, "assay"):
        responses = answers(opened(timeout=0.1), questions(8))
    assert {(one.status, call.attempts) for one, call in zip(responses, calls(responses), strict=True)} == {
        ("failed", 2)
    }
    assert all("raise the option timeout" in (one.error or "") for one in responses)
    assert not caplog.records
