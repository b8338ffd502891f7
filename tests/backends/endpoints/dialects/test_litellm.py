"""Models behind litellm, for real: the package calls the stand-in server, as it would call OpenAI."""

from pathlib import Path

import pytest

from backends.errors import BackendError
from backends.protocol import Backend
from tests.backends.endpoints.dialects.asking import SECRET, generated, opened, shown
from tests.support.endpoints.answers import chat_prompt, text_for, tokens_of
from tests.support.endpoints.endpoint import Endpoint
from tests.support.packages import needed

needed("litellm", reason="litellm is not installed: pip install 'assay-eval[litellm]'")
QUESTION = "How many?"
ASKED = chat_prompt([{"role": "user", "content": QUESTION}])
SAID = text_for(ASKED)


@pytest.fixture
def model(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    endpoint.change(api_key=SECRET)
    return f"litellm:openai/m?base_url={endpoint.url}&api_key=env:OPENAI_API_KEY&backoff=0.001&max_tries=3"


@pytest.fixture(params=["false", "true"], ids=["whole", "streamed"])
def backend(request: pytest.FixtureRequest, model: str, tmp_path: Path) -> Backend:
    return opened(f"{model}&stream={request.param}", tmp_path)


def test_a_chat_is_answered_and_counted(backend: Backend, endpoint: Endpoint) -> None:
    endpoint.change(cached=0.5)
    response = generated(backend, QUESTION, max_gen_toks=99)
    assert (response.status, response.text) == ("answer", SAID)
    assert (response.tokens_in, response.tokens_out) == (len(tokens_of(ASKED)), len(tokens_of(SAID)))
    assert response.call is not None
    assert response.call.counted
    assert response.call.tokens_cached == len(tokens_of(ASKED)) // 2
    assert response.call.endpoint == endpoint.url


def test_answers_end_at_limits_and_stops(backend: Backend) -> None:
    assert generated(backend, QUESTION, max_gen_toks=1).status == "truncated"
    stopped = generated(backend, QUESTION, max_gen_toks=99, until=["####"])
    assert (stopped.status, stopped.text) == ("answer", SAID.split("####")[0])


def test_each_try_is_one_call_and_the_engine_makes_them(backend: Backend, endpoint: Endpoint) -> None:
    endpoint.change(server_error=1.0)
    response = generated(backend, QUESTION)
    assert response.status == "failed"
    assert response.call is not None
    assert set(response.call.failures) == {"transient"}
    assert endpoint.counts()["arrived"] == 3


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        ({"rate_limited": 1.0}, "rate_limited"),
        ({"no_credit": True}, "unauthorized"),
        ({"overloaded": 1.0}, "transient"),
        ({"dropped": 1.0}, "transient"),
        ({"max_prompt_tokens": 1}, "permanent"),
        ({"models": ["other"]}, "permanent"),
    ],
)
def test_failures_are_of_the_kind_that_their_class_says(
    model: str, tmp_path: Path, endpoint: Endpoint, behaviour: dict[str, object], kind: str
) -> None:
    endpoint.change(**behaviour)
    response = generated(opened(model, tmp_path), QUESTION)
    assert response.status == "failed"
    assert response.call is not None
    assert set(response.call.failures) == {kind}


def test_a_key_that_is_refused_is_not_shown(model: str, tmp_path: Path, endpoint: Endpoint) -> None:
    endpoint.change(api_key="another")
    backend = opened(model, tmp_path)
    response = generated(backend, QUESTION)
    assert response.call is not None
    assert set(response.call.failures) == {"unauthorized"}
    assert SECRET not in f"{response.error} {shown(backend)}"


def test_a_key_that_is_missing_is_said_before_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(BackendError, match="OPENAI_API_KEY"):
        opened("litellm:openai/m", tmp_path).load({"generate_until"})


def test_a_refusal_is_no_failure(backend: Backend, endpoint: Endpoint) -> None:
    endpoint.change(refuse="How many", refuse_by="content_filter")
    assert generated(backend, QUESTION).status == "refused"
