"""Waiting for what is away: for a while, and once."""

import pytest

from backends.retrying import ONCE, Patience, Retrier

BRIEF = Patience(seconds=0.2, first=0.01, longest=0.02)


class Server:
    """Fails so often, then answers."""

    def __init__(self, failures: int, error: type[Exception] = ConnectionError) -> None:
        self.failures, self.error, self.calls = failures, error, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return "answer"


def retrier(patience: Patience = BRIEF) -> Retrier:
    return Retrier(patience, lambda error: isinstance(error, ConnectionError))


def test_a_call_is_tried_again_until_it_works() -> None:
    server = Server(3)
    assert retrier()(server) == "answer"
    assert server.calls == 4


def test_what_will_not_pass_is_not_tried_again() -> None:
    server = Server(3, PermissionError)
    with pytest.raises(PermissionError):
        retrier()(server)
    assert server.calls == 1


def test_no_patience_is_one_try() -> None:
    server = Server(1)
    with pytest.raises(ConnectionError):
        retrier(ONCE)(server)
    assert server.calls == 1


def test_what_stays_away_is_waited_for_once_and_again_after_it_was_back() -> None:
    trying, gone = retrier(), Server(10_000)
    with pytest.raises(ConnectionError):
        trying(gone)
    assert gone.calls > 5
    before = gone.calls
    with pytest.raises(ConnectionError):
        trying(gone)
    assert gone.calls == before + 1
    assert trying(Server(0)) == "answer"
    assert trying(Server(3)) == "answer"
