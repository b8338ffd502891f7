"""Functions in a sandbox: what they give comes back, and nothing else comes of them."""

import importlib
import json
import os
import socket
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from metrics.contained.call import ContainedCalls, ContainedError, ContainedWork
from metrics.errors import MetricError
from metrics.processes.limits import WorkLimits
from metrics.processes.watch import WorkEnded
from metrics.sandbox.pick import sandbox_of
from metrics.sandbox.program import Program, Sandbox
from tests.support.paths import ROOT
from tests.support.waiting import until

CODE = '''
import os, pickle, signal, socket, subprocess, time

from metrics.processes.marks import working_on


def gives(value, ask):
    return value


def raises(value, ask):
    raise ValueError(value)


def tries(given, ask):
    """What of the machine it gets."""
    file, port, pid = given
    def got(act):
        try:
            return str(act())
        except OSError as error:
            return type(error).__name__
    return {
        "environment": sorted(os.environ),
        "parent's": got(lambda: open(f"/proc/{pid}/environ").read()),
        "reads": got(lambda: open(file).read()),
        "writes": got(lambda: open(file, "w")),
        "writes beside its code": got(lambda: open(os.path.join(os.path.dirname(__file__), "new"), "w")),
        "connects": got(lambda: socket.create_connection(("127.0.0.1", port), 5)),
        "kills": got(lambda: os.kill(pid, signal.SIGTERM)),
    }


def says(line, ask):
    """Say something through everything that is open."""
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, line)
        except OSError:
            pass
    time.sleep(60)


class Trap:
    def __reduce__(self):
        return os.mkdir, (self.folder,)


def forges_a_pickle(folder, ask):
    trap = Trap()
    trap.folder = folder
    says(pickle.dumps(trap) + b"\\n", ask)


def leaves_a_process(value, ask):
    subprocess.Popen(["/usr/bin/sleep", value], start_new_session=True)
    return True


def ends_at_document(act, ask):
    with working_on("made: scoring, document 7: ", " (in made.yaml)", 7):
        eval(act)
'''
LIMITS = WorkLimits(seconds=1, memory=2**28)


class Lab:
    """Calls functions of the code above in a sandbox."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.folder, self.logged = folder, list[str]()
        self.calls = ContainedCalls(lambda: sandbox, self.logged.append)

    def call(self, name: str, argument: Any = None) -> Any:
        function = getattr(importlib.import_module("contained_code"), name)
        readable = [ROOT / "metrics", self.folder]
        return self.calls.call(ContainedWork(function, argument, 1, LIMITS, readable))


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    try:
        return sandbox_of("bwrap", allows_none=False)
    except MetricError as error:
        pytest.skip(f"there is no bubblewrap that works here: {error}")


@pytest.fixture
def lab(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "contained_code.py").write_text(CODE)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(importlib.import_module("sys").modules, "contained_code", raising=False)
    return Lab(sandbox, folder)


def test_what_a_function_gives_comes_back_as_json_has_it(lab: Lab) -> None:
    assert lab.call("gives", {"a": (1, 2.5, None, "\ud800"), "b": True}) == {
        "a": [1, 2.5, None, "\ud800"],
        "b": True,
    }


def test_what_it_raises_comes_back_in_words(lab: Lab) -> None:
    with pytest.raises(ContainedError, match=r"^ValueError: not this \\x1b\[31m$"):
        lab.call("raises", "not this \x1b[31m")


def test_what_json_cannot_say_is_an_error_of_its_own(lab: Lab) -> None:
    with pytest.raises(ContainedError, match=r"^TypeError: Object of type \w+ is not JSON serializable$"):
        lab.call("gives", {1, 2})


def test_it_gets_nothing_of_the_machine(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "MARKER")
    secret = tmp_path / "secret"
    secret.write_text("MARKER")
    with socket.create_server(("127.0.0.1", 0)) as server:
        got = lab.call("tries", (str(secret), server.getsockname()[1], os.getpid()))
    assert "SOME_API_KEY" not in got.pop("environment")
    assert got.pop("connects") == "ConnectionRefusedError"
    assert got.pop("kills") == "ProcessLookupError"
    assert (got.pop("reads"), got.pop("parent's")) == ("FileNotFoundError", "FileNotFoundError")
    assert set(got.values()) == {"OSError"}  # all that it sees can only be read
    assert secret.read_text() == "MARKER"


def test_a_pickle_in_place_of_an_answer_is_read_by_nobody(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(WorkEnded, match=r"^its process says what is no JSON$"):
        lab.call("forges_a_pickle", str(tmp_path / "was here"))
    assert not (tmp_path / "was here").exists()


def test_what_it_says_out_of_turn_is_what_its_own_work_gives(lab: Lab) -> None:
    forged = json.dumps({"gave": "forged"}).encode() + b"\n"
    assert lab.call("says", forged) == "forged"
    assert lab.call("gives", "true") == "true"


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        ("os._exit(3)", r"ended its process \(exit status 3\)"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "its process was killed by SIGSEGV"),
        ("sum(1 for _ in iter(int, 1))", "took more than 1 s of processor time"),
        ("bytearray(2**31 - 2**20).count(1) + time.sleep(9)", r"took .* GiB of memory, which is too much"),
    ],
)
def test_it_is_known_at_which_document_it_ended(lab: Lab, act: str, reason: str) -> None:
    with pytest.raises(WorkEnded, match=rf"^made: scoring, document 7: ({reason}) \(in made.yaml\)$"):
        lab.call("ends_at_document", act)


def test_nothing_that_it_started_is_left(lab: Lab) -> None:
    assert lab.call("leaves_a_process", "7654.321") is True
    assert until(lambda: not _runs("7654.321"), seconds=10)


def test_who_stops_waits_for_nothing(lab: Lab) -> None:
    ends: list[str] = []

    def call() -> None:
        try:
            lab.call("ends_at_document", "time.sleep(60)")
        except WorkEnded as error:
            ends.append(str(error))

    caller = threading.Thread(target=call)
    caller.start()
    assert until(lambda: _runs("metrics.contained.child"), seconds=30)
    lab.calls.stop()
    caller.join(30)
    assert len(ends) == 1
    with pytest.raises(WorkEnded, match="nobody wants it any more"):
        lab.call("gives", 1)


class Shell:
    """Stands for a sandbox: a line of shell in place of each command."""

    name, python, packages = "shell", "", ()
    is_apart, has_filter = True, False

    def __init__(self, line: str) -> None:
        self._line = line

    def command(self, program: Program) -> list[str]:
        return ["sh", "-c", self._line]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("echo broken: no namespace >&2; exit 1", "the sandbox did not start: broken: no namespace"),
        ("exit 4", "the sandbox did not start: exit status 4"),
        ("exec >&- ; exec sleep 60", "its process will say no more"),
    ],
)
def test_a_sandbox_that_does_not_work_says_why(line: str, reason: str) -> None:
    calls = ContainedCalls(lambda: Shell(line), print)
    with pytest.raises(WorkEnded) as ended:
        calls.call(ContainedWork(print, 1, 1, LIMITS, []))
    assert str(ended.value) == reason


def _runs(word: str) -> bool:
    def of(process: psutil.Process) -> list[str]:
        try:
            return process.cmdline()
        except psutil.Error:
            return []

    return any(word in part for process in psutil.process_iter() for part in of(process))
