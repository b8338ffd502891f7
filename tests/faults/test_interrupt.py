"""Ctrl-C: a line that says how to go on, and nothing that was answered is lost."""

import signal

import pytest

from flows.cli.exit_statuses import INTERRUPTED, ended
from tests.support.endpoints.endpoint import Endpoint
from tests.support.lab import Lab, finish
from tests.support.waiting import until


def test_ctrl_c_keeps_what_was_answered_and_says_how_to_go_on(lab: Lab) -> None:
    lab.add_texts("sums", 60)
    process = lab.start(tasks="sums", model="scripted:hash?batch_size=4&delay=0.2")
    assert until(lambda: lab.asked >= 12, process)
    process.send_signal(signal.SIGINT)
    ended = finish(process)
    assert ended.status == 130
    assert "Traceback" not in ended.errors
    assert "Interrupted. What was answered is kept; the same command goes on from here." in ended.errors
    assert len(ended.errors.strip().splitlines()) == 1
    asked = lab.asked
    assert asked < 60
    again = lab.run(tasks="sums", model="scripted:hash?batch_size=4")
    assert again.status == 0, again.errors
    assert lab.asked <= 60 + 4
    assert lab.last["assay"]["requests_reused"] >= asked - 4


def test_ctrl_c_while_the_run_starts_is_as_quiet(lab: Lab) -> None:
    lab.add_texts("sums", 60)
    process = lab.start(tasks="sums", model="scripted:hash?batch_size=4&delay=0.2")
    assert until(lambda: any(lab.results.glob("*/*/spec.yaml")), process)
    process.send_signal(signal.SIGINT)
    ended = finish(process)
    assert ended.status == 130
    assert "Traceback" not in ended.errors
    assert "Interrupted." in ended.errors


def test_ctrl_c_while_batches_are_out_says_that_they_go_on_and_hands_none_in_twice(
    lab: Lab, endpoint: Endpoint
) -> None:
    lab.add_texts("sums", 20)
    endpoint.change(batch_seconds=2.0)
    model = f"openai-batch:gpt-4o-mini?base_url={endpoint.url}&poll="
    process = lab.start(tasks="sums", model=f"{model}600")
    assert until(lambda: endpoint.counts()["arrived"] == 20, process)
    process.send_signal(signal.SIGINT)
    ended = finish(process)
    assert ended.status == 130
    assert "Traceback" not in ended.errors
    assert "20 requests in batches" in ended.errors
    assert "the same command collects their answers" in ended.errors
    again = lab.run(tasks="sums", model=f"{model}0.1")
    assert again.status == 0, again.errors
    assert endpoint.counts()["arrived"] == 20


def test_ctrl_c_that_a_librarys_clean_up_hides_is_one_all_the_same() -> None:
    def hidden() -> int:
        try:
            raise KeyboardInterrupt
        finally:
            raise ValueError("Task run is not set")

    def broken() -> int:
        raise ValueError("Task run is not set")

    assert ended(hidden) == INTERRUPTED
    with pytest.raises(ValueError, match="not set"):
        ended(broken)
