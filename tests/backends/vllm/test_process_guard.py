"""What an engine starts does not outlive the process that has the engine."""

import os
import signal
import subprocess
import sys

from tests.support.paths import ROOT
from tests.support.servers.process import runs
from tests.support.waiting import until

SCRIPT = """
import subprocess, time
from backends.vllm.process_guard import Guard

guard = Guard()
engine = subprocess.Popen(["sleep", "600"])
guard.engine_is_there()
print(engine.pid, flush=True)
time.sleep(600)
"""


def test_what_was_started_under_guard_ends_with_a_process_that_is_killed() -> None:
    before = subprocess.Popen(["sleep", "600"])
    parent = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert parent.stdout is not None
    engine = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert until(lambda: not runs(engine), seconds=60)
    assert before.poll() is None
    before.kill()
    before.wait()
