"""Batches: what is handed in, and what comes back."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from backends.batches.files import parts
from backends.errors import BackendError
from backends.model_string import ModelSpec
from backends.registry import BackendContext, open_backend
from backends.requests import Request
from tests.backends.batches.asking import (
    REQUESTS,
    asked,
    once_each,
    opened,
    remembered,
    said,
    texts,
)
from tests.support.endpoints.endpoint import Endpoint

# The whole way


def test_requests_are_answered_whatever_the_order_of_the_lines(endpoint: Endpoint, home: Path) -> None:
    endpoint.change(batch_seconds=0.1)
    before = time.time()
    responses = asked(opened(endpoint, home))
    assert texts(responses) == said()
    assert once_each(endpoint)
    assert remembered(home) == []
    for response in responses:
        call = response.call
        assert call is not None
        assert response.tokens_in > 0
        assert response.tokens_out > 0
        assert (call.asked, call.model) == ("openai-batch:gpt-4o-mini", "gpt-4o-mini")
        assert (call.attempts, call.counted, call.http_status) == (1, True, 200)
        assert before <= call.enqueued <= time.time()
        assert 0.1 <= call.finished < 60
        assert response.seconds == 0  # what of the batch's time was its own is not known


def test_a_batch_asks_what_a_single_call_would(endpoint: Endpoint, home: Path) -> None:
    options = {"extra_body": '{"top_k": 3}'}
    requests = [Request("generate_until", "Say it.", generation={"until": ["."], "max_gen_toks": 9})]
    asked(opened(endpoint, home, **options), requests)
    single = ModelSpec(
        backend="openai-chat", name="gpt-4o-mini", options={"base_url": endpoint.url, **options}
    )
    asked(open_backend(single, BackendContext(home)), requests)
    assert len({arrival["prompt"] or arrival["body"] for arrival in endpoint.log()}) == 2
    assert len({arrival["body"] for arrival in endpoint.log()}) == 1


def test_equal_requests_are_handed_in_once(endpoint: Endpoint, home: Path) -> None:
    assert texts(asked(opened(endpoint, home), [*REQUESTS, *REQUESTS])) == said() * 2
    assert once_each(endpoint)


def test_shards_that_share_requests_hand_them_in_once(endpoint: Endpoint, home: Path) -> None:
    endpoint.change(batch_seconds=0.3)
    backend = opened(endpoint, home)
    assert backend.capabilities.shards_at_once > 1
    shards = [REQUESTS[:8], REQUESTS[4:], REQUESTS]
    with ThreadPoolExecutor(len(shards)) as threads:
        answers = list(threads.map(lambda shard: texts(asked(backend, shard)), shards))
    assert answers == [said(shard) for shard in shards]
    assert once_each(endpoint)
    assert remembered(home) == []


def test_only_generations_are_offered(endpoint: Endpoint, home: Path) -> None:
    capabilities = opened(endpoint, home).capabilities
    assert capabilities.kinds == {"generate_until"}
    assert "log-prob" in capabilities.instead


@pytest.mark.parametrize("option", ["stream=true", "max_concurrency=4", "completion_window=1h", "poll=0"])
def test_options_that_a_batch_cannot_have_are_refused(option: str, home: Path) -> None:
    name, _, _ = option.partition("=")
    with pytest.raises(BackendError, match=name):
        open_backend(ModelSpec.parse(f"openai-batch:m?{option}"), BackendContext(home))


def test_files_are_split_where_the_endpoint_takes_no_more() -> None:
    lines = [(str(number), b"x" * size) for number, size in enumerate([4, 4, 4, 9, 20, 1, 1, 1, 1])]
    found = list(parts(lines, most_lines=3, most_bytes=12))
    assert [line for part in found for line in part.items()] == lines
    assert [len(part) for part in found] == [3, 1, 1, 3, 1]


# What goes wrong
