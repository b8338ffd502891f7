"""A task's Python draws the same numbers each time, whatever else the process does."""

import random
import threading
import time
from typing import Any

import pytest

from tasks_lib.code.random_state import RANDOM_SEED, seeded
from tests.support.task_maker import ROWS, TaskMaker


def drawn(count: int) -> list[float]:
    """Draws with rests, in which other threads get to run."""
    found = []
    for _ in range(count):
        found.append(random.random())
        time.sleep(1e-4)
    return found


def expected(count: int) -> list[float]:
    stream = random.Random(RANDOM_SEED)
    return [stream.random() for _ in range(count)]


def test_draws_of_other_threads_change_nothing() -> None:
    """As a library's thread for a web socket makes them."""
    stop, others = threading.Event(), []

    def draw() -> None:
        while not stop.is_set():
            others.append(random.getrandbits(32))
            time.sleep(1e-4)

    thread = threading.Thread(target=draw)
    thread.start()
    try:
        with seeded():
            found = drawn(100)
    finally:
        stop.set()
        thread.join()
    assert found == expected(100)
    assert len(set(others)) > 1


def test_two_threads_that_want_them_seeded_take_turns() -> None:
    found: dict[int, list[float]] = {}

    def draw(number: int) -> None:
        with seeded():
            found[number] = drawn(50)

    threads = [threading.Thread(target=draw, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(own == expected(50) for own in found.values())


def test_a_block_within_another_starts_anew_and_gives_back() -> None:
    with seeded():
        first = drawn(1)
        with seeded():
            inner = drawn(2)
        rest = drawn(1)
    assert inner == expected(2)
    assert first + rest == expected(2)


def test_afterwards_the_functions_are_the_real_ones() -> None:
    before = {name: getattr(random, name) for name in random.__all__}
    with seeded():
        kept = random.random
    assert {name: getattr(random, name) for name in random.__all__} == before
    random.seed(5)
    assert kept() == random.Random(5).random()


@pytest.mark.parametrize("key", ["process_docs", "custom_dataset"])
def test_a_generator_of_the_tasks_own_module_gives_the_same_each_time(maker: TaskMaker, key: str) -> None:
    maker.data(ROWS)
    given = "rows" if key == "process_docs" else "{'test': rows}"
    function = maker.function(
        "def made(docs=(), **rest):\n"
        "    rows = [{'question': str(RNG.random()), 'answer': 'a'} for _ in range(3)]\n"
        f"    return {given}\n"
        "import random\nRNG = random.Random(3)\n"
    )
    keys: dict[str, Any] = {key: function}
    tasks = [maker.task(**keys) for _ in range(3)]
    first, *others = [[doc["question"] for doc in task.documents.evaluated.docs] for task in tasks]
    assert first[0] == str(random.Random(3).random())
    assert others == [first, first]
