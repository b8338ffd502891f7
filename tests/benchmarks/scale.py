"""What a run takes as it grows: `python -m tests.benchmarks.scale [--requests 10000,100000,1000000]`.

Tasks of `--docs` documents of some 600 characters each, as many as the size needs, answered by
`scripted:hash`, which costs next to nothing: what is left is the pipeline's own. For each size a fresh
process, and again with all answers in the store: wall and CPU time, the process's peak memory, bytes on disk
and Prefect's steps.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

from tests.benchmarks.whole_run import Spent, measure

FILLER = "A rather ordinary sentence of a few words. " * 14
TASK = {
    "dataset_path": "sums",
    "test_split": "test",
    "output_type": "generate_until",
    "doc_to_target": "answer",
    "generation_kwargs": {"until": ["\n"], "max_gen_toks": 64},
    "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
}


def rows(count: int) -> Iterator[str]:
    for number in range(count):
        yield json.dumps({"question": f"{FILLER}What is {number}?", "answer": str(number)}) + "\n"


def size(folder: Path, pattern: str) -> float:
    """Megabytes of the files that match."""
    return sum(path.stat().st_size for path in folder.glob(pattern) if path.is_file()) / 1e6


def run(count: int, docs: int, scratch: Path) -> None:
    """One size: a table row for the first run and one for the second."""
    data, tasks, home = scratch / "data/sums/default", scratch / "tasks", scratch / "home"
    data.mkdir(parents=True)
    tasks.mkdir()
    with (data / "test.jsonl").open("w") as file:
        file.writelines(rows(min(count, docs)))
    for number in range(max(1, count // docs)):
        own = {"task": f"sums_{number}", "doc_to_text": f"{number}. {{{{question}}}}"}
        (tasks / f"{number}.yaml").write_text(yaml.safe_dump({**TASK, **own}))
    flags = ["--model", "scripted:hash", "--tasks", "sums_*", "--include-path", str(tasks)]
    flags += ["--data-root", str(scratch / "data"), "--output", str(scratch / "runs")]
    environment = {**os.environ, "ASSAY_HOME": str(home), "PREFECT_HOME": str(scratch / "prefect")}
    for name in ("first", "again"):
        spent = measure([sys.executable, "flows/evaluate.py", *flags], environment)
        print(row(count, name, spent, scratch), flush=True)


def row(count: int, name: str, spent: Spent, scratch: Path) -> str:
    home = scratch / "home"
    steps = sum(1 for _ in (home / "steps/finished").iterdir())
    took = f"{spent.wall:9.1f}{spent.cpu:9.1f}{spent.cpu / count * 1000:9.3f}{spent.memory:10.0f}"
    return (
        f"{count:9}  {name:6}{took}"
        f"{size(home, 'responses.sqlite*'):10.0f}{size(home / 'steps', '**/*'):10.0f}"
        f"{size(scratch / 'runs', '**/*'):10.0f}{steps:7}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--requests", default="10000,100000,1000000", help="sizes, separated by commas")
    parser.add_argument("--docs", type=int, default=10_000, help="documents of a task")
    given = parser.parse_args()
    print(
        f"{'requests':>9}  {'run':6}{'wall s':>9}{'CPU s':>9}{'ms each':>9}{'peak MiB':>10}"
        f"{'store MB':>10}{'steps MB':>10}{'runs MB':>10}{'steps':>7}"
    )
    for count in map(int, given.requests.split(",")):
        with tempfile.TemporaryDirectory() as scratch:
            run(count, given.docs, Path(scratch))


if __name__ == "__main__":
    main()
