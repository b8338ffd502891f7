"""Prompt building against lm-eval: documents per CPU second with 5 few-shot examples, from one run.

    python -m tests.benchmarks.prompts --data-root DATA

Both build the same requests (checked) of the same documents, in turn, repeatedly; the median counts.
"""

import argparse
import contextlib
import io
import logging
import statistics
from pathlib import Path
from time import process_time
from typing import Any

from tasks_lib.ask_options import AskOptions
from tasks_lib.catalog.catalog import Catalog
from tasks_lib.code.trusted_functions import TrustedRoots
from tasks_lib.context import TaskContext
from tasks_lib.task import ConfiguredTask
from tests.parity.oracle import catalog, local_data

TASKS = ("arc_easy", "piqa", "boolq", "gsm8k", "mmlu_philosophy", "mmlu_high_school_us_history")
DOCS = 150
SHOTS = 5


def ours(file: Any, root: Path, limit: int) -> tuple[float, list[str]]:
    options = AskOptions(num_fewshot=SHOTS, limit=limit)
    context = TaskContext(roots=[root], trusted=TrustedRoots.standard(), options=options)
    task = ConfiguredTask(context.scope(file.config, file.path))
    _ = task.documents.evaluated, task.documents.fewshot_pool
    started = process_time()
    asked = list(task.builder)
    return process_time() - started, [one.requests[0].prompt_text for one in asked]


def theirs(task: Any, limit: int) -> tuple[float, list[str]]:
    task.set_config("num_fewshot", SHOTS)
    task.set_fewshot_seed(1234)
    started = process_time()
    with contextlib.redirect_stderr(io.StringIO()):
        task.build_all_requests(limit=limit)
    spent = process_time() - started
    return spent, [one.args[0] for one in task.instances if one.idx == 0]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data-root", type=Path, required=True)
    arguments.add_argument("--repeat", type=int, default=5)
    given = arguments.parse_args()
    logging.disable(logging.WARNING)
    home = Path.home() / ".cache" / "assay"
    print(f"{'task':30}{'docs':>6}{'lm-eval docs/s':>16}{'Assay docs/s':>14}{'ratio':>8}")
    for name in TASKS:
        file = Catalog.standard([], home).select([name]).tasks[name]
        with local_data([given.data_root]):
            oracle = catalog(None, "{}").load([name])["tasks"][name]
        spent: list[tuple[float, float]] = []
        for _ in range(given.repeat):
            (their_time, their_prompts), (our_time, our_prompts) = (
                theirs(oracle, DOCS),
                ours(file, given.data_root, DOCS),
            )
            assert their_prompts == our_prompts, f"{name}: prompts differ"
            spent.append((their_time, our_time))
        their_time, our_time = (statistics.median(column) for column in zip(*spent, strict=True))
        docs = len(our_prompts)
        print(
            f"{name:30}{docs:6}{docs / their_time:16.0f}{docs / our_time:14.0f}{their_time / our_time:8.1f}"
        )


if __name__ == "__main__":
    main()
