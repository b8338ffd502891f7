"""Leases on answers: who asks keeps others from asking, for as long as it is there."""

import itertools
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from backends.store import leases as leases_module
from backends.store.leases import GONE_SECONDS, Leases
from backends.store.responses import ResponseStore
from backends.store.tables import ASKERS, LEASES
from backends.store.this_process import ProcessId
from tests.backends.store.test_responses import start
from tests.support.servers.postgresql import PostgreSQL
from tests.support.waiting import until

_numbers = itertools.count(1)
KEYS = {f"{number:032x}" for number in range(700)}
SOME = {f"{number:032x}" for number in range(600, 900)}

HOLDER = """
    import sys, time
    from backends.store.responses import ResponseStore

    with ResponseStore.open(sys.argv[1]) as store, store.leases.held(sys.argv[2:]):
        print("held", flush=True)
        time.sleep(600)
"""


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "SQLite":
        return str(tmp_path / "responses.sqlite")
    server: PostgreSQL = request.getfixturevalue("postgresql")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return server.create(f"leases_{next(_numbers)}")


@pytest.fixture
def one(place: str) -> Iterator[Leases]:
    with ResponseStore.open(place) as store:
        yield store.leases


@pytest.fixture
def other(place: str) -> Iterator[Leases]:
    with ResponseStore.open(place) as store:
        yield store.leases


def rows(leases: Leases, table: sa.Table) -> int:
    return leases.database.do(
        lambda on: on.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
    )


def change_askers(leases: Leases, **values: object) -> None:
    leases.database.do(lambda connection: connection.execute(sa.update(ASKERS).values(**values)))


def test_what_one_asks_for_the_other_is_told_of_until_it_has_ended(one: Leases, other: Leases) -> None:
    with one.held(KEYS) as nothing:
        assert nothing == {}
        with other.held(SOME) as others:
            assert others.keys() == KEYS & SOME
            asker = set(others.values())
            assert len(asker) == 1
            assert other.still_asking(asker) == asker
            with one.held(SOME) as of_both:
                assert of_both.keys() == SOME
                assert len(set(of_both.values())) == 2
    assert other.still_asking(asker) == set()
    assert rows(one, ASKERS) == rows(one, LEASES) == 0


def test_a_lease_ends_where_the_asking_breaks_off(one: Leases, other: Leases) -> None:
    with pytest.raises(KeyboardInterrupt), one.held(KEYS):
        raise KeyboardInterrupt
    with other.held(KEYS) as others:
        assert others == {}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_leases_of_a_process_that_was_killed_are_free_at_once(
    place: str, other: Leases, how: signal.Signals
) -> None:
    holder = start(HOLDER, place, "a", "b")
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n", holder.communicate()
    with other.held({"b", "c"}) as others:
        assert others.keys() == {"b"}
        os.kill(holder.pid, how)
        assert until(lambda: not other.still_asking(set(others.values())), seconds=20), (
            "no child was waited for"
        )
    holder.communicate(timeout=60)
    with other.held({"a", "b"}) as others:
        assert others == {}


def test_a_holder_of_another_machine_is_gone_when_it_was_not_seen_for_long(
    one: Leases, other: Leases
) -> None:
    with one.held(KEYS):
        change_askers(one, machine="another", pid=1)
        with other.held(KEYS) as others:
            assert others.keys() == KEYS
        change_askers(one, seen=ASKERS.c.seen - GONE_SECONDS - 1)
        with other.held(KEYS) as others:
            assert others == {}
            with one.held(KEYS) as others_now:
                assert others_now.keys() == KEYS
    assert rows(one, ASKERS) == rows(one, LEASES) == 0


def test_a_number_of_a_process_that_was_given_again_is_no_holder(one: Leases, other: Leases) -> None:
    with one.held(KEYS):
        change_askers(one, began=ASKERS.c.began - 60)
        with other.held(KEYS) as others:
            assert others == {}


def test_a_holder_says_that_it_is_there(one: Leases, monkeypatch: pytest.MonkeyPatch) -> None:
    def seen() -> float:
        return float(one.database.do(lambda on: on.execute(sa.select(ASKERS.c.seen)).scalar_one()))

    monkeypatch.setattr(leases_module, "BEAT_SECONDS", 0.05)
    with one.held(KEYS):
        first = seen()
        assert abs(first - time.time()) < 5
        assert until(lambda: seen() > first, seconds=30)


def test_this_process_runs() -> None:
    assert not ProcessId.here().has_ended
