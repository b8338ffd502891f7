"""Mathematical equality of answers, and that no answer can hold it up."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from metrics.errors import MetricError
from metrics.processes.worker import Worker
from tests.support.packages import needed
from tests.support.scores import text_scores
from tests.support.servers.process import runs

needed("math_verify", reason="compares answers with math_verify, which is not installed")

ENDLESS = "9^{9^{9^{9}}}"


def equal(gold: Any, prediction: str, **options: Any) -> Any:
    return text_scores("math_equal", gold, prediction, options)


@pytest.mark.parametrize(
    ("gold", "prediction"),
    [
        ("1/2", "0.5"),
        (r"\frac{1}{2}", r"\frac12"),
        (r"\boxed{\frac{1}{2}}", "The answer is 1/2."),
        ("$x+1$", "1+x"),
        ("x^2-1", "(x-1)(x+1)"),
        (r"\sqrt{8}", r"so it is $2\sqrt{2}$, I think"),
        ("13", r"3 \cdot 4 + 1"),
        ("2xy", "2yx"),
        ("42", "x = 42"),
        ("42", "**42**"),
        ("1/2", "1/2."),
        ("1/2", "= $1/2$"),
        ("72", "48+24 = 72 clips. #### 72"),
        ("18.9", r"\$18.90"),
        ("5", "5 cm"),
        ("20", "20 GB"),
        ("1234567", "1,234,567"),
        ("1000", "1 000"),
        ("100000", "1e5"),
        ("0.0025", "2.5e-3"),
        ("-1.5", "-1 1/2"),
        (r"50\%", "0.5"),
        (r"\boxed{50\%}", "1/2"),
        ("50", r"$50\%$"),
        ("12.5%", "it is $12.5 \\%$."),
        (r"1250\%", "12.5"),
        (r"2\pi", "2pi"),
        ("-1", "cos(pi)"),
        (r"\{1,2\}", "{2,1}"),
        (r"\text{Evelyn}", r"\text{Evelyn}"),
        ("1/3", "0.333333"),
        ("No solution", "No solution"),
    ],
)
def test_the_same_answer_is_equal_however_it_is_written(gold: Any, prediction: str) -> None:
    assert equal(gold, prediction) == 1.0


@pytest.mark.parametrize(
    ("gold", "prediction"),
    [
        ("1", "2"),
        ("1", "1e5"),
        ("1", "1 1/2"),
        ("0", "1 000"),
        ("5", r"3 \cdot 4 + 1"),
        ("2", "2xy"),
        ("2", r"2\pi"),
        ("3", "x > 3"),
        ("50%", "0.5%"),
        ("50%", "5000%"),
        ("50%", "5"),
        ("1/3", "0.33"),
        ("(1,2)", "(2,1)"),
        ("x+1", "x-1"),
        ("42", "I do not know"),
        ("42", ""),
        ("", ""),
    ],
)
def test_another_answer_is_not_equal(gold: Any, prediction: str) -> None:
    assert equal(gold, prediction) == 0.0


def test_of_several_targets_one_is_enough() -> None:
    assert text_scores("math_equal", ["1", "1/2"], "0.5", {}, multiple_targets=True) == 1.0
    assert text_scores("math_equal", ["1", "2"], "0.5", {}, multiple_targets=True) == 0.0


def test_a_runaway_answer_is_given_up_in_time_and_told(caplog: pytest.LogCaptureFixture) -> None:
    equal("1", "1.0")
    start = time.monotonic()
    assert equal("7", ENDLESS, timeout=0.5) == 0.0
    assert time.monotonic() - start < 4
    assert "gold '7'" in caplog.text
    assert equal("1/2", "0.5") == 1.0


@pytest.mark.parametrize(
    ("does", "status"),
    [
        ("while True: pass", -signal.SIGPROF),  # is busy itself
        ("time.sleep(1)", 0),  # waits, as it does while the machine is busy with others
        ("time.sleep(100)", 1),  # waits for what never comes
    ],
)
def test_a_comparison_is_limited_by_its_own_processor_time(does: str, status: int) -> None:
    code = (
        "import time\n"
        "from metrics.processes import math_worker\n"
        "math_worker.PATIENCE = 10\n"
        f"with math_worker.limited(0.3):\n    {does}\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == status


def test_the_limit_holds_outside_the_main_thread() -> None:
    scores = []
    threads = [
        threading.Thread(target=lambda said=said: scores.append(equal("2", said, timeout=0.5)))
        for said in (ENDLESS, "4/2")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(scores) == [0.0, 1.0]


def test_its_process_ends_with_the_one_that_asked() -> None:
    code = (
        "import os, psutil\n"
        "from metrics.scores.math_equal import math_equal\n"
        "from metrics.scores.text import GeneratedText\n"
        "assert math_equal(GeneratedText('1/2', '0.5')) == 1.0\n"
        "print(psutil.Process().children()[0].pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    pid = int(asked.stdout)
    for _ in range(100):
        if not runs(pid):
            return
        time.sleep(0.1)
    pytest.fail("the process still runs")


ECHO = """
import json, sys, time
def main():
    print("true", flush=True)
    for line in sys.stdin:
        seconds, answer = json.loads(line)
        time.sleep(seconds)
        print(json.dumps(answer), flush=True)
"""


def test_an_interrupted_question_leaves_no_answer_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "echo.py").write_text(ECHO)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    worker = Worker("echo")
    assert worker.ask([0, "first"]) == "first"
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        worker.ask([1, "second"])
    assert worker.ask([0, "third"]) == "third"


def test_a_process_that_does_not_start_is_a_metric_error() -> None:
    with pytest.raises(MetricError, match=r"no_such_module did not start"):
        Worker("no_such_module").ask([])


@pytest.mark.parametrize("timeout", [0, -1, "5", True, float("nan"), float("inf"), None])
def test_a_wrong_timeout_is_a_metric_error(timeout: Any) -> None:
    with pytest.raises(MetricError, match="timeout"):
        equal("1", "2", timeout=timeout)


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MetricError, match=r"pip install 'assay-eval\[math\]'"):
        equal("1", "2")
