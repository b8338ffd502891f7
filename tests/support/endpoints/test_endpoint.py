"""The dialect, with the official client as an independent check of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.support.endpoints.answers import (
    chat_prompt,
    greedy_token,
    logprob_of,
    text_for,
    text_of_ids,
    tokens_of,
)
from tests.support.endpoints.endpoint import Endpoint

QUESTION = "How many apples are left?"
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUESTION}]
PROMPT = chat_prompt(MESSAGES)


@pytest.fixture
def client(endpoint: Endpoint) -> Iterator[OpenAI]:
    with OpenAI(base_url=endpoint.url, api_key="sk-right", max_retries=0, timeout=10) as client:
        yield client


def chat(client: OpenAI, **more: Any) -> Any:
    create: Any = client.chat.completions.create
    return create(model="stand-in", messages=MESSAGES, **more)


def complete(client: OpenAI, prompt: Any, **more: Any) -> Any:
    create: Any = client.completions.create
    return create(model="stand-in", prompt=prompt, **more)


def test_a_chat_is_answered_with_the_text_and_its_exact_usage(client: OpenAI) -> None:
    answer = chat(client)
    assert answer.choices[0].message.content == text_for(PROMPT)
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens == len(tokens_of(PROMPT))
    assert answer.usage.completion_tokens == len(tokens_of(text_for(PROMPT)))


def test_max_tokens_cuts_and_stop_sequences_end_an_answer(client: OpenAI) -> None:
    cut = chat(client, max_tokens=2)
    assert cut.choices[0].message.content == "".join(tokens_of(text_for(PROMPT))[:2])
    assert (cut.choices[0].finish_reason, cut.usage.completion_tokens) == ("length", 2)
    stopped = chat(client, stop=["####", "never"])
    assert stopped.choices[0].message.content == text_for(PROMPT).split("####")[0]
    assert stopped.choices[0].finish_reason == "stop"


def test_a_stream_says_what_the_whole_answer_says(client: OpenAI) -> None:
    chunks = list(chat(client, stream=True, stream_options={"include_usage": True}))
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said == text_for(PROMPT)
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage.completion_tokens == len(tokens_of(said))
    parts = [chunk.choices[0].text for chunk in complete(client, "Once", stream=True, max_tokens=3)]
    assert "".join(parts) == "".join(tokens_of(text_for("Once"))[:3])


def test_log_probabilities_of_a_chat_are_the_models(client: OpenAI) -> None:
    entries = chat(client, logprobs=True, top_logprobs=2).choices[0].logprobs.content
    before = PROMPT
    for entry in entries:
        assert entry.logprob == logprob_of(before, entry.token)
        assert entry.top_logprobs[0].token == greedy_token(before) == entry.token
        before += entry.token


def test_echoed_log_probabilities_are_the_models(client: OpenAI) -> None:
    text = "The sky is blue\nand wide"
    choice = complete(client, text, echo=True, logprobs=1, max_tokens=0).choices[0]
    assert choice.text == text
    assert choice.logprobs.tokens == tokens_of(text)
    assert choice.logprobs.token_logprobs[0] is None
    for at, token, logprob, top in list(
        zip(
            choice.logprobs.text_offset,
            choice.logprobs.tokens,
            choice.logprobs.token_logprobs,
            choice.logprobs.top_logprobs,
            strict=True,
        )
    )[1:]:
        assert text[at:].startswith(token)
        assert logprob == top[token] == logprob_of(text[:at], token)
        assert max(top, key=top.__getitem__) == greedy_token(text[:at])


def test_several_prompts_and_token_ids_are_answered_in_their_order(client: OpenAI) -> None:
    several = complete(client, ["one", "two"], max_tokens=100)
    assert [choice.text for choice in several.choices] == [text_for("one"), text_for("two")]
    ids = complete(client, [[5, 7], [11]], max_tokens=0, echo=True, logprobs=1)
    assert ids.choices[0].logprobs.tokens == [" t5", " t7"]
    assert ids.choices[0].logprobs.token_logprobs[1] == logprob_of(text_of_ids([5]), " t7")
    assert ids.usage.prompt_tokens == 3


def test_a_server_that_ignores_echo_gives_no_log_probabilities(client: OpenAI, endpoint: Endpoint) -> None:
    endpoint.change(echo_logprobs=False)
    choice = complete(client, "a b", echo=True, logprobs=1, max_tokens=1).choices[0]
    assert choice.logprobs is None
    assert choice.text == greedy_token("a b")


def test_a_server_may_be_off_by_one_row(client: OpenAI, endpoint: Endpoint) -> None:
    endpoint.change(logprobs_shift=True)
    logprobs = complete(client, "a b c", echo=True, logprobs=1, max_tokens=0).choices[0].logprobs
    assert logprobs.token_logprobs == [None, logprob_of("a b", " b"), logprob_of("a b c", " c")]


def test_a_file_says_other_answers(client: OpenAI, endpoint: Endpoint, tmp_path: Path) -> None:
    file = tmp_path / "answers.json"
    file.write_text(json.dumps({QUESTION: "Seven. #### 7"}))
    endpoint.change(answers=str(file))
    assert chat(client).choices[0].message.content == "Seven. #### 7"
    assert complete(client, "Once", max_tokens=100).choices[0].text == text_for("Once")


def test_refusals_are_said_in_each_way(client: OpenAI, endpoint: Endpoint) -> None:
    endpoint.change(refuse="apples")
    refused = chat(client).choices[0]
    assert refused.message.content is None
    assert refused.message.refusal
    endpoint.change(refuse_by="content_filter")
    assert chat(client).choices[0].finish_reason == "content_filter"


@pytest.mark.parametrize(
    ("behaviour", "error", "code"),
    [
        ({"api_key": "sk-other"}, openai.AuthenticationError, "invalid_api_key"),
        ({"models": ["another"]}, openai.NotFoundError, "model_not_found"),
        ({"max_prompt_tokens": 3}, openai.BadRequestError, "context_length_exceeded"),
        ({"rate_limited": 1}, openai.RateLimitError, "rate_limit_exceeded"),
        ({"no_credit": True}, openai.RateLimitError, "insufficient_quota"),
        ({"concurrency_limit": 0}, openai.RateLimitError, "rate_limit_exceeded"),
        ({"server_error": 1}, openai.InternalServerError, None),
        ({"overloaded": 1}, openai.InternalServerError, "overloaded"),
        ({"dropped": 1}, openai.APIConnectionError, None),
        ({"down": True}, openai.APIConnectionError, None),
    ],
)
def test_errors_are_those_the_official_client_knows(
    client: OpenAI,
    endpoint: Endpoint,
    behaviour: dict[str, object],
    error: type[openai.APIError],
    code: str | None,
) -> None:
    endpoint.change(**behaviour)
    with pytest.raises(error) as raised:
        chat(client)
    assert raised.value.code == code


def test_a_wrong_key_is_repeated_in_the_error(client: OpenAI, endpoint: Endpoint) -> None:
    endpoint.change(api_key="sk-other")
    with pytest.raises(openai.AuthenticationError, match="sk-right"):
        chat(client)


def test_what_it_cannot_do_is_refused_and_not_ignored(client: OpenAI) -> None:
    for wrong in ({"n": 2}, {"max_tokens": 0}, {"stream": True, "logprobs": True}):
        with pytest.raises(openai.BadRequestError):
            chat(client, **wrong)
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="stand-in", input="x")


def test_the_models_are_listed(client: OpenAI, endpoint: Endpoint) -> None:
    endpoint.change(models=["a", "b"])
    assert [model.id for model in client.models.list()] == ["a", "b"]


def test_the_process_ends_when_its_user_is_done() -> None:
    with Endpoint() as endpoint:
        process = endpoint._running()
    assert process.returncode == 0
