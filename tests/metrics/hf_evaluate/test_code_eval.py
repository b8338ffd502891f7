"""Programs are run, judged and ended, whatever they do, and nothing of them stays."""

import json
import math
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.errors import MetricError
from metrics.hf_evaluate.code_eval import allowing_code, compute, pass_at_k, run_program
from tests.support.waiting import until

ADD = "def add(a, b):\n    return a + b\n"
TEST = "assert add(2, 3) == 5"
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture(autouse=True)
def _allowed() -> Iterator[None]:
    with allowing_code(True):
        yield


def are_gone(mark: str) -> bool:
    """Whether no process has this in its command line any more; those that were killed may take a moment."""
    deadline = time.monotonic() + 10
    while processes_with(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not processes_with(mark)


def processes_with(mark: str) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "cmdline").read_text():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


# Scores


def test_candidates_are_judged_by_the_tests_of_their_problem() -> None:
    wrong = ADD.replace("+", "*")
    scores, outcomes = compute(
        [TEST, "assert add(1, 1) == 1"], [[ADD, wrong, ADD], [wrong, ADD, "("]], k=[1, 2, 5]
    )
    assert scores == {"pass@1": pytest.approx(0.5), "pass@2": pytest.approx((1 + 2 / 3) / 2)}
    assert [[outcome["passed"] for _, outcome in outcomes[task]] for task in (0, 1)] == [
        [True, False, True],
        [True, False, False],
    ]
    number, last = outcomes[1][2]
    assert number == last["completion_id"] == 2
    assert last["task_id"] == 1
    assert last["result"].startswith("failed: '(' was never closed")


@given(candidates=st.integers(1, 12), data=st.data())
def test_pass_at_k_is_the_share_of_draws_with_a_candidate_that_passed(
    candidates: int, data: st.DataObject
) -> None:
    passed, k = data.draw(st.integers(0, candidates)), data.draw(st.integers(1, candidates))
    draws = list(combinations(range(candidates), k))
    lucky = sum(any(one < passed for one in draw) for draw in draws)
    assert math.isclose(pass_at_k(candidates, passed, k), lucky / len(draws), abs_tol=1e-12)


def test_one_k_may_stand_without_a_list() -> None:
    assert compute([TEST], [[ADD]], k=1)[0] == {"pass@1": 1.0}


def test_code_runs_only_where_that_is_allowed() -> None:
    with allowing_code(False), pytest.raises(MetricError, match="--allow-unsafe-code"):
        compute([TEST], [[ADD]])
    with ThreadPoolExecutor(1) as elsewhere, pytest.raises(MetricError, match="--allow-unsafe-code"):
        elsewhere.submit(compute, [TEST], [[ADD]]).result()


def test_problems_and_candidates_must_be_as_many() -> None:
    with pytest.raises(MetricError, match="1 lists of candidates for 2 problems"):
        compute([TEST, TEST], [[ADD]])


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
def test_a_program_passes_if_it_comes_to_its_end(program: str) -> None:
    assert run_program(program, 5.0) == "passed"


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
        ("file = open('x', 'wb')\nwhile True: file.write(b'a' * 10**6)", "failed: [Errno 27]"),
        ("import os; os.remove('x')", "failed: 'NoneType' object is not callable"),
        ("import shutil; shutil.rmtree('.')", "failed: 'NoneType' object is not callable"),
        ("import subprocess; subprocess.run(['ls'])", "failed: "),
        ("exit()", "failed: 'NoneType' object is not callable"),
    ],
)
def test_a_program_that_does_not_has_failed(program: str, why: str) -> None:
    result = run_program(program, 5.0)
    assert result.startswith(why)
    assert len(result) <= 600


@pytest.mark.parametrize(
    "program",
    [
        "while True: pass",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "while True: print('a' * 10**6)",
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(100)",
    ],
)
def test_a_program_without_an_end_is_ended(program: str) -> None:
    started = time.monotonic()
    assert run_program(program, 0.5) == "timed out"
    assert time.monotonic() - started < 60


@linux
def test_time_in_which_a_program_is_not_let_run_does_not_count() -> None:
    program = "import signal, time\nsignal.raise_signal(signal.SIGSTOP)\ntime.sleep(0.1)"
    with ThreadPoolExecutor() as pool:
        result = pool.submit(run_program, program, 0.5)
        stopped: list[psutil.Process] = []

        def is_stopped() -> bool:
            children = psutil.Process().children()
            stopped[:] = [one for one in children if one.status() == psutil.STATUS_STOPPED]
            return bool(stopped)

        assert until(is_stopped, seconds=60)
        time.sleep(2)
        stopped[0].resume()
        assert result.result() == "passed"


def test_a_program_that_eats_memory_is_stopped_before_it_has_all() -> None:
    hungry = "kept = []\nwhile True: kept.append(bytearray(2**30))"
    assert run_program(hungry, 30.0) == "failed: "


@linux
def test_what_a_program_starts_ends_with_it() -> None:
    mark = f"left behind by {os.getpid()}"
    sleep = f"import time; time.sleep(900) # {mark}"
    start = f"os.posix_spawn(sys.executable, [sys.executable, '-c', {sleep!r}], {{}})"
    program = f"import os, sys, time\nfor _ in range(5): {start}\ntime.sleep(0.5)\n"
    assert run_program(program, 20.0) == "passed"
    assert run_program(f"{program}while True: pass", 2.0) == "timed out"
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
    assert run_program(program, 0.6) == "timed out"
    assert are_gone(str(again))


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
    assert run_program(program, 5.0) == "passed"
    environment, files, folder = json.loads(out.read_text())
    assert "SOME_API_KEY" not in environment
    assert environment["HOME"] == environment["TMPDIR"] == folder
    assert files == ["left"]
    assert not Path(folder).exists()
    assert str(Path.cwd()) not in environment.values()


def test_hashes_are_the_same_in_every_run(tmp_path: Path) -> None:
    out = tmp_path / "seen"
    program = f"open({str(out)!r}, 'a').write(str(hash('a')) + ' ')"
    assert [run_program(program, 5.0) for _ in range(2)] == ["passed"] * 2
    assert len(set(out.read_text().split())) == 1


@linux
def test_no_process_stays() -> None:
    compute([TEST] * 4, [[ADD, "while True: pass"]] * 4, timeout=0.2)
    assert are_gone("code_child.py")
