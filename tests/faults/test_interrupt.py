"""Ctrl-C, SIGTERM and SIGHUP: a line that says how to go on, and nothing that is paid for is lost."""

import signal
import sys
from collections.abc import Iterator

import pytest

from flows.cli.exit_statuses import INTERRUPTED, ended
from tests.faults.test_endpoint_runs import chat
from tests.support.commands import Process
from tests.support.endpoints.endpoint import Endpoint
from tests.support.lab import Lab, finish
from tests.support.waiting import until

# The command, to which Ctrl-C comes while its modules are imported.
INTERRUPTED_IMPORT = """
import runpy, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "flows.cli.flags_from_specs":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def asking(lab: Lab, endpoint: Endpoint, latency: float, **env: str) -> Process:
    """A run that has four calls in flight, which take so many seconds."""
    lab.add_texts("sums", 40)
    endpoint.change(latency=latency)
    process = lab.start(tasks="sums", model=chat(endpoint, max_concurrency=4, timeout=300), **env)
    # The first goes alone, to see who answers.
    assert until(lambda: endpoint.counts()["in_flight"] == 4, process)
    return process


@pytest.fixture
def hangups_are_heard() -> Iterator[None]:
    """By what a test starts, also where tests are started with `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hangups_are_heard")
@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.slow)]
)
def test_calls_in_flight_are_waited_for_and_paid_once(
    lab: Lab, endpoint: Endpoint, number: signal.Signals
) -> None:
    process = asking(lab, endpoint, latency=2.0)
    process.send_signal(number)
    ended = finish(process)
    is_ctrl_c = number == signal.SIGINT
    assert ended.status == (130 if is_ctrl_c else 143)
    waiting, *_, said = ended.errors.strip().splitlines()
    assert "Traceback" not in ended.errors
    assert waiting.startswith("stopping: waiting for the answers of 4 calls, which are paid for")
    assert waiting.endswith("Ctrl-C again ends them" if is_ctrl_c else "for 25 seconds at most")
    verb = "Interrupted" if is_ctrl_c else "Terminated"
    assert said == f"{verb}. What was answered is kept; the same command goes on from here."
    assert endpoint.counts()["arrived"] < 40
    endpoint.change(latency=0.0)
    assert lab.run(tasks="sums", model=chat(endpoint, max_concurrency=4, timeout=300)).status == 0
    assert (endpoint.counts()["arrived"], endpoint.counts()["most_answers"]) == (40, 1)


def test_another_ctrl_c_waits_for_nothing(lab: Lab, endpoint: Endpoint) -> None:
    process = asking(lab, endpoint, latency=100.0)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert "Ctrl-C again ends them" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    ended = finish(process)
    assert ended.status == 130
    assert "Traceback" not in ended.errors


@pytest.mark.slow
def test_sigterm_waits_as_long_as_it_may(lab: Lab, endpoint: Endpoint) -> None:
    process = asking(lab, endpoint, latency=100.0, ASSAY_TERM_SECONDS="0.5")
    process.send_signal(signal.SIGTERM)
    ended = finish(process)
    assert ended.status == 143
    assert "for 0.5 seconds at most" in ended.errors
    refused = lab.run(tasks="sums", ASSAY_TERM_SECONDS="a while")
    assert refused.status == 2
    assert refused.errors == "error: ASSAY_TERM_SECONDS: must be seconds from 0 on (got 'a while')\n"


def test_a_hangup_is_ignored_where_it_is(lab: Lab) -> None:
    lab.add_texts("sums", 40)
    process = lab.start(
        tasks="sums", model="scripted:hash?batch_size=4&delay=0.1", through=["nohup", sys.executable]
    )
    assert until(lambda: lab.asked >= 8, process)
    process.send_signal(signal.SIGHUP)
    assert finish(process).status == 0


def test_ctrl_c_while_the_command_is_imported_is_a_line(lab: Lab) -> None:
    ended = lab.run(tasks="sums", through=[sys.executable, "-c", INTERRUPTED_IMPORT])
    assert (ended.status, ended.errors) == (130, "\nInterrupted.\n")


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
