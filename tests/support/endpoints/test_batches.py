"""Contract of the batch API, with the official client as a check of it."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.support.endpoints.answers import chat_prompt, text_for
from tests.support.endpoints.endpoint import Endpoint

PATH = "/v1/chat/completions"
QUESTIONS = [f"How many are {number}?" for number in range(20)]


@pytest.fixture
def client(endpoint: Endpoint) -> Iterator[OpenAI]:
    with OpenAI(base_url=endpoint.url, api_key="k", max_retries=0, timeout=10) as client:
        yield client


def messages(question: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}]


def submitted(client: OpenAI, endpoint_path: Any = PATH) -> Any:
    lines = [
        {"custom_id": name, "method": "POST", "url": PATH, "body": {"model": "m", "messages": messages(name)}}
        for name in QUESTIONS
    ]
    content = "\n".join(json.dumps(line) for line in lines).encode()
    file = client.files.create(file=("in.jsonl", content), purpose="batch")
    assert file.bytes == len(content)
    return client.batches.create(
        input_file_id=file.id,
        endpoint=endpoint_path,
        completion_window="24h",
        metadata={"run": "one"},
    )


def lines(client: OpenAI, file: str | None) -> list[dict[str, Any]]:
    assert file is not None
    return [json.loads(line) for line in client.files.content(file).text.splitlines()]


def test_a_batch_is_answered_in_any_order(client: OpenAI, endpoint: Endpoint) -> None:
    batch = client.batches.retrieve(submitted(client).id)
    assert batch.status == "completed"
    assert batch.error_file_id is None
    assert batch.request_counts is not None
    assert (batch.request_counts.completed, batch.request_counts.total) == (20, 20)
    output = lines(client, batch.output_file_id)
    assert [line["custom_id"] for line in output] != QUESTIONS
    said = {
        line["custom_id"]: line["response"]["body"]["choices"][0]["message"]["content"] for line in output
    }
    assert said == {name: text_for(chat_prompt(messages(name))) for name in QUESTIONS}
    assert endpoint.counts()["outcomes"] == {"batched": 20}


def test_a_batch_takes_its_time(client: OpenAI, endpoint: Endpoint) -> None:
    endpoint.change(batch_seconds=1000)
    batch = submitted(client)
    assert batch.status == "validating"
    assert batch.output_file_id is None
    assert [found.metadata for found in client.batches.list()] == [{"run": "one"}]
    endpoint.change(batch_seconds=0.2)
    later = submitted(client)
    seen = {later.status}
    while later.status != "completed":
        later = client.batches.retrieve(later.id)
        seen.add(later.status)
    assert seen == {"validating", "in_progress", "completed"}


def test_failed_lines_are_in_the_error_file(client: OpenAI, endpoint: Endpoint) -> None:
    endpoint.change(batch_errors=0.3)
    batch = client.batches.retrieve(submitted(client).id)
    good, bad = lines(client, batch.output_file_id), lines(client, batch.error_file_id)
    assert {line["custom_id"] for line in good} | {line["custom_id"] for line in bad} == set(QUESTIONS)
    assert 0 < len(bad) < 20
    assert all(line["response"]["status_code"] == 500 for line in bad)


def test_an_expired_batch_has_some_answers(client: OpenAI, endpoint: Endpoint) -> None:
    endpoint.change(batch_seconds=10, batch_expires=0)
    batch = client.batches.retrieve(submitted(client).id)
    assert batch.status == "expired"
    assert len(lines(client, batch.output_file_id)) == 10
    assert {line["error"]["code"] for line in lines(client, batch.error_file_id)} == {"batch_expired"}


def test_a_batch_can_be_cancelled(client: OpenAI, endpoint: Endpoint) -> None:
    endpoint.change(batch_seconds=0.5)
    batch = submitted(client)
    assert client.batches.cancel(batch.id).status == "cancelling"
    while (status := client.batches.retrieve(batch.id).status) == "cancelling":
        pass
    assert status == "cancelled"
    with pytest.raises(openai.BadRequestError, match="Cannot cancel"):
        client.batches.cancel(batch.id)


def test_batches_are_listed_in_pages_the_newest_first(client: OpenAI) -> None:
    made = [submitted(client).id for _ in range(5)]
    page = client.batches.list(limit=2)
    assert [batch.id for batch in page.data] == made[:2:-1]
    assert page.has_more
    assert [batch.id for batch in client.batches.list(limit=2)] == made[::-1]
    assert not client.batches.list(limit=5).has_more


def test_a_batch_may_fail_as_a_whole(client: OpenAI, endpoint: Endpoint) -> None:
    endpoint.change(batch_problem="token_limit_exceeded")
    batch = client.batches.retrieve(submitted(client).id)
    assert batch.status == "failed"
    assert batch.errors is not None
    assert [error.code for error in batch.errors.data or []] == ["token_limit_exceeded"]
    assert batch.output_file_id is None
    assert endpoint.counts()["arrived"] == 0


def test_what_is_not_there_is_not_found(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve("batch_9")
    with pytest.raises(openai.NotFoundError):
        client.files.content("file-9")
    with pytest.raises(openai.BadRequestError, match="endpoint"):
        submitted(client, "/v1/completions")
