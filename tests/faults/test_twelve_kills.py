"""`kill -9`, twelve times each: the results are those of a run to which nothing happens, and at most what was
under way is asked again."""

import os
import random
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.test_endpoint_runs import FAULTS, chat
from tests.support.endpoints.endpoint import Endpoint
from tests.support.lab import Lab
from tests.support.waiting import PATIENCE, until

KILLS = 12
AT_ONCE = 8
DOCS = 600

pytestmark = pytest.mark.slow


def killed(lab: Lab, model: str, done: Callable[[], int], *flags: str, each: int) -> None:
    """Start a run, and kill it when up to so many more are done; twelve times."""
    draw = random.Random(KILLS)
    for _ in range(KILLS):
        process = lab.start(*flags, tasks="sums", model=model)
        wanted = done() + draw.randint(each // 3, each)
        assert until(lambda wanted=wanted: done() >= wanted, process)  # type: ignore[misc]
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=PATIENCE)


def stored(lab: Lab) -> int:
    """How many answers the lab's store has."""
    file = lab.home / "responses.sqlite"
    if not file.exists():
        return 0
    try:
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
            return int(connection.execute("SELECT count(*) FROM assay_responses").fetchone()[0])
    except sqlite3.Error:  # it is just being made
        return 0


@pytest.mark.parametrize("place", ["disk", "bucket and database"])
def test_at_an_endpoint_with_faults(
    lab: Lab, tmp_path: Path, endpoint: Endpoint, place: str, request: pytest.FixtureRequest
) -> None:
    flags: list[str] = []
    if place != "disk":
        output, store = request.getfixturevalue("prefix"), request.getfixturevalue("database")
        flags = [f"--output={output}", f"--store={store}"]
    lab.add_texts("sums", DOCS)
    expected = Lab(tmp_path / "other", beside=lab).evaluate("sums", chat(endpoint)).results["results"]
    endpoint.reset()
    endpoint.change(latency=0.1, **FAULTS)

    def answered() -> int:
        return int(endpoint.counts()["outcomes"].get("answered", 0))

    model = chat(endpoint, max_concurrency=AT_ONCE, timeout=5)
    killed(lab, model, answered, *flags, each=30)
    keys = dict(flag.removeprefix("--").split("=", 1) for flag in flags)
    found = lab.evaluate("sums", model, **keys)
    assert found.results["results"] == expected
    twice = answered() - DOCS
    print(f"{twice} of {DOCS} asked twice, in {KILLS} kills")
    # Under way is what was sent and not stored yet: answers wait for the next write.
    assert twice <= KILLS * AT_ONCE * 1.5


def test_on_a_local_model(lab: Lab, tmp_path: Path, tiny_model: Path) -> None:
    lab.add_choices("sums", DOCS)
    model = f"hf:{tiny_model}?batch_size=1&dtype=float32"
    other = Lab(tmp_path / "other", beside=lab)
    expected = other.evaluate("sums", model).results["results"]
    killed(lab, model, lambda: stored(lab), each=60)
    before = stored(lab)
    found = lab.evaluate("sums", model)
    assert found.results["results"] == expected
    assert 0 < before < stored(other)
    assert found.results["assay"]["requests_reused"] == before
