"""Contract: Anthropic's Messages, against a stand-in that keeps to its published fields."""

from pathlib import Path
from typing import Any

import pytest

from backends.calls.refusals import failure_kind
from backends.chat import Chat
from backends.endpoints.dialects.anthropic import Anthropic
from backends.endpoints.question import CutOff
from backends.errors import BackendError
from backends.protocol import Backend
from tests.backends.endpoints.dialects.asking import SECRET, generated, opened, shown
from tests.support.asking import text_question
from tests.support.endpoints.answers import chat_prompt, text_for, tokens_of
from tests.support.endpoints.endpoint import Endpoint
from tests.support.http_stub import http_stub

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How many?"}]
SAID = text_for(chat_prompt(MESSAGES))


@pytest.fixture
def address(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
    endpoint.change(dialect="anthropic", api_key=SECRET)
    return f"{endpoint.root}/v1"


@pytest.fixture(params=["false", "true"], ids=["whole", "streamed"])
def backend(request: pytest.FixtureRequest, address: str, tmp_path: Path) -> Backend:
    return opened(
        f"anthropic:m?base_url={address}&api_key=env:ANTHROPIC_API_KEY&backoff=0.001&stream={request.param}",
        tmp_path,
    )


@pytest.fixture
def prompt(backend: Backend) -> str | Chat:
    return backend.apply_chat_template(MESSAGES, continue_final=False)


def test_a_chat_is_answered_and_counted(backend: Backend, prompt: str | Chat, endpoint: Endpoint) -> None:
    endpoint.change(cached=0.5)
    response = generated(backend, prompt, max_gen_toks=99)
    assert (response.status, response.text) == ("answer", SAID)
    read = len(tokens_of(chat_prompt(MESSAGES)))
    assert (response.tokens_in, response.tokens_out) == (read, len(tokens_of(SAID)))
    assert response.call is not None
    assert (response.call.tokens_cached, response.call.counted) == (read // 2, True)
    assert response.call.model == "m"


def test_answers_end_at_limits_and_stops(backend: Backend, prompt: str | Chat) -> None:
    cut = generated(backend, prompt, max_gen_toks=1)
    assert (cut.status, cut.text) == ("truncated", tokens_of(SAID)[0])
    stopped = generated(backend, prompt, max_gen_toks=99, until=["####"])
    assert (stopped.status, stopped.text) == ("answer", SAID.split("####")[0])


def test_a_refusal_is_no_failure(backend: Backend, prompt: str | Chat, endpoint: Endpoint) -> None:
    endpoint.change(refuse="How many")
    response = generated(backend, prompt)
    assert (response.status, response.text) == ("refused", "")


def test_overload_and_broken_streams_pass(backend: Backend, prompt: str | Chat, endpoint: Endpoint) -> None:
    endpoint.change(overloaded=0.3, cut=0.3, seed=5)
    responses = [generated(backend, prompt, max_gen_toks=90 + number) for number in range(6)]
    assert {response.text for response in responses} == {SAID}
    assert any(response.call and response.call.failures for response in responses)


def test_an_account_without_credit_is_no_bad_request() -> None:
    said = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."
    assert failure_kind(400, "invalid_request_error", said) == "unauthorized"
    assert failure_kind(400, "invalid_request_error", "max_tokens: too large") == "permanent"


def test_a_wrong_key_is_said_before_the_run_and_not_shown(
    address: str, tmp_path: Path, endpoint: Endpoint
) -> None:
    endpoint.change(api_key="another")
    backend = opened(f"anthropic:m?base_url={address}&api_key=env:ANTHROPIC_API_KEY", tmp_path)
    with pytest.raises(BackendError) as raised:
        backend.load({"generate_until"})
    assert "401" in str(raised.value)
    assert SECRET not in str(raised.value) + shown(backend)


def test_the_key_is_sent_as_anthropic_wants_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a listener of its own: the stand-in takes a key in `authorization` as well."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
    with http_stub(status=404) as listener:
        opened(f"anthropic:m?base_url={listener.url}&api_key=env:ANTHROPIC_API_KEY", tmp_path).load(set())
    (asked,) = listener.asked
    assert (asked.headers["x-api-key"], asked.headers["authorization"]) == (SECRET, None)


def test_a_key_is_needed_at_anthropic_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.delenv("ANTHROPIC_BASE_URL", raising=False)
    with pytest.raises(BackendError, match="ANTHROPIC_API_KEY"):
        opened("anthropic:m", tmp_path)


def test_stops_of_white_space_are_not_sent_and_still_cut() -> None:
    question = asked(until=["\n\n", "END"])
    assert question.body["stop_sequences"] == ["END"]
    text = "one\n\ntwo"
    assert question.read(message([{"type": "text", "text": text}])).text == "one"


def test_thinking_is_kept_apart() -> None:
    blocks = [
        {"type": "thinking", "thinking": "Hm. END", "signature": "x"},
        {"type": "redacted_thinking", "data": "x"},
        {"type": "text", "text": "Four."},
    ]
    response = asked(until=["END"]).read(message(blocks))
    assert (response.thinking, response.text) == ("Hm. END", "Four.")
    cut = asked().read(message(blocks[:1], "max_tokens"))
    assert (cut.status, cut.text, cut.cut_while_thinking) == ("truncated", "", True)


def test_a_streamed_message_is_the_whole_one() -> None:
    make = asked().stream
    assert make is not None
    stream = make()
    brought = [stream.add(event) for event in EVENTS]
    assert stream.whole(has_ended=False) == {
        **message(
            [{"type": "thinking", "thinking": "Hm.", "signature": ""}, {"type": "text", "text": "Four."}]
        ),
        "usage": {"input_tokens": 9, "output_tokens": 7},
    }
    assert brought.index(True) == 3


def test_a_stream_without_its_last_event_broke_off() -> None:
    make = asked().stream
    assert make is not None
    stream = make()
    for event in EVENTS[:-1]:
        stream.add(event)
    with pytest.raises(CutOff):
        stream.whole(has_ended=False)


def asked(**generation: Any) -> Any:
    return text_question(Anthropic("m"), "How many?", **generation)


def message(blocks: list[dict[str, str]], reason: str = "end_turn") -> dict[str, Any]:
    return {"model": "m", "content": blocks, "stop_reason": reason}


EVENTS: list[dict[str, Any]] = [
    {
        "type": "message_start",
        "message": {"model": "m", "content": [], "stop_reason": None, "usage": {"input_tokens": 9}},
    },
    {"type": "ping"},
    {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "thinking", "thinking": "", "signature": ""},
    },
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm."}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "x"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Fo"}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "ur."}},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}},
    {"type": "message_stop"},
]
