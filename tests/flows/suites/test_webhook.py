"""Webhooks: where the URL comes from, and what happens when the service is away."""

import httpx
import pytest

from backends.retrying import Patience
from flows.common.errors import SpecError
from flows.suites.webhook import Hook
from tests.support.http_stub import http_stub


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.suites.webhook.PATIENCE", Patience(seconds=0.5, first=0.01, longest=0.05))


def test_a_message_is_posted_once() -> None:
    with http_stub() as box:
        Hook.find(box.url).post({"text": "worse"})
    assert box.messages == [{"text": "worse"}]


def test_a_service_that_is_away_for_a_moment_is_told_later() -> None:
    with http_stub(503, 429) as box:
        Hook.find(box.url).post({"text": "worse"})
    assert len(box.messages) == 3


@pytest.mark.parametrize(("status", "is_told_again"), [(404, False), (500, True)])
def test_a_service_that_refuses_is_an_error(status: int, is_told_again: bool) -> None:
    with http_stub(status=status) as box, pytest.raises(httpx.HTTPStatusError):
        Hook.find(box.url).post({})
    assert (len(box.messages) > 1) == is_told_again


def test_the_url_may_be_kept_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUITE_HOOK", "https://chat.example/T0/key")
    hook = Hook.find("env:SUITE_HOOK")
    assert hook.url == "https://chat.example/T0/key"
    assert hook.shown == "chat.example"


def test_the_url_may_be_kept_in_a_secret_block(prefect_server: str) -> None:
    from prefect.blocks.system import Secret
    from pydantic import SecretStr

    block: Secret[str] = Secret(value=SecretStr("https://chat.example/T0/key"))
    block.save("suite-hook", overwrite=True)
    assert Hook.find("secret:suite-hook").url == "https://chat.example/T0/key"
    with pytest.raises(SpecError, match="no Secret block 'no-such-hook'"):
        Hook.find("secret:no-such-hook")


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("env:NO_SUCH_HOOK", "variable NO_SUCH_HOOK is not set"),
        ("env:A_SECRET", "env:A_SECRET is no http"),
        ("T0/key", "none of http"),
        ("https://", "no http:// or https:// URL"),
    ],
)
def test_a_reference_that_leads_nowhere_is_refused_without_what_is_secret(
    monkeypatch: pytest.MonkeyPatch, reference: str, said: str
) -> None:
    monkeypatch.setenv("A_SECRET", "sesame")
    with pytest.raises(SpecError, match=said) as error:
        Hook.find(reference)
    assert "sesame" not in str(error.value)
