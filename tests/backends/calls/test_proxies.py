"""The proxies of the environment, and the hosts of OpenAI's regions."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.calls.endpoint_options import EndpointOptions
from backends.calls.proxies import proxy_for
from backends.endpoints.openers import chat, open_chat
from backends.errors import BackendError
from backends.money.price_lookup import offered_price
from backends.money.prices import Offer
from tests.support.asking import Open, answers, questions
from tests.support.http_stub import HttpStub, http_stub

NAMES = [name for one in ("http", "https", "all", "no") for name in (f"{one}_proxy", f"{one}_proxy".upper())]


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def stub() -> Iterator[HttpStub]:
    with http_stub() as server:
        yield server


@pytest.mark.parametrize(
    ("variables", "address", "proxy"),
    [
        ({}, "https://model.org/v1", None),
        ({"HTTPS_PROXY": "http://a:1"}, "https://model.org/v1", "http://a:1"),
        ({"HTTPS_PROXY": "http://a:1"}, "http://model.org/v1", None),
        ({"ALL_PROXY": "http://b:2"}, "https://model.org/v1", "http://b:2"),
        ({"all_proxy": "b:2"}, "http://model.org/v1", "http://b:2"),
        ({"ALL_PROXY": "http://b:2", "HTTP_PROXY": "http://a:1"}, "http://model.org/v1", "http://a:1"),
        ({"ALL_PROXY": "http://b:2", "NO_PROXY": "model.org"}, "http://model.org/v1", None),
        ({"ALL_PROXY": "http://b:2", "NO_PROXY": "127.0.0.1:8000"}, "http://127.0.0.1:8000/v1", None),
        ({"ALL_PROXY": "http://b:2", "NO_PROXY": "127.0.0.1:8000"}, "http://127.0.0.1:9/v1", "http://b:2"),
        ({"ALL_PROXY": "socks5://b:2", "NO_PROXY": "*"}, "http://model.org/v1", None),
    ],
)
def test_the_proxy_is_the_one_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], address: str, proxy: str | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(address) == proxy


def test_all_calls_go_through_the_proxy_for_all(
    opened: Open, stub: HttpStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = {"role": "assistant", "content": "four"}
    stub.body = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()
    monkeypatch.setenv("ALL_PROXY", stub.url)
    backend = opened(base_url="http://model.invalid/v1")
    backend.load(["generate_until"])
    assert [one.text for one in answers(backend, questions(1))] == ["four"]
    assert stub.asked[-1].path == "http://model.invalid/v1/chat/completions"


def test_a_proxy_of_another_kind_is_refused_in_words_without_its_password(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5h://me:hidden@127.0.0.1:1080")
    with pytest.raises(BackendError, match=r"socks5h://127\.0\.0\.1:1080, is none of HTTP") as refused:
        opened(base_url="http://model.invalid/v1").load(["generate_until"])
    assert "hidden" not in str(refused.value)
    assert "NO_PROXY" in str(refused.value)


@pytest.mark.parametrize("region", ["", "eu.", "us."])
def test_openais_hosts_of_regions_are_openais(
    region: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    options = EndpointOptions.model_validate({"base_url": f"https://{region}api.openai.com/v1"})
    assert chat("gpt-4o-mini", options).max_tokens_key == "max_completion_tokens"
    with pytest.raises(BackendError, match="OPENAI_API_KEY"):
        open_chat("gpt-4o-mini", options=options, home=tmp_path)
    price = offered_price(Offer("openai-chat:gpt-4o-mini", "gpt-4o-mini", options.base_url or ""), None)
    assert price is not None
    assert price.output > 0


def test_another_server_of_the_environment_is_not_openais(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1")
    assert chat("m", EndpointOptions.model_validate({})).max_tokens_key == "max_tokens"
    assert (
        chat(
            "m", EndpointOptions.model_validate({"base_url": "https://api.openai.com.org/v1"})
        ).max_tokens_key
        == "max_tokens"
    )
