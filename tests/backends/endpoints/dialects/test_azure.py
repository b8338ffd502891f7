"""Contract: OpenAI's chat at Azure, against a stand-in that keeps to its published fields."""

from pathlib import Path

import pytest

from backends.errors import BackendError
from backends.protocol import Backend
from tests.backends.endpoints.dialects.asking import SECRET, generated, opened, shown
from tests.support.endpoints.answers import chat_prompt, text_for
from tests.support.endpoints.endpoint import Endpoint

QUESTION = "How many?"
SAID = text_for(chat_prompt([{"role": "user", "content": QUESTION}]))


@pytest.fixture(params=["false", "true"], ids=["whole", "streamed"])
def backend(
    request: pytest.FixtureRequest, endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Backend:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", SECRET)
    endpoint.change(dialect="azure", api_key=SECRET, models=["my-deployment"])
    key = "api_key=env:AZURE_OPENAI_API_KEY"
    address = f"base_url={endpoint.root}&{key}&stream={request.param}&api_version=2024-10-21"
    return opened(f"azure:my-deployment?{address}", tmp_path)


def test_a_deployment_answers(backend: Backend, endpoint: Endpoint) -> None:
    response = generated(backend, QUESTION, max_gen_toks=99)
    assert (response.status, response.text) == ("answer", SAID)
    assert endpoint.log()[-1]["path"].startswith("/openai/deployments/my-deployment/")
    assert SECRET not in shown(backend)


def test_a_filtered_prompt_is_a_refusal_that_says_why(backend: Backend, endpoint: Endpoint) -> None:
    endpoint.change(refuse="many")
    response = generated(backend, QUESTION)
    assert (response.status, response.text) == ("refused", "")
    assert "content policy" in (response.error or "")
    assert response.call is not None
    assert (response.call.http_status, response.call.counted) == (400, False)
    assert response.call.finished >= response.call.started


def test_another_bad_request_is_a_failure(backend: Backend, endpoint: Endpoint) -> None:
    endpoint.change(max_prompt_tokens=1)
    assert generated(backend, QUESTION).status == "failed"


def test_a_resource_and_a_key_are_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("AZURE_OPENAI_ENDPOINT", raising=False)
    with pytest.raises(BackendError, match="base_url=https://RESOURCE"):
        opened("azure:d", tmp_path)
    with pytest.raises(BackendError, match="AZURE_OPENAI_API_KEY"):
        opened("azure:d?base_url=http://127.0.0.1:1", tmp_path)
