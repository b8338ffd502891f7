"""A run that is interrupted while others ask for it, and what they do then."""

import signal
import time

from tests.support.endpoints.endpoint import Endpoint
from tests.support.lab import Lab, finish
from tests.support.waiting import until


def check_that_calls_end(lab: Lab, endpoint: Endpoint, runner: str, model: str) -> None:
    """Interrupt a run of the task `sums`. model: asks 20 times a second; a shard takes many seconds."""
    process = lab.start(f"--runner={runner}", tasks="sums", model=model)
    assert until(lambda: endpoint.counts()["arrived"] >= 20, process)
    process.send_signal(signal.SIGINT)
    finish(process)
    arrived = endpoint.counts()["arrived"]
    time.sleep(2)  # a look at the mark each second, and then no call more
    stopped = endpoint.counts()["arrived"]
    time.sleep(1)
    assert stopped <= arrived + 40
    assert endpoint.counts()["arrived"] == stopped
