"""A start goes on with the batches of an earlier one."""

import logging
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from backends.batches.api import BatchApi
from backends.errors import BackendError, BackendStopped
from tests.backends.batches.asking import (
    CHILD,
    REQUESTS,
    ask_and_stop,
    asked,
    call,
    interrupt_when,
    interrupted_after,
    once_each,
    only,
    opened,
    remembered,
    said,
    stored,
    texts,
)
from tests.support.endpoints.endpoint import Endpoint
from tests.support.paths import ROOT
from tests.support.waiting import until


@pytest.mark.parametrize(
    ("step", "when"),
    [
        ("pending.write", "before"),
        ("pending.write", "after"),
        ("api.upload", "after"),
        ("api.create", "after"),
        ("api.look", "before"),
        ("api.lines", "after"),
        ("pending.forget", "before"),
    ],
)
def test_a_start_after_a_kill_goes_on(endpoint: Endpoint, home: Path, step: str, when: str) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", CHILD, *step.split("."), when, endpoint.url, str(home)], cwd=ROOT, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    rest = [request for position, request in enumerate(REQUESTS) if position not in stored(home)]
    if rest:
        assert texts(asked(opened(endpoint, home), rest)) == said(rest)
    assert once_each(endpoint)


def test_an_intent_is_looked_for_in_all_pages(
    endpoint: Endpoint, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backends.batches.api._PAGE", 2)
    endpoint.change(batch_seconds=0.2)
    for number in range(3):
        with monkeypatch.context() as patch:
            patch.setattr(BatchApi, "create", interrupted_after(BatchApi.create))
            with pytest.raises(InterruptedError):
                asked(opened(endpoint, home), REQUESTS[4 * number : 4 * number + 4])
    assert [one["batch"] for one in remembered(home)] == [None] * 3
    assert texts(asked(opened(endpoint, home))) == said()
    assert once_each(endpoint)


def test_what_was_handed_in_by_another_cut_of_the_requests_is_found(endpoint: Endpoint, home: Path) -> None:
    ask_and_stop(opened(endpoint, home))  # before the answers were stored
    backend = opened(endpoint, home)
    assert texts(asked(backend, REQUESTS[:5])) == said(REQUESTS[:5])
    assert len(remembered(home)[0]["failures"]) == len(REQUESTS) - 5
    assert texts(asked(backend, REQUESTS[5:])) == said(REQUESTS[5:])
    assert once_each(endpoint)
    assert remembered(home) == []


def test_tries_are_counted_over_starts(endpoint: Endpoint, home: Path) -> None:
    endpoint.change(batch_errors=1, batch_seconds=0.1)
    with ThreadPoolExecutor(1) as thread:
        answers = thread.submit(asked, opened(endpoint, home, max_tries=4))
        assert until(lambda: ["transient"] in [*only(home)[0]["failures"].values()])
        endpoint.change(api_key="another")
        with pytest.raises(BackendStopped):
            answers.result(10)
    endpoint.change(api_key=None)
    assert all(one.call and one.call.attempts == 4 for one in asked(opened(endpoint, home, max_tries=4)))
    assert len(call(endpoint, "GET", "/batches")["data"]) == 4


def test_an_interruption_leaves_the_batch_and_says_how_to_go_on(
    endpoint: Endpoint, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "assay")
    endpoint.change(batch_seconds=0.5)
    watching = threading.Thread(target=interrupt_when, args=(lambda: "handed in" in caplog.text,))
    watching.start()
    with pytest.raises(KeyboardInterrupt):
        asked(opened(endpoint, home))
    watching.join()
    assert "12 requests in batches (batch_0) go on without us; the same command" in caplog.text
    assert texts(asked(opened(endpoint, home))) == said()
    assert once_each(endpoint)


def test_a_damaged_file_is_named(endpoint: Endpoint, home: Path) -> None:
    ask_and_stop(opened(endpoint, home))
    (path,) = (home / "batches").glob("*/*.json")
    path.write_text(path.read_text()[:20])
    with pytest.raises(BackendError, match=path.name):
        asked(opened(endpoint, home))
