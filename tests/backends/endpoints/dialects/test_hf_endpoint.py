"""Hugging Face's providers speak as OpenAI does: what differs is the address and the key."""

from pathlib import Path

import huggingface_hub
import pytest

from backends.calls.key_hosts import PROVIDERS_HOSTS
from backends.errors import BackendError
from tests.backends.endpoints.dialects.asking import SECRET, generated, opened, shown
from tests.support.endpoints.answers import chat_prompt, text_for
from tests.support.endpoints.endpoint import Endpoint

QUESTION = "How many?"


@pytest.fixture
def no_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Nobody is logged in; the file where a token would be kept."""
    kept = tmp_path / "token"
    monkeypatch.setitem(PROVIDERS_HOSTS, "HF_TOKEN", ("huggingface.co", "127.0.0.1"))  # where the stand-in is
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(kept))
    return kept


def test_a_model_of_a_provider_answers_with_the_token_that_was_kept(
    endpoint: Endpoint, tmp_path: Path, no_token: Path
) -> None:
    no_token.write_text(SECRET)
    endpoint.change(api_key=SECRET, models=["org/model:provider"])
    backend = opened(f"hf-endpoint:org/model:provider?base_url={endpoint.url}", tmp_path)
    response = generated(backend, QUESTION, max_gen_toks=99)
    assert response.text == text_for(chat_prompt([{"role": "user", "content": QUESTION}]))
    assert SECRET not in shown(backend)


def test_a_token_of_the_environment_comes_first(
    endpoint: Endpoint, tmp_path: Path, no_token: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_token.write_text("hf_of_the_file")
    monkeypatch.setenv("HF_TOKEN", SECRET)
    endpoint.change(api_key=SECRET)
    backend = opened(f"hf-endpoint:m?base_url={endpoint.url}", tmp_path)
    assert generated(backend, QUESTION).status == "answer"


def test_the_router_is_the_usual_address_and_needs_a_token(
    tmp_path: Path, no_token: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BackendError, match="hf auth login"):
        opened("hf-endpoint:org/model", tmp_path)
    monkeypatch.setenv("HF_TOKEN", SECRET)
    backend = opened("hf-endpoint:org/model", tmp_path)
    assert backend.fingerprint["endpoint"] == "https://router.huggingface.co/v1"
