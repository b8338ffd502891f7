"""`kill -9` and SIGTERM: what was answered is kept, what is missing is asked for, the scores are the same."""

import os
import random
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.support.commands import Process
from tests.support.lab import Lab, finish
from tests.support.waiting import PATIENCE, until

BATCH = 4
SLOW_MODEL = f"scripted:hash?batch_size={BATCH}&delay=0.15"


def kill(process: Process) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=PATIENCE)


@pytest.mark.slow
def test_ten_kills_in_a_row_change_no_score_and_cost_at_most_a_batch_each(lab: Lab, tmp_path: Path) -> None:
    lab.add_choices("facts", 40)
    lab.add_texts("sums", 80)
    expected, needed = lab.undisturbed(tmp_path / "other", "facts,sums"), 160
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    draw = random.Random(seed)
    for _ in range(10):
        process = lab.start(tasks="facts,sums", model=SLOW_MODEL)
        wanted = lab.asked + draw.randint(1, 4) * BATCH
        until(lambda wanted=wanted: lab.asked >= wanted, process)  # type: ignore[misc]
        time.sleep(draw.uniform(0, 0.15))
        kill(process)
    assert not list(lab.results.glob("*/*/results.json")), "a run ended before it was killed"
    last = lab.run(tasks="facts,sums", model=SLOW_MODEL)
    assert last.status == 0, last.errors
    assert lab.last["results"] == expected
    assert needed <= lab.asked <= needed + 10 * BATCH
    assert len(set(lab.log.read_text().split())) == needed


def test_a_killed_run_goes_on_where_it_was(lab: Lab, tmp_path: Path) -> None:
    lab.add_texts("sums", 40)
    process = lab.start(tasks="sums", model=SLOW_MODEL)
    assert until(lambda: lab.asked >= 3 * BATCH, process)
    kill(process)
    kept = lab.asked - BATCH
    result = lab.evaluate("sums", f"scripted:hash?batch_size={BATCH}")
    assert lab.asked <= 40 + BATCH
    assert result.results["assay"]["requests_reused"] >= kept
    assert result.results["results"] == lab.undisturbed(tmp_path / "other", "sums")


def test_a_terminated_run_keeps_what_was_answered(lab: Lab) -> None:
    lab.add_texts("sums", 40)
    process = lab.start(tasks="sums", model=SLOW_MODEL)
    assert until(lambda: lab.asked >= 3 * BATCH, process)
    process.send_signal(signal.SIGTERM)
    ended = finish(process)
    assert ended.status not in (0, 1, 2)
    assert "Traceback" not in ended.errors
    lab.evaluate("sums", f"scripted:hash?batch_size={BATCH}")
    assert lab.asked <= 40 + BATCH


@pytest.mark.slow
def test_the_temporary_server_of_a_killed_run_does_not_stay(lab: Lab) -> None:
    lab.add_texts("sums", 400)
    process = lab.start(tasks="sums", model=SLOW_MODEL, PREFECT_API_URL="")
    assert until(lambda: lab.asked > 0, process)
    servers = psutil.Process(process.pid).children(recursive=True)
    assert any("temporary_server" in " ".join(server.cmdline()) for server in servers)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    _, alive = psutil.wait_procs(servers, timeout=60)
    assert not alive
