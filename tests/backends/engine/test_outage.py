"""An endpoint that goes away is left alone until it is back, or until it was away too long."""

import logging
import time
from typing import Any

import pytest

from backends.endpoints.probe import Away
from backends.errors import BackendStopped
from backends.protocol import ask
from tests.backends.engine.asking import answers, calls, questions, truth
from tests.backends.engine.conftest import Open
from tests.endpoints.endpoint import Endpoint


def outlived(backend: Any, endpoint: Endpoint, count: int) -> dict[str, Any]:
    """What came to an endpoint that was away in the middle; all is answered in the end."""
    requests = questions(count)
    responses = answers(backend, requests)
    assert [response.text for response in responses] == [truth(request) for request in requests]
    assert {call.failures for call in calls(responses)} <= {("transient",) * tries for tries in range(8)}
    return endpoint.counts()


def test_few_calls_reach_an_endpoint_that_is_away_and_the_run_goes_on_by_itself(
    opened: Open, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    """An outage of 60 seconds at a fiftieth of the time."""
    endpoint.change(latency=0.02, outage=[0.2, 1.2])
    began = time.monotonic()
    with caplog.at_level(logging.WARNING, "assay"):
        counts = outlived(opened(max_concurrency=8), endpoint, 200)
    assert 5 <= counts["refused_connections"] <= 20
    assert time.monotonic() - began < 30
    away, back = [record.getMessage() for record in caplog.records]
    assert "wait until it answers again" in away
    assert back.endswith("answers again")


@pytest.mark.slow
def test_at_most_20_calls_reach_an_endpoint_in_an_outage_of_60_seconds(
    opened: Open, endpoint: Endpoint
) -> None:
    endpoint.change(latency=0.05, outage=[1.0, 60.0])
    counts = outlived(opened(max_concurrency=8, backoff=0.5), endpoint, 400)
    assert 5 <= counts["refused_connections"] <= 20


def test_an_endpoint_that_is_away_too_long_stops_the_run_and_the_next_start_goes_on(
    opened: Open, endpoint: Endpoint
) -> None:
    backend = opened(give_up_after=0.5, max_tries=100)
    requests = questions(300)
    found = set()
    endpoint.change(latency=0.01)
    with pytest.raises(BackendStopped, match=r"not answered for 0\.5 s; start again when it is back"):  # noqa: PT012
        for batch in ask(backend, requests):
            if not found:
                endpoint.change(down=True)
                went_away = time.monotonic()
            found |= {position for position, _ in batch}
    assert time.monotonic() - went_away < 2
    assert 0 < len(found) < 300
    with pytest.raises(Away, match="is base_url right"):
        backend.load(["generate_until"])
    endpoint.change(down=False)
    backend.load(["generate_until"])
    rest = [request for position, request in enumerate(requests) if position not in found]
    assert [response.text for response in answers(backend, rest)] == [truth(request) for request in rest]
    assert endpoint.counts()["most_answers"] == 1


def test_an_endpoint_that_hangs_is_not_waited_for_by_all(opened: Open, endpoint: Endpoint) -> None:
    """Time-outs count as an outage."""
    endpoint.change(hanging=1.0)
    backend = opened(timeout=0.1, give_up_after=0.6, max_tries=100)
    with pytest.raises(BackendStopped):
        answers(backend, questions(200))
    assert endpoint.counts()["arrived"] < 25
