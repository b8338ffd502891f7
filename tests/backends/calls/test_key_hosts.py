"""A key of a usual variable goes to its provider's own hosts; to another one where that is said."""

from pathlib import Path

import pytest

from backends.calls.key_hosts import goes_in_the_open, is_loopback, is_providers_own
from backends.errors import BackendError
from backends.model_string import ModelSpec
from backends.protocol import Backend
from backends.registry import BackendContext, open_backend
from tests.support.http_stub import http_stub

KEY = "key-of-a-test-0123456789"
USUAL = {
    "openai-chat": "OPENAI_API_KEY",
    "openai-completions": "OPENAI_API_KEY",
    "openai-batch": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "hf-endpoint": "HF_TOKEN",
    "tgi": "HF_TOKEN",
}


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in USUAL.values():
        monkeypatch.setenv(variable, KEY)


def opened(model: str, home: Path) -> Backend:
    return open_backend(ModelSpec.parse(model), BackendContext(home=home))


def sent_by(backend: str, address: str, options: str, home: Path) -> None:
    with pytest.raises(BackendError):  # the stub answers nothing of use
        opened(f"{backend}:m?base_url={address}{options}", home).load(frozenset())


@pytest.mark.parametrize("backend", USUAL)
def test_a_usual_key_does_not_go_to_another_host(backend: str, tmp_path: Path) -> None:
    with http_stub(status=401) as listener:
        sent_by(backend, listener.url, "", tmp_path)
    assert listener.asked
    assert not any(KEY in str(asked.headers) for asked in listener.asked)


@pytest.mark.parametrize("backend", USUAL)
def test_it_goes_where_the_user_says_so(backend: str, tmp_path: Path) -> None:
    with http_stub(status=401) as listener:
        sent_by(backend, listener.url, f"&api_key=env:{USUAL[backend]}", tmp_path)
    assert listener.asked
    assert all(KEY in str(asked.headers) for asked in listener.asked)


def test_a_server_that_wants_one_is_answered_with_the_way_out(tmp_path: Path) -> None:
    with http_stub(status=401) as listener, pytest.raises(BackendError) as caught:
        opened(f"openai-chat:m?base_url={listener.url}", tmp_path).load(frozenset())
    assert "say api_key=env:OPENAI_API_KEY" in str(caught.value)


def test_another_machine_is_named_where_the_key_is_kept_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    opened("openai-chat:m?base_url=https://gateway.example/v1", tmp_path)
    assert "OPENAI_API_KEY is not sent to gateway.example: " in caplog.text
    assert "api_key=env:OPENAI_API_KEY" in caplog.text
    caplog.clear()
    opened("openai-chat:m?base_url=http://127.0.0.1:8000/v1", tmp_path)
    opened("openai-chat:m?base_url=https://eu.api.openai.com/v1", tmp_path)
    assert not caplog.text


@pytest.mark.parametrize("how", ["api_key=env:OPENAI_API_KEY", 'headers={"x-key": "env:OPENAI_API_KEY"}'])
def test_a_key_over_http_is_said(how: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    opened(f"openai-chat:m?base_url=http://gateway.example/v1&{how}", tmp_path)
    assert caplog.text.count("a key goes there over http") == 1
    caplog.clear()
    opened(f"openai-chat:m?base_url=http://127.0.0.1:8000/v1&{how}", tmp_path)
    opened(f"openai-chat:m?base_url=https://gateway.example/v1&{how}", tmp_path)
    assert "over http" not in caplog.text


def test_a_proxy_is_somebody_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert not goes_in_the_open("http://127.0.0.1:8000/v1")
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    assert goes_in_the_open("http://127.0.0.1:8000/v1")


@pytest.mark.parametrize(
    ("address", "is_own"),
    [
        ("https://api.openai.com/v1", True),
        ("https://us.api.openai.com/v1", True),
        ("http://api.openai.com/v1", False),
        ("https://api.openai.com.evil.example/v1", False),
        ("https://notapi.openai.com/v1", False),
        ("https://evil.example/api.openai.com", False),
        ("https://api.openai.com:443@evil.example/v1", False),
    ],
)
def test_a_host_is_its_provider_s_or_not(address: str, is_own: bool) -> None:
    assert is_providers_own(address, "OPENAI_API_KEY") is is_own


def test_azure_has_domains_of_resources() -> None:
    assert is_providers_own("https://mine.openai.azure.com/openai", "AZURE_OPENAI_API_KEY")
    assert not is_providers_own("https://mine.azure.com.example", "AZURE_OPENAI_API_KEY")


def test_loopback_is_this_machine() -> None:
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.9.9.9", "::1")))
    assert not any(map(is_loopback, ("127.0.0.1.example", "10.0.0.1", "localhost.example", "")))


def test_a_redirect_does_not_carry_the_key_elsewhere(tmp_path: Path) -> None:
    with http_stub(status=200) as elsewhere, http_stub(status=307) as listener:
        listener.headers = {"location": f"{elsewhere.url}/x"}
        model = f"openai-chat:m?base_url={listener.url}&api_key=env:OPENAI_API_KEY"
        opened(model, tmp_path).load(frozenset())
    assert listener.asked
    assert not elsewhere.asked
