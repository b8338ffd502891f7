"""Child processes end with the one that started them, whatever ends that."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from metrics.processes import child
from tests.support.paths import ROOT
from tests.support.servers.process import runs
from tests.support.waiting import until

# A child that says when it is told to end, and does so if it is to; it starts a process of its own.
CHILD = """
import os, subprocess, sys, time
from pathlib import Path
from metrics.processes.child import when_parent_ends

def main():
    folder, ends = Path(sys.argv[1]), sys.argv[2] == "ends"

    def end():
        (folder / "told").touch()
        if ends:
            os._exit(7)

    when_parent_ends(end)
    below = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (folder / "new").write_text(f"{os.getpid()} {below.pid}")
    (folder / "new").rename(folder / "pids")
    time.sleep(600)
"""
PARENT = """
import sys, time
from metrics.processes import child
child.start("a_child", *sys.argv[1:])
time.sleep(600)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "a_child.py").write_text(CHILD)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(tmp_path)]))
    return tmp_path


def pids(folder: Path) -> list[int]:
    """The child's and that of the process that it started."""
    assert until((folder / "pids").exists, seconds=60)
    return [int(pid) for pid in (folder / "pids").read_text().split()]


def test_a_child_is_told_when_its_parent_is_killed(folder: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(folder), "ends"])
    own, below = pids(folder)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert until(lambda: not runs(own), seconds=30)
    assert (folder / "told").exists()
    os.kill(below, signal.SIGKILL)


def test_a_child_that_ends_when_it_is_told_is_not_killed(folder: Path) -> None:
    process = child.start("a_child", str(folder), "ends")
    _, below = pids(folder)
    child.end(process, 30)
    assert process.returncode == 7
    os.kill(below, signal.SIGKILL)


def test_a_child_that_does_not_is_killed_with_what_it_started(folder: Path) -> None:
    process = child.start("a_child", str(folder), "stays")
    _, below = pids(folder)
    began = time.monotonic()
    child.end(process, 0.1)
    assert time.monotonic() - began < 30
    assert process.returncode == -signal.SIGKILL
    assert until(lambda: not runs(below), seconds=30)
