"""A whole run as a process against lm-eval's: wall and CPU time, peak memory, and the second run.

    python -m tests.benchmarks.whole_run --model FOLDER --data-root ../shared/data

Each repetition starts lm-eval, Assay with an empty ASSAY_HOME, and Assay again on what that left; medians
count. The scores are checked to be equal.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TIES = 1e-3  # two choices may be as likely but for the last digits of float32
LM_EVAL = "import sys; from tests.benchmarks.whole_run import run_lm_eval; run_lm_eval(*sys.argv[1:])"


@dataclass(frozen=True)
class Spent:
    """One process: seconds, and its largest resident size in MiB."""

    wall: float
    cpu: float
    memory: float


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
    """Run a command to its end; what Prefect's temporary server spends is not in it."""
    started = time.monotonic()
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"failed: {' '.join(command)}")
    return Spent(time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


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
    medians = {
        name: [statistics.median(getattr(one, what) for one in spent) for what in ("wall", "cpu", "memory")]
        for name, spent in runs.items()
    }
    base = medians["lm-eval"]
    print(f"{'':14}{'wall s':>9}{'ratio':>8}{'CPU s':>9}{'ratio':>8}{'peak MiB':>10}")
    for name, (wall, cpu, memory) in medians.items():
        print(f"{name:14}{wall:9.1f}{base[0] / wall:8.2f}{cpu:9.1f}{base[1] / cpu:8.2f}{memory:10.0f}")


if __name__ == "__main__":
    main()
