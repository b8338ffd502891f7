"""The response store on a real PostgreSQL: what it promises on SQLite, and a server that goes away."""

import itertools
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from backends.errors import BackendError
from backends.requests import Response
from backends.retrying import ONCE, Patience
from backends.store.responses import ResponseStore
from tests.backends.store.test_responses import key, start
from tests.support.servers.postgresql import PostgreSQL

_numbers = itertools.count(1)


@pytest.fixture
def url(postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database; its password is in the environment."""
    for name, value in postgresql.environment.items():
        monkeypatch.setenv(name, value)
    return postgresql.create(f"store_{next(_numbers)}")


@pytest.fixture
def store(url: str) -> Iterator[ResponseStore]:
    with ResponseStore.open(url, Patience(seconds=30)) as opened:
        yield opened


def test_a_response_is_found_again_by_another_opening_of_the_same_store(url: str) -> None:
    response = Response(text="a \ud83d b \0", tokens_in=12, seconds=0.25)
    with ResponseStore.open(url) as store:
        store.put_many([(key(number), response) for number in range(1100)], model="m")
        identity = store.identity
    with ResponseStore.open(url) as store:
        assert store.identity == identity
        assert store.get_many([key(1099), key(2000)]) == {key(1099): response}
        assert len(store.has_many([key(number) for number in range(2000)])) == store.count() == 1100


def test_the_first_response_of_a_key_stays(store: ResponseStore) -> None:
    store.put_many([(key(1), Response(text="first"))], model="m")
    store.put_many([(key(1), Response(text="second")), (key(2), Response(text="new"))], model="m")
    assert store.get_many([key(1), key(2)]) == {key(1): Response(text="first"), key(2): Response(text="new")}


WRITER = """
    import sys
    from backends.store.responses import ResponseStore
    from backends.requests import Response

    place, name = sys.argv[1:]
    with ResponseStore.open(place) as store:
        for start in range(0, 200, 20):
            keys = [f"{n:032x}" for n in range(start, start + 20)]
            if name == "1":
                keys.reverse()
            store.put_many([(key, Response(text=name)) for key in keys], "m")
        print(store.identity)
"""


def test_processes_that_create_and_write_one_store_at_once_lose_and_change_nothing(url: str) -> None:
    writers = [start(WRITER, url, name) for name in range(4)]
    ended = [(*writer.communicate(timeout=120), writer.returncode) for writer in writers]
    assert [status for _, _, status in ended] == [0] * 4, ended
    assert len({out for out, _, _ in ended}) == 1, "one store, one identity"
    with ResponseStore.open(url) as store:
        before = store.get_many([key(number) for number in range(200)])
        store.put_many([(key(number), Response(text="late")) for number in range(200)], "m")
        assert len(before) == 200
        assert store.get_many([key(number) for number in range(200)]) == before


def test_threads_that_create_one_store_at_once_get_one_identity(url: str) -> None:
    with ThreadPoolExecutor(8) as threads:
        stores = list(threads.map(ResponseStore.open, [url] * 8))
    assert len({store.identity for store in stores}) == 1
    for store in stores:
        store.close()


def test_a_server_that_is_killed_and_started_again_is_waited_for(
    store: ResponseStore, postgresql: PostgreSQL
) -> None:
    store.put_many([(key(0), Response(text="0"))], "m")
    postgresql.kill()
    answers = []

    def write_and_read() -> None:
        store.put_many([(key(1), Response(text="1"))], "m")
        answers.append(store.get_many([key(0), key(1)]))

    writing = threading.Thread(target=write_and_read)
    writing.start()
    time.sleep(0.5)
    assert writing.is_alive()
    postgresql.start()
    writing.join(30)
    assert answers == [{key(0): Response(text="0"), key(1): Response(text="1")}]


def test_a_server_that_stays_away_is_waited_for_once_and_then_named(url: str, postgresql: PostgreSQL) -> None:
    with ResponseStore.open(url, Patience(seconds=2)) as store:
        postgresql.kill()
        try:
            begun = time.monotonic()
            with pytest.raises(BackendError, match=f"response store {url.replace('+', '.')}: "):
                store.has_many([key(1)])
            first, begun = time.monotonic() - begun, time.monotonic()
            with pytest.raises(BackendError) as caught:
                store.put_many([(key(1), Response(text="1"))], "m")
            second = time.monotonic() - begun
        finally:
            postgresql.start()
        assert first > 1.9
        assert second < 1.9
        assert "\n" not in str(caught.value)
        assert postgresql.PASSWORD not in str(caught.value)
        store.put_many([(key(1), Response(text="1"))], "m")
        assert store.count() == 1


def test_a_server_that_is_away_at_the_start_is_said_in_a_line_at_once() -> None:
    begun = time.monotonic()
    with pytest.raises(BackendError) as caught:
        ResponseStore.open("postgresql://me:secret@127.0.0.1:1/db?password=other")
    assert time.monotonic() - begun < 60
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "other" not in str(caught.value)
    assert "me:***@127.0.0.1:1/db: connection failed" in str(caught.value)


def test_a_wrong_password_and_a_missing_database_are_said_without_the_password(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BackendError, match=r'none_such: .*database "none_such" does not exist'):
        ResponseStore.open(f"{url.rpartition('/')[0]}/none_such", ONCE)
    monkeypatch.setenv("PGPASSWORD", "very-wrong")
    with pytest.raises(BackendError, match="password authentication failed") as caught:
        ResponseStore.open(url)
    assert os.environ["PGPASSWORD"] not in str(caught.value)
    assert "\n" not in str(caught.value)
