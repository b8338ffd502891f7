"""Programs are run, judged and ended, whatever they do, and nothing of them stays."""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from metrics.program_tests.verdict import verdict_of
from metrics.sandbox.family import family
from metrics.sandbox.pick import NONE
from metrics.sandbox.program import Sandbox
from tests.metrics.program_tests.programs import CHEATS, TALKS, TESTS_OF_CHEATS
from tests.support.waiting import until

ADD = "def add(a, b):\n    return a + b\n"
TEST = "assert add(2, 3) == 5"
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture(params=["bwrap", "none"])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    if request.param == "none":
        return NONE.found()
    found: Sandbox = request.getfixturevalue("bwrap")
    return found


def unconfined(program: str, seconds: float) -> str:
    return verdict_of(NONE.found(), program, "", seconds)


def are_gone(mark: str) -> bool:
    """Whether no process has this in its command line any more; those that were killed may take a moment."""
    return until(lambda: not processes_with(mark), seconds=10)


def processes_with(mark: str) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "cmdline").read_text():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


# What passes


@pytest.mark.parametrize(
    "program",
    [
        "",
        "print('a' * 10**7)",  # goes nowhere
        "import threading, time; threading.Thread(target=time.sleep, args=(100,)).start()",
        "import numpy as np\nassert np.ones(3).sum() == 3",
        "text = 'ä\\u2028'\r\nassert len(text) == 2\r\n",
        "assert __name__ != '__main__'",
        "import os\nos.closerange(0, 50)",
    ],
)
def test_a_program_passes_if_it_comes_to_its_end(sandbox: Sandbox, program: str) -> None:
    assert verdict_of(sandbox, program, "", 5.0) == "passed"


@pytest.mark.parametrize(("program", "tests"), TALKS)
def test_tests_are_asked_of_a_program_as_if_they_were_in_it(
    sandbox: Sandbox, program: str, tests: str
) -> None:
    assert verdict_of(sandbox, program, tests, 5.0) == "passed"


# What does not


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("assert 1 == 2, 'no'", "failed: no"),
        ("import sys; sys.exit(0)", "failed: 0"),
        ("import os; os._exit(0)", "failed: the process ended with status 0"),
        ("raise KeyboardInterrupt", "failed: "),
        ("input()", "failed: EOF"),
        ("def f(): f()\nf()", "failed: maximum recursion depth"),
        ("text = '\ud800'", "failed: 'utf-8' codec"),
        ("raise ValueError('a\\nb\\ud800')", "failed: a\nb\ud800"),
        ("raise ValueError('a' * 10**6)", "failed: " + "a" * 500),
        ("class E(Exception):\n    def __str__(self): raise E\nraise E", "failed: E"),
        ("import ctypes; ctypes.string_at(0)", "failed: the process ended with status -"),
        ("x = [0] * 10**10", "failed: "),
        ("file = open('x', 'wb')\nwhile True: file.write(b'a' * 10**6)", "failed: [Errno "),
        ("import os; os.remove('x')", "failed: 'NoneType' object is not callable"),
        ("import shutil; shutil.rmtree('.')", "failed: 'NoneType' object is not callable"),
        ("import subprocess; subprocess.run(['ls'])", "failed: "),
        ("exit()", "failed: 'NoneType' object is not callable"),
    ],
)
def test_a_program_that_does_not_has_failed(sandbox: Sandbox, program: str, why: str) -> None:
    result = verdict_of(sandbox, program, "", 5.0)
    assert result.startswith(why)
    assert len(result) <= 600


@pytest.mark.parametrize(
    "program",
    [
        "while True: pass",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "while True: print('a' * 10**6)",
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(100)",
        "import posix, time\nif posix.fork(): time.sleep(100)\nwhile True: pass",
    ],
)
def test_a_program_without_an_end_is_ended(sandbox: Sandbox, program: str) -> None:
    started = time.monotonic()
    assert verdict_of(sandbox, program, "", 0.5) == "timed out"
    assert time.monotonic() - started < 60


def test_tests_without_an_end_are_ended(sandbox: Sandbox) -> None:
    assert verdict_of(sandbox, ADD, "while add(1, 1): pass", 0.5) == "timed out"
    assert verdict_of(sandbox, ADD, "while True: pass", 0.5) == "timed out"


@linux
def test_time_in_which_a_program_is_not_let_run_does_not_count(sandbox: Sandbox) -> None:
    mark = f"suspended by {os.getpid()}"
    program = f"import time\nmark = {mark!r}\nfor _ in range(10): time.sleep(0.02)"
    with ThreadPoolExecutor() as pool:
        before = set(family(os.getpid()))
        result = pool.submit(verdict_of, sandbox, program, "", 0.5)
        assert until(lambda: len(set(family(os.getpid())) - before) >= 2, seconds=60, every=0.001)
        own = [psutil.Process(pid) for pid in set(family(os.getpid())) - before]
        for one in own:
            one.suspend()
        time.sleep(1.5)
        for one in own:
            one.resume()
        assert result.result() == "passed"


def test_a_program_that_eats_memory_is_stopped_before_it_has_all(sandbox: Sandbox) -> None:
    hungry = "kept = []\nwhile True: kept.append(b'x' * 2**28)"
    assert verdict_of(sandbox, hungry, "", 30.0) in ("failed: it took too much memory", "failed: ")


def test_memory_of_all_its_processes_counts(sandbox: Sandbox) -> None:
    several = (
        "import posix, time\nfor _ in range(3):\n    if not posix.fork():\n"
        "        kept = b'x' * (600 * 2**20); time.sleep(60)\ntime.sleep(60)"
    )
    assert verdict_of(sandbox, several, "", 30.0) == "failed: it took too much memory"


@linux
def test_what_a_program_starts_ends_with_it() -> None:
    mark = f"left behind by {os.getpid()}"
    sleep = f"import time; time.sleep(900) # {mark}"
    start = f"os.posix_spawn(sys.executable, [sys.executable, '-c', {sleep!r}], {{}}, setsid=True)"
    program = f"import os, sys, time\nfor _ in range(5): {start}\ntime.sleep(0.5)\n"
    assert unconfined(program, 20.0) == "passed"
    assert unconfined(f"{program}while True: pass", 2.0) == "timed out"
    assert are_gone(mark)


@linux
def test_a_program_that_starts_programs_without_end_is_ended_with_them(tmp_path: Path) -> None:
    again = tmp_path / "again.py"
    again.write_text(
        "import os, sys, time\n"
        f"for _ in range(2): os.posix_spawn(sys.executable, [sys.executable, {str(again)!r}], {{}})\n"
        "time.sleep(900)\n"
    )
    program = (
        f"import os, sys\nos.posix_spawn(sys.executable, [sys.executable, {str(again)!r}], {{}})\n"
        "while True: pass"
    )
    assert unconfined(program, 0.6) == "timed out"
    assert are_gone(str(again))


# What cheats


@pytest.mark.parametrize("cheat", CHEATS)
def test_a_program_that_cheats_does_not_pass(bwrap: Sandbox, cheat: str) -> None:
    started = time.monotonic()
    result = verdict_of(bwrap, CHEATS[cheat], TESTS_OF_CHEATS, 1.0)
    assert result == "timed out" or result.startswith("failed: ")
    assert time.monotonic() - started < 60


def test_what_passes_without_cheating_passes(bwrap: Sandbox) -> None:
    honest = "def solve(x):\n    return [solve(one) for one in x] if isinstance(x, list) else x * x"
    assert verdict_of(bwrap, honest, TESTS_OF_CHEATS, 1.0) == "passed"


# What it sees


@linux
def test_a_program_sees_no_secrets_and_an_empty_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "secret")
    out = tmp_path / "seen"
    program = (
        "import os, json\n"
        "open('left', 'w').write('x')\n"
        f"seen = [dict(os.environ), os.listdir('.'), os.readlink('/proc/self/cwd')]\n"
        f"open({str(out)!r}, 'w').write(json.dumps(seen))"
    )
    assert unconfined(program, 5.0) == "passed"
    environment, files, folder = json.loads(out.read_text())
    assert "SOME_API_KEY" not in environment
    assert environment["HOME"] == environment["TMPDIR"] == folder
    assert files == ["left"]
    assert not Path(folder).exists()
    assert str(Path.cwd()) not in environment.values()


def test_hashes_are_the_same_in_every_run(sandbox: Sandbox) -> None:
    assert verdict_of(sandbox, "def f(): return hash('a')", f"assert f() == {hash_of_a()}", 5.0) == "passed"


def hash_of_a() -> int:
    import subprocess

    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-c", "print(hash('a'))"]
    return int(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
