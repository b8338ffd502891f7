"""What starts commands for tests: a fork is to be as a process that has begun by itself."""

import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.support.commands import Commands, Process
from tests.support.fork_server import Command
from tests.support.waiting import until

SCRIPT = """
import os, sys, time, random
print(sys.argv[1], __name__, __file__ == sys.argv[0], os.getcwd(), os.environ.get("ASSAY_SAID"))
print("HOME" in os.environ, os.getsid(0) == os.getpid(), sys.path[0] == os.path.dirname(__file__))
print(random.random(), flush=True)
if sys.argv[1] == "stay":
    time.sleep(60)
print("trouble", file=sys.stderr)
sys.exit(3)
"""


@pytest.fixture(scope="module")
def commands() -> Commands:
    return Commands()


@pytest.fixture
def script(tmp_path: Path) -> Path:
    file = tmp_path / "said.py"
    file.write_text(SCRIPT)
    return file


def start(commands: Commands, script: Path, argument: str) -> Process:
    environment = {"ASSAY_SAID": argument, "PATH": "/usr/bin"}
    return commands.start(Command(str(script), [argument], str(script.parent), environment))


def test_forks_say_and_end_as_the_first_command_which_is_none(commands: Commands, script: Path) -> None:
    ended = [start(commands, script, "go") for _ in range(3)]
    said = [process.communicate(timeout=60) for process in ended]
    assert [isinstance(process, subprocess.Popen) for process in ended] == [True, False, False]
    assert {process.returncode for process in ended} == {3}
    assert {errors for _, errors in said} == {"trouble\n"}
    words = [out.split() for out, _ in said]
    expected = f"go __main__ True {script.parent} go False True True"
    assert [" ".join(own[:-1]) for own in words] == 3 * [expected]
    assert len({own[-1] for own in words}) == 3


@pytest.mark.parametrize("signal_sent", [signal.SIGTERM, signal.SIGKILL])
def test_a_fork_is_seen_to_end_by_a_signal(
    commands: Commands, script: Path, signal_sent: signal.Signals
) -> None:
    start(commands, script, "go").communicate(timeout=60)
    process = start(commands, script, "stay")
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.05)
    process.send_signal(signal_sent)
    assert process.wait(timeout=60) == process.poll() == -signal_sent
    assert until(lambda: not psutil.pid_exists(process.pid))
