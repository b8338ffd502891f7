"""Contracts: SGLang's, TGI's, Anthropic's and Azure's calls, as their clients and types name them."""

import http.client
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.support.endpoints.answers import (
    chat_prompt,
    greedy_token,
    id_of,
    logprob_of,
    text_for,
    text_of_ids,
    tokens_of,
)
from tests.support.endpoints.endpoint import Endpoint

MESSAGES = [{"role": "user", "content": "How many?"}]
VERSION = {"anthropic-version": "2023-06-01"}


def ask(
    endpoint: Endpoint, path: str, body: object, headers: dict[str, str] | None = None, method: str = "POST"
) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=10)
    connection.request(method, path, json.dumps(body), headers or {})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    if answer.headers["Content-Type"] == "text/event-stream":
        return answer.status, content
    return answer.status, json.loads(content or b"null")


@pytest.fixture
def sglang(endpoint: Endpoint) -> Endpoint:
    endpoint.change(dialect="sglang", cached=0.5)
    return endpoint


@pytest.fixture
def tgi(endpoint: Endpoint) -> Endpoint:
    endpoint.change(dialect="tgi")
    return endpoint


@pytest.fixture
def anthropic(endpoint: Endpoint) -> Endpoint:
    endpoint.change(dialect="anthropic")
    return endpoint


@pytest.fixture
def azure(endpoint: Endpoint) -> Iterator[openai.AzureOpenAI]:
    endpoint.change(dialect="azure")
    with openai.AzureOpenAI(
        azure_endpoint=endpoint.root, api_key="right", api_version="2024-10-21", max_retries=0
    ) as client:
        yield client


def test_sglang_generates_and_counts(sglang: Endpoint) -> None:
    status, answer = ask(sglang, "/generate", {"text": "a b c d", "sampling_params": {"max_new_tokens": 2}})
    said = "".join(tokens_of(text_for("a b c d"))[:2])
    meta = answer["meta_info"]
    assert (status, answer["text"]) == (200, said)
    assert meta["finish_reason"] == {"type": "length", "length": 2}
    assert (meta["prompt_tokens"], meta["completion_tokens"], meta["cached_tokens"]) == (4, 2, 2)


def test_sglang_scores_a_prompt_from_where_it_is_asked_to(sglang: Endpoint) -> None:
    body = {
        "text": "a b c",
        "sampling_params": {"max_new_tokens": 0},
        "return_logprob": True,
        "logprob_start_len": 1,
        "top_logprobs_num": 1,
        "return_text_in_logprobs": True,
    }
    _, answer = ask(sglang, "/generate", body)
    first, second = answer["meta_info"]["input_token_logprobs"]
    assert first == [None, id_of(" b"), " b"]
    assert second == [logprob_of("a b", " c"), id_of(" c"), " c"]
    best = greedy_token("a b")
    assert answer["meta_info"]["input_top_logprobs"] == [None, [[logprob_of("a b", best), id_of(best), best]]]
    _, answer = ask(sglang, "/generate", {**body, "logprob_start_len": -1})
    assert answer["meta_info"]["input_token_logprobs"] == []


def test_sglang_reads_token_ids_and_several_prompts(sglang: Endpoint) -> None:
    ids = {"input_ids": [[5, 7], [9]], "return_logprob": True, "logprob_start_len": 0}
    _, answers = ask(sglang, "/generate", ids)
    assert len(answers) == 2
    assert answers[0]["meta_info"]["input_token_logprobs"][1] == [
        logprob_of(text_of_ids([5]), " t7"),
        7,
        None,
    ]
    _, stopped = ask(sglang, "/generate", {"text": "x", "sampling_params": {"stop": "####"}})
    assert stopped["meta_info"]["finish_reason"] == {"type": "stop", "matched": "####"}


def test_sglang_refuses_what_it_does_not_take(sglang: Endpoint) -> None:
    negative = {"text": "x", "sampling_params": {"max_new_tokens": -1}}
    beyond = {"text": "x", "return_logprob": True, "logprob_start_len": 9}
    for wrong in ({}, {"text": "x", "input_ids": [1]}, negative, beyond):
        status, answer = ask(sglang, "/generate", wrong)
        assert (status, list(answer["error"])) == (400, ["message"])
    assert ask(sglang, "/health", None, method="GET")[0] == 200
    assert ask(sglang, "/get_model_info", None, method="GET")[1]["is_generation"] is True


def test_tgi_generates_with_details_where_asked(tgi: Endpoint) -> None:
    parameters = {"max_new_tokens": 2, "details": True, "decoder_input_details": True}
    _, answer = ask(tgi, "/generate", {"inputs": "a b", "parameters": parameters})
    details = answer["details"]
    assert answer["generated_text"] == "".join(tokens_of(text_for("a b"))[:2])
    assert (details["finish_reason"], details["generated_tokens"]) == ("length", 2)
    assert details["prefill"] == [
        {"id": id_of("a"), "text": "a", "logprob": None},
        {"id": id_of(" b"), "text": " b", "logprob": logprob_of("a", " b")},
    ]
    assert details["tokens"][0]["logprob"] == logprob_of("a b", greedy_token("a b"))
    assert "details" not in ask(tgi, "/generate", {"inputs": "a b"})[1]


def test_tgi_keeps_the_stop_sequence_it_ended_at(tgi: Endpoint) -> None:
    parameters = {"stop": ["####"], "details": True, "max_new_tokens": 99}
    _, answer = ask(tgi, "/generate", {"inputs": "a b", "parameters": parameters})
    assert answer["generated_text"] == text_for("a b").split("####")[0] + "####"
    assert answer["details"]["finish_reason"] == "stop_sequence"


def test_tgi_refuses_what_it_does_not_take(tgi: Endpoint) -> None:
    for wrong in ({"max_new_tokens": 0}, {"temperature": 0.0}):
        status, answer = ask(tgi, "/generate", {"inputs": "x", "parameters": wrong})
        assert (status, answer["error_type"]) == (422, "validation")
    tgi.change(overloaded=1)
    assert ask(tgi, "/generate", {"inputs": "x"}) == (
        429,
        {"error": "Model is overloaded", "error_type": "overloaded"},
    )
    assert ask(tgi, "/info", None, method="GET")[1]["model_id"] == "stand-in"


def messages(**more: object) -> dict[str, object]:
    return {"model": "m", "max_tokens": 99, "messages": MESSAGES, **more}


def test_anthropic_answers_with_its_own_counts(anthropic: Endpoint) -> None:
    anthropic.change(cached=0.5)
    prompt = chat_prompt([{"role": "system", "content": "Be brief."}, *MESSAGES])
    status, answer = ask(anthropic, "/v1/messages", messages(system="Be brief."), VERSION)
    assert status == 200
    assert answer["content"] == [{"type": "text", "text": text_for(prompt)}]
    assert (answer["stop_reason"], answer["stop_sequence"]) == ("end_turn", None)
    usage = answer["usage"]
    # What was cached is counted apart.
    assert usage["input_tokens"] + usage["cache_read_input_tokens"] == len(tokens_of(prompt))
    assert usage["cache_read_input_tokens"] > 0
    assert usage["output_tokens"] == len(tokens_of(text_for(prompt)))


@pytest.mark.parametrize(
    ("more", "behaviour", "reason"),
    [
        ({"max_tokens": 1}, {}, "max_tokens"),
        ({"stop_sequences": ["####"]}, {}, "stop_sequence"),
        ({}, {"refuse": "many"}, "refusal"),
    ],
)
def test_anthropic_says_why_it_stopped(
    anthropic: Endpoint, more: dict[str, object], behaviour: dict[str, object], reason: str
) -> None:
    anthropic.change(**behaviour)
    assert ask(anthropic, "/v1/messages", messages(**more), VERSION)[1]["stop_reason"] == reason


def test_anthropic_streams_events_from_start_to_stop(anthropic: Endpoint) -> None:
    _, content = ask(anthropic, "/v1/messages", messages(stream=True), VERSION)
    events = [json.loads(part.split(b"data: ")[1]) for part in content.split(b"\n\n") if part]
    kinds = [event["type"] for event in events]
    assert kinds[:3] == ["message_start", "content_block_start", "ping"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    deltas = [event["delta"]["text"] for event in events if event["type"] == "content_block_delta"]
    assert deltas == tokens_of(text_for(chat_prompt(MESSAGES)))
    assert events[-2]["delta"]["stop_reason"] == "end_turn"
    assert events[-2]["usage"]["output_tokens"] == len(deltas)


@pytest.mark.parametrize(
    ("body", "headers", "behaviour", "status", "kind"),
    [
        (messages(), {}, {}, 400, "invalid_request_error"),
        ({"model": "m", "messages": MESSAGES}, VERSION, {}, 400, "invalid_request_error"),
        (messages(messages=[{"role": "system", "content": "x"}]), VERSION, {}, 400, "invalid_request_error"),
        (messages(), VERSION, {"api_key": "right"}, 401, "authentication_error"),
        (messages(), VERSION, {"models": ["other"]}, 404, "not_found_error"),
        (messages(), VERSION, {"rate_limited": 1}, 429, "rate_limit_error"),
        (messages(), VERSION, {"overloaded": 1}, 529, "overloaded_error"),
    ],
)
def test_anthropic_errors_have_its_types(
    anthropic: Endpoint,
    body: dict[str, object],
    headers: dict[str, str],
    behaviour: dict[str, object],
    status: int,
    kind: str,
) -> None:
    anthropic.change(**behaviour)
    got, answer = ask(anthropic, "/v1/messages", body, headers)
    assert (got, answer["type"], answer["error"]["type"]) == (status, "error", kind)


@pytest.mark.parametrize("header", [{"x-api-key": "right"}, {"Authorization": "Bearer right"}])
def test_anthropic_takes_a_key_in_either_header(anthropic: Endpoint, header: dict[str, str]) -> None:
    anthropic.change(api_key="right")
    assert ask(anthropic, "/v1/messages", messages(), VERSION | header)[0] == 200
    assert ask(anthropic, "/v1/messages", messages(), VERSION)[0] == 401


def azure_chat(client: openai.AzureOpenAI) -> Any:
    create: Any = client.chat.completions.create
    return create(model="deployed", messages=MESSAGES)


def test_azure_answers_by_deployment_and_key(azure: openai.AzureOpenAI, endpoint: Endpoint) -> None:
    endpoint.change(models=["deployed"], api_key="right")
    assert azure_chat(azure).choices[0].message.content == text_for(chat_prompt(MESSAGES))
    endpoint.change(models=["other"])
    with pytest.raises(openai.NotFoundError) as missing:
        azure_chat(azure)
    assert missing.value.code == "DeploymentNotFound"
    endpoint.change(api_key="other")
    with pytest.raises(openai.AuthenticationError) as raised:
        azure_chat(azure)
    assert "right" not in str(raised.value)


def test_azure_refuses_a_prompt_with_an_error(azure: openai.AzureOpenAI, endpoint: Endpoint) -> None:
    endpoint.change(refuse="many")
    with pytest.raises(openai.BadRequestError) as raised:
        azure_chat(azure)
    assert raised.value.code == "content_filter"


def test_azure_needs_a_version(azure: openai.AzureOpenAI, endpoint: Endpoint) -> None:
    path = "/openai/deployments/deployed/chat/completions"
    assert ask(endpoint, path, {"messages": MESSAGES})[0] == 404
    assert ask(endpoint, f"{path}?api-version=1", {"messages": MESSAGES})[0] == 200


def test_a_server_has_only_its_own_paths(sglang: Endpoint) -> None:
    assert ask(sglang, "/info", None, method="GET")[0] == 404
    assert ask(sglang, "/v1/messages", messages(), VERSION)[0] == 404
