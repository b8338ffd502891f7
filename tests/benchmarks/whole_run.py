"""A whole run as a process against lm-eval's: wall and CPU time, peak memory, and the second run.

    python -m tests.benchmarks.whole_run --model FOLDER --data-root DATA

Each repetition starts lm-eval, Assay with an empty ASSAY_HOME, and Assay again on what that left; medians
count. The scores are checked to be equal.
"""

import argparse
import ctypes
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.support.paths import ROOT

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
TIES = 1e-3  # two choices may be as likely but for the last digits of float32
LM_EVAL = "import sys; from tests.benchmarks.whole_run import run_lm_eval; run_lm_eval(*sys.argv[1:])"


@dataclass(frozen=True)
class Spent:
    """One process: seconds, and its largest resident size in MiB; `server` is the CPU of Prefect's temporary
    server beside it, 0 where another served."""

    wall: float
    cpu: float
    memory: float
    server: float


def run_lm_eval(model: str, tasks: str, limit: str, data_root: str, output: str) -> None:
    """lm-eval on local data, in a process of its own; writes its results."""
    from lm_eval import simple_evaluate

    from tests.parity.oracle import local_data

    with local_data([Path(data_root)]):
        results = simple_evaluate(
            "hf",
            model_args={"pretrained": model, "dtype": "float32", "device": "cpu"},
            tasks=tasks.split(","),
            limit=int(limit),
            batch_size=16,
        )
    assert results is not None
    Path(output).write_text(json.dumps(results["results"], default=str))


def measure(command: list[str], environment: dict[str, str]) -> Spent:
    """Run a command to its end."""
    become_subreaper()  # a temporary server ends by itself, maybe after the run, and is ours to wait for then
    children = psutil.Process().children()
    started = time.monotonic()
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    wall = time.monotonic() - started
    own = sum(psutil.Process(process.pid).cpu_times()[:2])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"failed: {' '.join(command)}")
    server = _cpu(usage) - own
    for left in psutil.Process().children():
        if left not in children:
            server += _cpu(os.wait4(left.pid, 0)[2])
    return Spent(wall, own, usage.ru_maxrss / 1024, max(server, 0.0))


def become_subreaper() -> None:
    """Have processes whose parent ended become children of this one (Linux, prctl(2))."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1):
        raise OSError(ctypes.get_errno(), "prctl")


def _cpu(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime


def assay(given: argparse.Namespace, home: Path) -> tuple[Spent, dict[str, Any]]:
    environment = {**os.environ, "ASSAY_HOME": str(home), "PREFECT_HOME": str(given.prefect_home)}
    command = [
        sys.executable,
        "flows/evaluate.py",
        "--model",
        f"hf:{given.model}?dtype=float32",
        "--tasks",
        given.tasks,
    ]
    command += [
        "--limit",
        str(given.limit),
        "--data-root",
        str(given.data_root),
        "--output",
        str(home / "runs"),
    ]
    spent = measure(command, environment)
    newest = max((home / "runs").glob("*/*/results.json"), key=lambda path: path.stat().st_mtime)
    return spent, json.loads(newest.read_text())["results"]


def lm_eval(given: argparse.Namespace, scratch: Path) -> tuple[Spent, dict[str, Any]]:
    output = scratch / "lm-eval.json"
    arguments = [str(given.model), given.tasks, str(given.limit), str(given.data_root), str(output)]
    spent = measure([sys.executable, "-c", LM_EVAL, *arguments], {**os.environ, "PYTHONPATH": str(ROOT)})
    return spent, json.loads(output.read_text())


def check(theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    for task, row in theirs.items():
        for key, value in row.items():
            if isinstance(value, float) and "stderr" not in key:
                assert abs(value - ours[task][key]) < TIES, f"{task} {key}: {value} is not {ours[task][key]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--tasks", default="arc_easy,piqa")
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--repeat", type=int, default=3)
    given = parser.parse_args()
    given.model, given.data_root = given.model.resolve(), given.data_root.resolve()
    runs: dict[str, list[Spent]] = {"lm-eval": [], "Assay": [], "Assay again": []}
    with tempfile.TemporaryDirectory() as scratch:
        given.prefect_home = Path(scratch, "prefect")
        for number in range(given.repeat):
            home = Path(scratch, f"home{number}")
            for name, (spent, scores) in {
                "lm-eval": lm_eval(given, Path(scratch)),
                "Assay": assay(given, home),
                "Assay again": assay(given, home),
            }.items():
                runs[name].append(spent)
                if name == "lm-eval":
                    theirs = scores
                else:
                    check(theirs, scores)
    report(runs)


def report(runs: dict[str, list[Spent]]) -> None:
    """Medians, and lm-eval's as multiples of them; the last columns count Prefect's temporary server too."""
    medians = {
        name: [
            statistics.median(getattr(one, what) for one in spent)
            for what in ("wall", "cpu", "memory", "server")
        ]
        for name, spent in runs.items()
    }
    base = medians["lm-eval"]
    print(f"{'':31}{'wall s':>8}{'ratio':>7}{'CPU s':>8}{'ratio':>7}{'peak MiB':>10}", end="")
    print(f"{'server CPU s':>14}{'ratio':>7}")
    for name, (wall, cpu, memory, server) in medians.items():
        print(
            f"{name:31}{wall:8.1f}{base[0] / wall:7.2f}{cpu:8.1f}{base[1] / cpu:7.2f}{memory:10.0f}"
            f"{server:14.1f}{base[1] / (cpu + server):7.2f}"
        )


if __name__ == "__main__":
    main()
