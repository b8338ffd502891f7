"""Stored answers that may not stand by today's rules count as missing, and are replaced."""

import itertools
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from backends.answer_faults import ROUNDING
from backends.requests import Call, Response
from backends.store.payload import Codec
from backends.store.responses import ResponseStore
from backends.store.tables import RESPONSES
from tests.backends.store.test_responses import key
from tests.support.servers.postgresql import PostgreSQL

ASKED = Call(enqueued=1.0, asked="openai-chat:m", http_status=200)
_numbers = itertools.count(1)
GOOD = Response(logprob=-1.5, is_greedy=False)
SAID_NOTHING = Response(text="", thinking="Hm.", call=ASKED)
UNFIT = [
    Response(logprob=float("nan"), is_greedy=False),
    Response(logprob=float("-inf"), is_greedy=False),
    Response(logprob=float("inf"), is_greedy=True, call=ASKED),
    Response(logprob=0.25, is_greedy=True, tokens_in=1000, call=ASKED),
    Response(logprob=10**400, is_greedy=True),
    SAID_NOTHING,
]
FIT = [
    Response(logprob=0.0, is_greedy=True),
    Response(logprob=-0.0, is_greedy=True),
    Response(logprob=ROUNDING / 2, is_greedy=True),
    Response(logprob=-1e-300),
    Response(logprob=-3),
    Response(text="", call=ASKED),
    Response(text="4", thinking="Hm.", call=ASKED),
    Response(text='"logprob":NaN', thinking='"text":""', call=ASKED),
    Response(text="", thinking="Hm."),  # a model of this machine, whose stops never act on its thinking
    Response(text="", thinking="Hm.", status="truncated", cut_while_thinking=True, call=ASKED),
    Response(text="", thinking="Hm.", status="refused", error="no", call=ASKED),
]


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ResponseStore]:
    place = str(tmp_path / "responses.sqlite")
    if request.param == "PostgreSQL":
        server: PostgreSQL = request.getfixturevalue("postgresql")
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        place = server.create(f"replaced_{next(_numbers)}")
    with ResponseStore.open(place) as opened:
        yield opened


def written_before(store: ResponseStore, responses: list[Response]) -> list[str]:
    """Put responses there as a version does that takes whatever comes; their keys."""
    keys, codec = [key(number) for number in range(len(responses))], Codec()
    rows = [
        {"key": name, "model": "m", "payload": codec.encode(one)}
        for name, one in zip(keys, responses, strict=True)
    ]
    with store._database.engine.begin() as connection:
        connection.execute(sa.insert(RESPONSES), rows)
    return keys


def test_answers_that_may_not_stand_are_missing_and_all_others_are_there(store: ResponseStore) -> None:
    keys = written_before(store, [*UNFIT, *FIT])
    good = keys[len(UNFIT) :]
    assert store.has_many(keys) == set(good)
    assert store.get_many(keys) == dict(zip(good, FIT, strict=True))


def test_what_is_asked_in_their_place_wins_and_the_others_stay(store: ResponseStore) -> None:
    keys = written_before(store, [*UNFIT, *FIT])
    store.put_many([(name, GOOD) for name in keys], model="new")
    store.put_many([(name, Response(logprob=-9.0)) for name in keys], model="late")
    unfit, good = keys[: len(UNFIT)], keys[len(UNFIT) :]
    assert store.get_many(keys) == {**dict.fromkeys(unfit, GOOD), **dict(zip(good, FIT, strict=True))}
    assert store.count() == len(keys)


def test_nothing_after_thinking_is_asked_once_more_and_then_stays(store: ResponseStore) -> None:
    (name,) = written_before(store, [SAID_NOTHING])
    again = replace(SAID_NOTHING, thinking="Hm, hm.")
    store.put_many([(name, again)], model="m")
    assert store.has_many([name]) == {name}
    store.put_many([(name, Response(text="late"))], model="m")
    assert store.get_many([name]) == {name: again}


@pytest.mark.parametrize("response", [one for one in UNFIT if one.logprob is not None])
def test_what_can_be_no_answer_is_not_stored(store: ResponseStore, response: Response) -> None:
    with pytest.raises(ValueError, match=f"response {key(1)} is no answer: the log-likelihood is"):
        store.put_many([(key(2), GOOD), (key(1), response)], model="m")
    assert store.count() == 0


def test_what_is_added_to_a_store_leaves_alone_what_older_versions_read(tmp_path: Path) -> None:
    path = tmp_path / "responses.sqlite"
    with ResponseStore.open(path) as store, sqlite3.connect(path) as file:
        meta = dict(file.execute("SELECT name, value FROM assay_meta"))
        columns = {row[1] for row in file.execute("PRAGMA table_info(assay_responses)")}
    assert meta == {"schema": "1", "identity": store.identity}
    assert columns == {"key", "model", "payload"}


def test_an_older_version_reads_what_is_stored_of_a_call() -> None:
    call = replace(ASKED, model="m-1", system_fingerprint="fp_1")
    codec = Codec()
    assert codec.decode(codec.encode(Response(text="4", call=call))).call == replace(
        call, system_fingerprint=""
    )


def test_the_quick_look_never_misses_what_the_whole_one_finds() -> None:
    codec = Codec()
    long = [replace(one, error="why " * 100) for one in UNFIT]
    for response in [*UNFIT, *long]:
        assert codec.looks_unfit(codec.encode(response)), json.dumps(response.logprob)
