"""Answers and addresses that nobody promised: each is a failure that says what came, and none ends a run."""

import json
import traceback
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.calls.refusals import error_of, failure_kind, parsed, retry_after
from backends.endpoints.openai_chat import OpenAIChat
from backends.endpoints.openai_completions import OpenAICompletions
from backends.endpoints.question import Malformed, NotOffered, Question
from backends.endpoints.scored_prompt import TextScoring
from backends.errors import BackendError
from backends.requests import Response
from tests.support.asking import Open, answers, call_of, questions, score_question, text_question
from tests.support.http_stub import HttpStub, http_stub

MESSAGE = {"role": "assistant", "content": "four", "reasoning_content": "two and two"}
ANSWER = {"choices": [{"message": MESSAGE, "finish_reason": "stop"}], "model": "m-2"}


@pytest.fixture
def odd() -> Iterator[HttpStub]:
    with http_stub() as server:
        yield server


def ask_one(opened: Open, odd: HttpStub, **options: Any) -> Response:
    (response,) = answers(opened(base_url=odd.url, max_tries=2, **options), questions(1))
    return response


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "no JSON object: ''"),
        (b"[1]", "no JSON object"),
        (b"\xff\xfe\x00", "no JSON object"),
        (b"<html><title>Welcome</title></html>", "Welcome"),
        (b"[" * 200_000, "no JSON object"),
        (b'{"choices": []}', "the answer has no choices.0"),
        (b'{"choices": [{"message": null, "delta": 7, "finish_reason": "stop"}]}', "not an object"),
        (b'{"choices": [{"message": {"content": 4}, "delta": {"content": 4}}]}', "a content that is no text"),
        (b'{"choices": [null]}', "not an object"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_cannot_be_read_is_malformed(
    opened: Open, odd: HttpStub, body: bytes, said: str, stream: bool
) -> None:
    odd.body = b"data: " + body + b"\n\ndata: [DONE]\n\n" if stream else body
    response = ask_one(opened, odd, stream=stream)
    assert response.status == "failed"
    assert stream or said in (response.error or "")
    assert len(response.error or "") < 700
    assert call_of(response).attempts == 2


@pytest.mark.parametrize(
    ("status", "body", "said", "tries"),
    [
        (502, b"<html><head><TITLE>502 Bad Gateway</TITLE></head></html>", "HTTP 502: 502 Bad Gateway", 2),
        (503, b"\xff busy", "HTTP 503: \ufffd busy", 2),
        (400, b'{"detail": "too long"}', "HTTP 400: too long", 1),
        (400, b'{"message": "too long", "code": 400}', "HTTP 400: too long", 1),
        (422, b'{"error": "too long", "error_type": "validation"}', "HTTP 422: too long", 1),
        (404, b"", "HTTP 404: no reason given", 1),
        (405, b'["no"]', "HTTP 405: ['no']", 1),
        (500, b"[" * 200_000, "HTTP 500: [[[", 2),
        (200, b'{"error": {"message": "no provider", "code": 502}}', "no provider", 2),
        (200, b'{"error": {"message": "bad prompt", "code": 400}}', "bad prompt", 1),
        (200, b'{"error": "overloaded"}', "overloaded", 2),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_refusals_say_what_the_server_said(
    opened: Open, odd: HttpStub, status: int, body: bytes, said: str, tries: int, stream: bool
) -> None:
    odd.status = status
    odd.body = b"data: " + body + b"\n\n" if stream and status == 200 else body
    response = ask_one(opened, odd, stream=stream)
    assert response.status == "failed"
    assert said in (response.error or "")
    assert (response.error or "").startswith(odd.url)
    assert call_of(response).attempts == tries


def test_a_request_is_not_sent_on_to_where_it_is_redirected(opened: Open, odd: HttpStub) -> None:
    with http_stub() as other:
        odd.status, odd.headers = 308, {"Location": f"{other.url}/v1/chat/completions"}
        response = ask_one(opened, odd)
        assert f"moved to {other.url}/v1/chat/completions" in (response.error or "")
        assert other.asked == []


@pytest.mark.parametrize(
    "raw",
    [
        b"sk-not-http-at-all Bearer %s\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz %s\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        b"",
    ],
)
def test_what_is_no_http_is_a_failure_without_the_key(
    opened: Open, odd: HttpStub, raw: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_KEY", "sk-987654321")
    odd.raw = raw.replace(b"%s", b"sk-987654321")
    response = ask_one(opened, odd)
    assert response.status == "failed"
    assert "987654321" not in repr(response)
    with pytest.raises(BackendError) as refused:
        opened(base_url=odd.url).load(["generate_until"])
    assert "987654321" not in "".join(traceback.format_exception(refused.value))


def test_thinking_that_an_endpoint_puts_apart_is_no_answer(opened: Open, odd: HttpStub) -> None:
    odd.body = json.dumps(ANSWER).encode()
    whole = ask_one(opened, odd)
    deltas: list[dict[str, Any]] = [
        {"role": "assistant", "content": ""},
        {"reasoning_content": "two "},
        {"reasoning_content": "and two"},
        {"content": "fo"},
        {"content": "ur"},
    ]
    events = [{"model": "m-2", "choices": [{"delta": delta, "finish_reason": None}]} for delta in deltas]
    events.append({"model": "m-2", "choices": [{"delta": {}, "finish_reason": "stop"}]})
    odd.body = b": ping\n\n" + b"".join(b"data: %s\r\n\r\n" % json.dumps(one).encode() for one in events)
    streamed = ask_one(opened, odd, stream=True)
    for response in (whole, streamed):
        assert (response.text, response.thinking) == ("four", "two and two")
        assert call_of(response).model == "m-2"
        assert not call_of(response).counted


def test_a_stream_without_its_end_is_no_answer(opened: Open, odd: HttpStub) -> None:
    odd.body = b'data: {"choices": [{"delta": {"content": "fo"}, "finish_reason": null}]}\n\n'
    assert "broke off" in (ask_one(opened, odd, stream=True).error or "")
    odd.body = b""
    assert "brought nothing" in (ask_one(opened, odd, stream=True).error or "")


def test_an_event_without_end_is_malformed(opened: Open, odd: HttpStub) -> None:
    odd.body = b"data: " + b"x" * (1 << 23)
    response = ask_one(opened, odd, stream=True)
    assert call_of(response).failures == ("malformed", "malformed")
    assert "\n" not in (response.error or "")


def test_headers_and_more_of_the_body_are_sent_as_the_user_says(
    opened: Open, odd: HttpStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY", " gate-secret-1234\n")
    monkeypatch.setenv("STAND_IN_KEY", "sk-with-a-newline\n")
    odd.body = json.dumps(ANSWER).encode()
    headers = '{"x-gateway-key": "env:GATEWAY", "x-team": "e"}'
    ask_one(opened, odd, headers=headers, extra_body='{"temperature": null, "top_k": 3}')
    body = odd.asked[-1].body
    sent = {name.lower(): value for name, value in odd.asked[-1].headers.items()}
    assert (sent["x-gateway-key"], sent["x-team"]) == ("gate-secret-1234", "e")
    assert sent["authorization"] == "Bearer sk-with-a-newline"
    content = json.loads(body)
    assert content["top_k"] == 3
    assert "temperature" not in content
    odd.status, odd.body = 400, b"see the gate-secret-1234 for sk-with-a-newline"
    assert "HTTP 400: see the *** for ***" in (ask_one(opened, odd, headers=headers).error or "")


def test_a_key_that_is_a_word_does_not_spoil_messages(
    opened: Open, odd: HttpStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Local servers are given any word for a key."""
    monkeypatch.setenv("STAND_IN_KEY", "none")
    odd.status, odd.body = 400, b"none of these"
    assert "none of these" in (ask_one(opened, odd).error or "")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"base_url": "127.0.0.1:8000/v1"}, "wants an address such as"),
        ({"base_url": "http://sk-key@127.0.0.1/v1"}, "holds a login or password"),
        ({"base_url": "http://127.0.0.1:99999/v1"}, "base_url"),
        (
            {"headers": '{"x-auth": "abc"}'},
            "x-auth is a key, which no spec may hold: say where it is, as env:",
        ),
        ({"headers": '{"Ocp-Apim-Subscription-Key": "abc"}'}, "is a key"),
        ({"headers": "no json"}, "option headers"),
        ({"headers": '{"x-key": "env:NOT_SET_ANYWHERE"}'}, "NOT_SET_ANYWHERE is not set"),
        ({"api_key_env": "NOT_SET_ANYWHERE"}, "NOT_SET_ANYWHERE is not set"),
        ({"backoff": 0}, "option backoff"),
        ({"max_concurrency": 0}, "option max_concurrency"),
        ({"extra_body": "[1]"}, "option extra_body"),
        ({"maxconcurrency": 3}, "did you mean 'max_concurrency'"),
    ],
)
def test_options_that_cannot_work_are_refused_when_the_model_is_opened(
    opened: Open, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(BackendError, match=said) as refused:
        opened(**options)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"base_url": "http://127.0.0.1:9/v1"}, "is base_url right, and does it run"),
        ({"base_url": "http://no-such-host.invalid/v1"}, "is base_url right, and does it run"),
        ({"verify": "/no/such/file.pem"}, "no file of certificate authorities"),
    ],
)
def test_an_endpoint_that_cannot_be_reached_is_said_before_the_run(
    opened: Open, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(BackendError, match=said):
        opened(**options).load(["generate_until"])


def test_a_certificate_file_that_is_not_there_ends_the_asking_in_one_line(opened: Open) -> None:
    with pytest.raises(BackendError, match="no file of certificate authorities"):
        answers(opened(base_url="https://127.0.0.1:9/v1", verify="/no/such.pem"), questions(100))


def test_a_proxy_of_the_environment_is_used(
    opened: Open, odd: HttpStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd.body = json.dumps(ANSWER).encode()
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", odd.url)
    (response,) = answers(opened(base_url="http://model.invalid/v1"), questions(1))
    assert response.text == "four"
    assert odd.asked[-1].path == "http://model.invalid/v1/chat/completions"
    monkeypatch.setenv("no_proxy", "model.invalid")
    (response,) = answers(opened(base_url="http://model.invalid/v1", max_tries=1, timeout=6), questions(1))
    assert response.status == "failed"


NAMES = ["choices", "message", "content", "delta", "finish_reason", "text", "logprobs", "token_logprobs"]
NAMES += [
    "tokens",
    "top_logprobs",
    "text_offset",
    "usage",
    "prompt_tokens",
    "prompt_tokens_details",
    "refusal",
]
NAMES += ["error", "code", "type", "detail", "model"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)
CHOICES = st.fixed_dictionaries({"choices": st.lists(JSON, max_size=2)}, optional={"usage": JSON})
QUESTIONS = [
    text_question(OpenAIChat("m"), "Question?", until=["\n"]),
    text_question(OpenAICompletions("m"), "Question?", until=["\n"]),
    score_question(OpenAICompletions("m"), TextScoring("Question", " four")),
]


@pytest.mark.parametrize("question", QUESTIONS)
@given(content=CHOICES | st.dictionaries(st.text(), JSON))
@settings(max_examples=300)
def test_no_answer_of_any_shape_is_more_than_malformed(question: Question, content: dict[str, Any]) -> None:
    question.taken(content)
    with suppress(Malformed, NotOffered):
        question.read(content)
    if question.stream is None:
        return
    stream = question.stream()
    with suppress(Malformed, NotOffered):
        stream.add(content)
        question.taken(stream.so_far())
        question.read(stream.whole(has_ended=True))


SCORES = st.lists(JSON, max_size=4)
LOGPROBS = st.fixed_dictionaries(
    {},
    optional={
        "token_logprobs": st.just([None, -1.0]) | SCORES,
        "top_logprobs": st.just([None, {" four": -1.0}]) | SCORES,
        "text_offset": st.just([0, 8]) | SCORES | JSON,
        "tokens": st.just(["Question", " four"]) | SCORES | JSON,
    },
)


@given(logprobs=LOGPROBS)
@settings(max_examples=300)
def test_no_log_probabilities_of_any_shape_are_more_than_malformed(logprobs: dict[str, Any]) -> None:
    try:
        response = QUESTIONS[2].read({"choices": [{"logprobs": logprobs}]})
    except (Malformed, NotOffered):
        return
    assert response.logprob is not None


@given(text=st.text() | JSON.map(json.dumps), status=st.integers(300, 599))
def test_any_refusal_has_a_kind_and_a_message(text: str, status: int) -> None:
    message, code = error_of(parsed(text))
    assert message
    failure_kind(status, code)


DATES = st.datetimes().map(lambda date: date.strftime("%a, %d %b %Y %H:%M:%S GMT"))


@given(
    value=st.text() | st.floats().map(str) | DATES | st.sampled_from(["nan", "-inf", "1e999"]),
    name=st.sampled_from(["retry-after", "retry-after-ms"]),
)
def test_any_wait_that_is_named_is_none_or_within_an_hour(value: str, name: str) -> None:
    wait = retry_after({name: value}, 1.7e9)
    assert wait is None or 0 <= wait <= 3600


def test_a_wait_may_be_named_by_a_date_or_in_milliseconds() -> None:
    assert retry_after({"retry-after": "Tue, 14 Nov 2023 22:13:50 GMT"}, 1_700_000_000) == 30
    assert retry_after({"retry-after": "Tue, 14 Nov 2023 22:13:10 GMT"}, 1_700_000_000) is None
    assert retry_after({"retry-after": "7", "retry-after-ms": "1500"}, 0) == 1.5
    assert retry_after({}, 0) is None
