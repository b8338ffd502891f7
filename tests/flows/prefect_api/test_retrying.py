"""Calls of Prefect's API while its server is away."""

from collections.abc import Iterator

import httpx
import pytest

from backends.retrying import Patience
from flows.prefect_api.retrying import patient

REQUEST = httpx.Request("POST", "http://127.0.0.1/api/flow_runs/")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.prefect_api.retrying.PATIENCE", Patience(600, first=0.01, longest=0.01))


class Server:
    """Gives what is next: an error to raise, or an answer."""

    def __init__(self, *answers: Exception | str) -> None:
        self.answers: Iterator[Exception | str] = iter(answers)
        self.calls = 0

    def create(self, name: str) -> str:
        self.calls += 1
        answer = next(self.answers)
        if isinstance(answer, Exception):
            raise answer
        return f"{name}: {answer}"


def status(code: int) -> httpx.HTTPStatusError:
    return httpx.HTTPStatusError("no", request=REQUEST, response=httpx.Response(code))


def test_a_server_that_is_restarted_is_waited_for() -> None:
    server = Server(httpx.ConnectError("refused"), httpx.ReadError("reset"), status(503), "made")
    assert patient(server.create, "one") == "one: made"
    assert server.calls == 4


def test_a_server_that_does_not_come_back_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    brief = Patience(0.05, first=0.01, longest=0.01)
    monkeypatch.setattr("flows.prefect_api.retrying.PATIENCE", brief)
    with pytest.raises(httpx.ConnectError):
        patient(Server(*(httpx.ConnectError("refused") for _ in range(100))).create, "one")


@pytest.mark.parametrize("error", [status(404), status(409), ValueError("no")])
def test_what_trying_again_does_not_help_is_raised_at_once(error: Exception) -> None:
    server = Server(error, "made")
    with pytest.raises(type(error)):
        patient(server.create, "one")
    assert server.calls == 1
