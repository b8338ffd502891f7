"""What Prefect and the store cost: 20,000 requests to a model that takes no time, and the default run.

    python -m tests.benchmarks.overhead [--default]

The first part prints CPU per request and peak memory of a process with a scripted model, against the same
work (build, ask, score) without flow, store and files. The second, with --default, does that for the command
without arguments: the share of the run that is not the model's.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.whole_run import measure
from tests.support.paths import ROOT

REQUESTS, CHOICES = 20_000, 4
TASK = """task: overhead
dataset_path: overhead
test_split: test
output_type: multiple_choice
doc_to_text: "Question: {{question}}\\nAnswer:"
doc_to_target: answer
doc_to_choice: choices
metric_list: [{metric: acc}]
"""
WARM = ["--model", "scripted:hash", "--tasks", "starter_choices"]  # Prefect's database is made once
PREFECT_HOME = Path(tempfile.gettempdir(), f"assay-overhead-{os.getpid()}")
BARE = "import sys; from tests.benchmarks.overhead import bare; bare(*sys.argv[1:])"


def bare(spec_json: str) -> None:
    """Build, ask and score what a spec says, with nothing in between."""
    from backends.protocol import ask
    from flows.planning.plan import Plan
    from flows.specs.evaluation import EvaluationSpec
    from tasks_lib.scoring.scorer import Answered
    from tasks_lib.task import open_task

    plan = Plan.of(EvaluationSpec.model_validate_json(spec_json))
    for name in plan.selection.tasks:
        task = open_task(plan.selection.tasks[name], plan.tasks.context)
        asked = list(task.builder)
        requests = [request for one in asked for request in one.requests]
        answers = dict(pair for batch in ask(plan.backend, requests) for pair in batch)
        found = iter([answers[position] for position in range(len(requests))])
        samples = task.scorer.samples([Answered(one, [[next(found)] for _ in one.requests]) for one in asked])
        print(task.scorer.aggregate(list(samples), compat=False)[0].value)


def spent(command: list[str], home: Path) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak MiB of a process with that ASSAY_HOME."""
    own = {"ASSAY_HOME": str(home), "PYTHONPATH": str(ROOT), "PREFECT_HOME": str(PREFECT_HOME)}
    one = measure(command, {**os.environ, **own})
    return one.wall, one.cpu, one.memory


def compare(name: str, spec: dict[str, object], scratch: Path, requests: int | None) -> None:
    from flows.specs.evaluation import EvaluationSpec

    full = EvaluationSpec.model_validate({**spec, "output": scratch / "runs"})
    file = scratch / "run.yaml"
    file.write_text(json.dumps(json.loads(full.model_dump_json(exclude_defaults=True))))
    flow = [sys.executable, "flows/evaluate.py", "--config", str(file)]
    wall, cpu, memory = spent(flow, scratch / "home")
    again, _, _ = spent(flow, scratch / "home")
    bare_wall, bare_cpu, bare_memory = spent(
        [sys.executable, "-c", BARE, full.model_dump_json()], scratch / "bare"
    )
    print(f"{name}: {wall:.1f} s wall, {cpu:.1f} s CPU, {memory:.0f} MiB; second run {again:.1f} s")
    print(f"  without flow and store: {bare_wall:.1f} s wall, {bare_cpu:.1f} s CPU, {bare_memory:.0f} MiB")
    share_of_wall, share_of_cpu = (wall - bare_wall) / wall, (cpu - bare_cpu) / cpu
    print(f"  share of flow and store: {share_of_wall:.1%} of wall, {share_of_cpu:.1%} of CPU")
    if requests:
        print(f"  {(cpu - bare_cpu) / requests * 1000:.2f} ms of CPU per request")


def write_task(folder: Path) -> None:
    (folder / "overhead.yaml").write_text(TASK)
    data = folder / "data" / "overhead" / "default"
    data.mkdir(parents=True)
    with (data / "test.jsonl").open("w") as file:
        for number in range(REQUESTS // CHOICES):
            choices = [f"choice {number} {choice}" for choice in range(CHOICES)]
            question = f"which of these has the number {number}? " * 20
            file.write(
                json.dumps({"question": question, "choices": choices, "answer": number % CHOICES}) + "\n"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--default", action="store_true", help="also the command without arguments")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        write_task(scratch)
        spent([sys.executable, "flows/evaluate.py", *WARM, "--output", str(scratch)], scratch / "warm")
        spec: dict[str, object] = {
            "model": "scripted:hash",
            "tasks": [str(scratch / "overhead.yaml")],
            "data_root": [scratch / "data"],
        }
        compare(f"{REQUESTS} requests", spec, scratch, REQUESTS)
    if given.default:
        with tempfile.TemporaryDirectory() as name:
            compare("default command", {}, Path(name), None)


if __name__ == "__main__":
    main()
