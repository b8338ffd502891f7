"""A chat is asked in texts: what only means something for tokens is refused, not ignored."""

from pathlib import Path

import pytest

from backends.errors import BackendError
from tests.backends.endpoints.dialects.asking import opened

CHATS = {
    "openai-chat": "OPENAI_API_KEY",
    "azure": "AZURE_OPENAI_API_KEY",
    "hf-endpoint": "HF_TOKEN",
    "anthropic": "ANTHROPIC_API_KEY",
    "litellm": "OPENAI_API_KEY",
}


@pytest.mark.parametrize("backend", CHATS)
@pytest.mark.parametrize("option", ["tokenizer=/models/mine", "max_length=512"])
def test_options_of_tokens_are_refused(
    backend: str, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if backend == "litellm":
        pytest.importorskip("litellm")
    monkeypatch.setenv(CHATS[backend], "a-key-for-nobody")
    with pytest.raises(BackendError, match=rf"has no option {option.partition('=')[0]}"):
        opened(f"{backend}:m?base_url=http://127.0.0.1:1&api_key=env:{CHATS[backend]}&{option}", tmp_path)
