"""Contract: text-generation-inference's `/generate`, against a stand-in with its published fields."""

from pathlib import Path

import pytest

from backends.errors import BackendError
from backends.protocol import Backend
from tests.backends.endpoints.dialects.asking import SECRET, generated, opened, shown
from tests.support.endpoints.answers import text_for, tokens_of
from tests.support.endpoints.endpoint import Endpoint

PROMPT = "Once upon a time"


@pytest.fixture
def backend(endpoint: Endpoint, tmp_path: Path) -> Backend:
    endpoint.change(dialect="tgi")
    return opened(f"tgi:m?base_url={endpoint.root}&backoff=0.001", tmp_path)


def test_a_text_goes_on_without_the_stop_that_ended_it(backend: Backend) -> None:
    assert generated(backend, PROMPT, max_gen_toks=99).text == text_for(PROMPT)
    stopped = generated(backend, PROMPT, max_gen_toks=99, until=["####"])
    assert (stopped.status, stopped.text) == ("answer", text_for(PROMPT).split("####")[0])
    assert generated(backend, PROMPT, max_gen_toks=1).status == "truncated"


def test_a_temperature_of_0_which_is_refused_is_not_sent(backend: Backend) -> None:
    assert generated(backend, PROMPT, temperature=0.0, do_sample=False).status == "answer"
    assert generated(backend, PROMPT, temperature=0.7, do_sample=True).status == "answer"


def test_what_was_written_is_counted_and_what_was_read_an_estimate(backend: Backend) -> None:
    response = generated(backend, PROMPT, max_gen_toks=99)
    assert response.tokens_out == len(tokens_of(text_for(PROMPT)))
    assert response.tokens_in == len(PROMPT) // 4
    assert response.call is not None
    assert not response.call.counted


def test_log_probabilities_are_not_offered_and_the_reason_is_said(backend: Backend) -> None:
    assert backend.capabilities.kinds == {"generate_until"}
    assert "most probable" in backend.capabilities.instead


def test_a_refused_request_fails_and_a_busy_server_is_asked_again(
    backend: Backend, endpoint: Endpoint
) -> None:
    endpoint.change(max_prompt_tokens=2)
    refused = generated(backend, PROMPT)
    assert refused.status == "failed"
    assert "maximum context length" in (refused.error or "")
    endpoint.change(max_prompt_tokens=None, overloaded=0.5, seed=3)
    busy = [generated(backend, f"{PROMPT} {number}") for number in range(6)]
    assert {response.status for response in busy} == {"answer"}
    assert any(response.call and "rate_limited" in response.call.failures for response in busy)


@pytest.mark.parametrize("option", ["stream=true", "tokenizer=/models/mine"])
def test_what_it_cannot_do_is_no_option(option: str, tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="openai-chat at the same server"):
        opened(f"tgi:m?base_url=http://127.0.0.1:1&{option}", tmp_path)


def test_a_key_is_sent_and_never_shown(
    endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET)
    endpoint.change(dialect="tgi", api_key=SECRET)
    backend = opened(f"tgi:m?base_url={endpoint.root}&api_key=env:HF_TOKEN", tmp_path)
    assert generated(backend, PROMPT).status == "answer"
    assert SECRET not in shown(backend)
