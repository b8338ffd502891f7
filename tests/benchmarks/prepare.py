"""From the start of a run to all its requests prepared: mmlu, 57 tasks with 14,042 documents, 5-shot.

    python -m tests.benchmarks.prepare --data-root DATA [--lm-eval]

Each repetition starts the command on ten tasks and on all 57, with a model that never answers, and ends it
when the last request is on disk; and, without Prefect, a process that writes the same files one task after
the other. CPU time is that of the process (Prefect's temporary server has its own), memory its largest
resident size. With --lm-eval also lm-eval's way to the same prompts, once.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.whole_run import Spent, measure
from tests.support.paths import ROOT

TASKS, SHOTS = 57, 5
TICK = 0.02
LOOP = "import sys; from tests.benchmarks.prepare import prepare_all; prepare_all(*sys.argv[1:])"
LM_EVAL = "import sys; from tests.benchmarks.prepare import run_lm_eval; run_lm_eval(*sys.argv[1:])"


def prepare_all(spec_json: str, folder: str) -> None:
    """Write the requests of each task, with nothing around it."""
    from flows.planning import requests_file
    from flows.planning.plan import Plan
    from flows.specs.evaluation import EvaluationSpec
    from tasks_lib.task import open_task

    plan = Plan.of(EvaluationSpec.model_validate_json(spec_json))
    for name in plan.selection.tasks:
        requests_file.write(
            Path(folder, f"{name}.parquet"),
            open_task(plan.selection.tasks[name], plan.tasks.context).builder,
            repeats=1,
        )


def run_lm_eval(names: str, data_root: str) -> None:
    """lm-eval's requests of the same tasks."""
    from tests.parity.oracle import catalog, local_data

    with local_data([Path(data_root)]):
        for task in catalog(None).load(json.loads(names))["tasks"].values():
            task.set_config("num_fewshot", SHOTS)
            task.set_fewshot_seed(1234)
            task.build_all_requests()


def until(process: "subprocess.Popen[bytes]", is_done: Callable[[], bool]) -> Spent:
    """What a process has spent when something comes true; it is killed then."""
    started = time.monotonic()
    while not is_done():
        if process.poll() is not None:
            sys.exit(f"the run ended with status {process.returncode} before all was prepared")
        time.sleep(TICK)
    wall = time.monotonic() - started
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    status = dict(line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return Spent(wall, cpu, int(status["VmHWM"].split()[0]) / 1024, 0.0)


def as_flow(names: list[str], data_root: Path, scratch: Path, catalog: Path) -> Spent:
    """The command in a new home, until the last task is prepared."""
    home = Path(tempfile.mkdtemp(dir=scratch))
    (home / "catalog").symlink_to(catalog)
    prepared = home / "steps" / "prepared"
    environment = {**os.environ, "ASSAY_HOME": str(home), "PREFECT_HOME": str(scratch / "prefect")}
    given = [f"--tasks={','.join(names)}", f"--num-fewshot={SHOTS}", f"--data-root={data_root}"]
    command = [
        sys.executable,
        "flows/evaluate.py",
        "--model=scripted:hash?delay=3600",
        f"--output={scratch}",
    ]
    process = subprocess.Popen(
        [*command, *given],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    return until(process, lambda: len(list(prepared.glob("[!.]*.parquet"))) == len(names))


def as_loop(names: list[str], data_root: Path, scratch: Path, catalog: Path) -> Spent:
    from flows.specs.evaluation import EvaluationSpec

    spec = EvaluationSpec.model_validate(
        {"model": "scripted:hash", "tasks": names, "num_fewshot": SHOTS, "data_root": [data_root]}
    )
    environment = {**os.environ, "ASSAY_HOME": str(catalog.parent), "PYTHONPATH": str(ROOT)}
    return measure([sys.executable, "-c", LOOP, spec.model_dump_json(), str(scratch / "loop")], environment)


def mmlu(home: Path) -> list[str]:
    from tasks_lib.catalog.catalog import Catalog

    names = list(Catalog.standard([], home).select(["mmlu"]).tasks)
    assert len(names) == TASKS
    return names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--lm-eval", action="store_true")
    given = parser.parse_args()
    root = given.data_root.resolve()
    print(f"{'':28}{'wall s':>9}{'CPU s':>9}{'peak MiB':>10}")
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        home = scratch / "home"
        names = mmlu(home)
        ways = {"run": as_flow, "loop": as_loop}
        spent: dict[str, list[Spent]] = {}
        as_flow(names[:1], root, scratch, home / "catalog")  # makes Prefect's database
        for _ in range(given.repeat):
            # The largest task is in both, so that what grows does so with the number of tasks.
            for tasks in ([*names[:9], "mmlu_professional_law"], names):
                for way, go in ways.items():
                    one = go(tasks, root, scratch, home / "catalog")
                    spent.setdefault(f"{way}, {len(tasks)} tasks", []).append(one)
        if given.lm_eval:
            command = [sys.executable, "-c", LM_EVAL, json.dumps(names), str(root)]
            spent["lm-eval, 57 tasks"] = [measure(command, {**os.environ, "PYTHONPATH": str(ROOT)})]
        for what, own in spent.items():
            wall, cpu, memory = (
                statistics.median(getattr(one, key) for one in own) for key in ("wall", "cpu", "memory")
            )
            print(f"{what:28}{wall:9.1f}{cpu:9.1f}{memory:10.0f}")


if __name__ == "__main__":
    main()
