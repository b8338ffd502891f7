"""pass@k of programs that a model wrote: each is run with its tests in a process of its own.

What keeps a program apart - time, memory, a folder of its own, no input, no output, no secrets of the
environment, dangerous functions switched off - keeps it from doing harm by accident. It is no sandbox: a
program that means harm can still read and send what the user can. Where that matters, run the whole
evaluation in a container or a virtual machine.

Interface and numbers are those of `code_eval` of Hugging Face's `evaluate`, after Chen et al., Evaluating
Large Language Models Trained on Code, 2021 (arXiv 2107.03374).
"""

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import psutil

from metrics.errors import MetricError

_is_allowed: ContextVar[bool] = ContextVar("code_is_allowed", default=False)
_CHILD = Path(__file__).resolve().parents[1] / "processes" / "code_child.py"
# A process that starts and waits so long for something else than the processor will not start any more.
_SECONDS_TO_START = 60.0
# A program that has neither ended nor had its time after so many times that, by the clock, was not let run.
PATIENCE = 60
_LOOK_SECONDS = 0.1
# All that a program gets to see of the environment.
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL")
# Numerical libraries reserve memory for each thread, of which a program may have little.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

PASSED, TIMED_OUT = "passed", "timed out"


@contextmanager
def allowing_code(is_allowed: bool) -> Iterator[None]:
    """Within the block, in this thread, what a model wrote may be run, or not. Elsewhere it may not."""
    token = _is_allowed.set(is_allowed)
    try:
        yield
    finally:
        _is_allowed.reset(token)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of candidate `completion_id` of problem `task_id`.

    result: `passed`, `timed out`, or `failed: ` and the error's text.
    """

    task_id: int
    passed: bool
    result: str
    completion_id: int


def compute(
    references: Sequence[str],
    predictions: Sequence[Sequence[str]],
    k: int | Sequence[int] = (1, 10, 100),
    num_workers: int = 4,
    timeout: float = 3.0,
) -> tuple[dict[str, float], dict[int, list[tuple[int, dict[str, Any]]]]]:
    """Run every candidate of every problem; pass@k, and each candidate's outcome.

    references: the tests of each problem, Python that raises where a candidate is wrong.
    predictions: the candidates of each problem, Python that is put before the tests.
    k: for which numbers of candidates; those that some problem has fewer of are left out.
    num_workers: how many programs run at a time. timeout: seconds each may take, of processor time and, apart
        from that, of waiting for something else; that it waits for a busy machine counts nothing.

    Returns `pass@k` (mean over the problems) by that name, and by problem pairs of a candidate's position and
    the fields of its `Outcome`.

    Errors: MetricError where running code is not allowed, where the two sequences differ in length, and where
    the machine does not let a program run.
    """
    if not _is_allowed.get():
        raise MetricError("this runs code that the model wrote, which --allow-unsafe-code allows")
    if len(references) != len(predictions):
        raise MetricError(f"{len(predictions)} lists of candidates for {len(references)} problems")
    programs = [
        (task, number, f"{candidate}\n{tests}")
        for task, (candidates, tests) in enumerate(zip(predictions, references, strict=True))
        for number, candidate in enumerate(candidates)
    ]
    outcomes: dict[int, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
    with ThreadPoolExecutor(num_workers) as pool:
        results = pool.map(lambda program: run_program(program[2], timeout), programs)
        for (task, number, _), result in zip(programs, results, strict=True):
            outcome = Outcome(task, result == PASSED, result, number)
            outcomes[task].append((number, asdict(outcome)))
    counts = [
        (len(own), sum(outcome["passed"] for _, outcome in own))
        for own in (outcomes[task] for task in range(len(references)))
    ]
    wanted = [k] if isinstance(k, int) else k
    return {f"pass@{one}": mean_pass_at_k(counts, one) for one in wanted if _enough(counts, one)}, outcomes


def pass_at_k(candidates: int, passed: int, k: int) -> float:
    """The probability that of k candidates drawn without replacement at least one is among those that passed:
    1 - C(n - c, k) / C(n, k) (Chen et al. 2021, section 2.1)."""
    if candidates - passed < k:
        return 1.0
    return float(1.0 - np.prod(1.0 - k / np.arange(candidates - passed + 1, candidates + 1)))


def mean_pass_at_k(counts: Sequence[tuple[int, int]], k: int) -> float:
    """`pass_at_k` over problems, each with its numbers of candidates and of those that passed."""
    return float(np.mean([pass_at_k(candidates, passed, k) for candidates, passed in counts]))


def run_program(program: str, timeout: float) -> str:
    """`passed`, `timed out`, or `failed: ` and why; whatever the program started has ended then."""
    with tempfile.TemporaryDirectory(prefix="candidate-", ignore_cleanup_errors=True) as folder:
        source, inside = Path(folder, "program.py"), Path(folder, "inside")
        source.write_bytes(program.encode("utf-8", "surrogatepass"))
        inside.mkdir()
        process = subprocess.Popen(
            [sys.executable, "-P", "-s", str(_CHILD), str(source), str(timeout)],
            cwd=inside,
            env=_environment(inside),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            said = _said(process, timeout)
        finally:
            _kill(process)
    if said:
        return said
    if process.returncode in (-signal.SIGPROF, -signal.SIGXCPU):
        return TIMED_OUT
    return f"failed: the process ended with status {process.returncode}"


def _environment(folder: Path) -> Mapping[str, str]:
    own = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    return {**own, **_ONE_THREAD, "HOME": str(folder), "TMPDIR": str(folder), "PYTHONHASHSEED": "0"}


def _said(process: "subprocess.Popen[bytes]", timeout: float) -> str:
    """What `metrics/processes/code_child.py` says: a line break when the program begins, and a line when it
    has ended.

    "" where the process ended without a word.
    """
    assert process.stdout is not None
    if _line(process, process.stdout, _SECONDS_TO_START) is None:
        return "failed: the process did not start"
    line = _line(process, process.stdout, timeout)
    if line is None:
        return TIMED_OUT
    return line[:-1].decode("unicode_escape") if line.endswith(b"\n") else ""


def _line(process: "subprocess.Popen[bytes]", pipe: IO[bytes], seconds: float) -> bytes | None:
    """What is written up to a line break or the end; None where the process waits so long for something else
    than the processor, or works so long with all that it has started.

    Raises MetricError where nothing comes and it does not wait: the machine does not let it run.
    """
    ends, waited = time.monotonic() + PATIENCE * seconds, 0.0
    own = psutil.Process(process.pid)
    at_start = worked = _work(own)
    poll, line = select.poll(), b""
    poll.register(pipe, select.POLLIN)
    while not line.endswith(b"\n"):
        if poll.poll(_LOOK_SECONDS * 1000):
            piece = os.read(pipe.fileno(), 1)
            if not piece:
                break
            line += piece
            continue
        with suppress(psutil.Error):  # it has just ended
            before, worked = worked, _work(own)
            waits = own.status() == psutil.STATUS_SLEEPING and worked == before
            waited += _LOOK_SECONDS if waits else 0.0
        if max(waited, worked - at_start) >= seconds:
            return None
        if time.monotonic() > ends:
            raise MetricError(f"a program of {seconds:g} s had not ended after {PATIENCE * seconds:g} s")
    return line


def _work(process: psutil.Process) -> float:
    """The processor time of a process and of those that it has started, in seconds."""
    taken = 0.0
    for one in (process, *process.children(recursive=True)):
        with suppress(psutil.Error):  # it has ended meanwhile
            taken += sum(one.cpu_times()[:2])
    return taken


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """End the process with all that it started: its group, which is there until the process is waited for."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def _enough(counts: Sequence[tuple[int, int]], k: int) -> bool:
    return all(candidates >= k for candidates, _ in counts)
