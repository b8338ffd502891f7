"""lm-eval's whole catalog on both sides, and the table of what came of it.

    python -m tests.parity.whole_catalog [PATTERN] [--jobs 2] [--log outcomes.jsonl] [--table docs/parity.md]
        [--sample tests/parity/whole_catalog_sample.txt]

What is compared is in the page that it writes; how, in `both_sides.look` and `through_runs`. Processes do the
work, so that a task whose code ends one does not end the run.
"""

import argparse
import contextlib
import hashlib
import json
import multiprocessing
import os
import re
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from tests.parity.both_sides import Looked, Outcome, look, tasks_by_family
from tests.parity.bounds import SECONDS, prepare
from tests.parity.observed import Field

BATCH = 60  # tasks a run
READY = "ready"
SAMPLE, SLOW = 300, 3.0  # tasks, seconds
SHOWN = 65  # names of tasks that are not compared for one reason
PATIENCE = SECONDS + 60  # seconds; for a process to start as well
SCORING = 20  # seconds a task, at most
PREAMBLE = """# Parity with lm-eval's catalog

`python -m tests.parity.whole_catalog --table docs/parity.md` compares every task of lm-eval 0.4.13 with
lm-eval itself, in `--compat lm-eval` mode, and writes this page. No data set is needed: documents are made up
to the schema that a task's templates and functions read (`tests/parity/synthetic_documents.py`), and a
scripted model answers them, right, wrong and nearly right. lm-eval's own task objects say what the prompts,
samples and scores are. Assay's prompts are compared where they are made; its samples and scores are those of
runs of `flows.evaluate`, up to 60 tasks a run, as users start them: task files in a folder, data in a data
root, answers from a model. Both sides must agree on

- every request: kind, prompt, continuation and generation parameters, with the task's own number of few-shot
  examples, and with none and two where it says none;
- every document's target, filtered answers and metric values;
- every aggregated score and its standard error.

A metric that `evaluate` would download is Assay's own on both sides, or a stand-in where there is none
(`bertscore`): what it gets is compared, not the number.
"Varied" are those of the equal tasks in which some metric has several values over the documents: right and
wrong answers were among them. `python -m tests.parity.broken_on_purpose` breaks traps and rules one by one,
and shows what of the suite sees each. What is different on purpose is in [lm-eval.md](lm-eval.md).
"""

# Why a task is not compared: the first pattern that its reason matches.
REASONS: Mapping[str, str] = {
    r"^Python task classes": "a Python task class, of which `test_class_tasks.py` compares some",
    r"^images and sound": "images or sound, of which `test_media.py` compares some",
    r"hf_evaluate metrics": "an `hf_evaluate` metric, not supported yet",
    r"generator of its module": "shuffles anew whenever lm-eval looks at its documents",
    r"its Python reads (\S+ \S+), which is not here": r"its Python reads \1, which is not here",
    r"^starts two processes": "starts two processes for each of its answers",
    r"has no `|is no function": "names a function that its file lacks (broken upstream)",
    r"needs the package ([\w.]+)": r"its Python needs `\1`, which is not installed",
    r"importing .*(couldn't find|offline|cannot send|no network|couldn't reach|not cached|connect)": (
        "its Python downloads when it is imported"
    ),
    r"importing ": "its Python cannot be imported",
    r"couldn't find a module script|offline|no network|cannot send": "its Python downloads to score",
    r"^(lm-eval [^:]*)": r"\1, while Assay does",
    r"gives \(.*, not a text": "its Python gives no text as a prompt (broken upstream)",
    r"float\(\) argument .* 'dict'": "its aggregation gives a mapping, which Assay refuses",
    r"PERSPECTIVE_API_KEY": "asks a service on the network",
    r"antlr4-python3-runtime version": "its Python needs another version of `antlr4`",
    r"does not end|ends the process|takes too long": "its Python does not come to an end",
    r"": "no documents were found that it reads",
}


# The work


class Worker:
    """A process that compares; another one where it ends."""

    def __init__(self) -> None:
        self._process: Any = None
        self._connection: Any = None

    def compare(
        self, names: Sequence[str], report: Callable[[Outcome], None], *, again: bool = False
    ) -> None:
        """Look at tasks and score them in one run; those that differ once more, each from modules that
        remember nothing of the others."""
        differing: list[str] = []

        def settle(outcome: Outcome) -> None:
            if outcome.status == "different" and not again:
                differing.append(outcome.task)
            else:
                report(outcome)

        ready = self._look_at_all(names, settle, again)
        found = self._ask("score", ready, PATIENCE + SCORING * len(ready))
        if found is not None:
            for outcome in found:
                settle(outcome)
        elif len(ready) == 1:
            settle(Outcome(ready[0], "different", "the run does not come to its end"))
        else:
            for half in (ready[: len(ready) // 2], ready[len(ready) // 2 :]):
                self.compare(half, report, again=again)
        if differing:
            self.compare(differing, report, again=True)

    def end(self, *, kill: bool = False) -> None:
        if self._process is None:
            return
        if kill:
            self._process.kill()
        else:
            self._connection.send(None)
        self._process.join()
        self._process = None

    def _look_at_all(self, names: Sequence[str], report: Callable[[Outcome], None], again: bool) -> list[str]:
        """The tasks that are ready for a run; whatever the process had looked at is gone if one ends it."""
        ready: list[str] = []
        for name in names:
            outcome = self._ask("look", (name, again), PATIENCE)
            if outcome is None:
                report(Outcome(name, "not compared", "ends the process, or takes too long"))
                return self._look_at_all([*ready, *names[names.index(name) + 1 :]], report, again)
            if outcome == READY:
                ready.append(name)
            else:
                report(outcome)
        return ready

    def _ask(self, what: str, given: Any, seconds: float) -> Any:
        """None where the process ends or does not answer; it is ended then."""
        if self._process is None:
            self._start()
        try:
            self._connection.send((what, given))
            if self._connection.poll(seconds):
                return self._connection.recv()
        except (EOFError, OSError):
            pass
        self.end(kill=True)
        return None

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_answer, args=(theirs,))
        self._process.start()
        theirs.close()


def _answer(connection: Any) -> None:
    """Looks at tasks by their names, and scores those that it is told to in one run."""
    prepare()
    from tests.parity.through_runs import compared

    schemas: dict[str, Field] = {}
    looked: dict[str, Looked] = {}
    seconds: dict[str, float] = {}
    while (message := connection.recv()) is not None:
        what, given = message
        start = time.process_time()
        if what == "look":
            name, again = given
            found = look(name, schemas, forget=again)
            seconds[name] = round(time.process_time() - start, 2)
            if isinstance(found, Looked):
                looked[name] = found
                connection.send(READY)
            else:
                connection.send(replace(found, seconds=seconds[name]))
            continue
        outcomes = compared([looked.pop(name) for name in given])
        share = (time.process_time() - start) / max(len(given), 1)
        connection.send([replace(one, seconds=round(seconds[one.task] + share, 2)) for one in outcomes])


def compare_all(names: Iterable[Sequence[str]], jobs: int, report: Callable[[Outcome], None]) -> None:
    """Compare tasks by their families, one of each in turn, so that what is done first speaks for all."""
    mixed = in_turn(names)
    batches = [mixed[first : first + BATCH] for first in range(0, len(mixed), BATCH)][::-1]
    lock = threading.Lock()

    def locked(outcome: Outcome) -> None:
        with lock:
            report(outcome)

    def serve() -> None:
        worker = Worker()
        while batches:
            with lock:
                batch = batches.pop() if batches else []
            worker.compare(batch, locked)
        worker.end()

    threads = [threading.Thread(target=serve) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# The table


def table(families: Mapping[str, Sequence[str]], outcomes: Mapping[str, Outcome]) -> str:
    """Markdown: one row a family, and why what was not compared was not. Tasks without an outcome were not
    reached."""
    rows = [
        "| family | tasks | compared | equal | varied | different | not compared |",
        "|---|--:|--:|--:|--:|--:|---|",
    ]
    total: Counter[str] = Counter()
    for family, names in sorted(families.items()):
        known = [outcomes[name] for name in names if name in outcomes]
        counts = _counts(known)
        counts["left"] = len(names) - len(known)
        total += counts
        rows.append(_row(family, counts, _why(known)))
    rows.append(_row("**all**", total, {}))
    left = defaultdict(list)
    for name, outcome in sorted(outcomes.items()):
        if outcome.status == "not compared":
            left[reason_of(outcome)].append(name)
    reasons = [
        f"- {reason}: {len(names)} ({', '.join(names[:SHOWN])}{', ...' * (len(names) > SHOWN)})"
        for reason, names in sorted(left.items(), key=lambda item: -len(item[1]))
    ]
    different = [f"- `{one.task}`: {one.reason}" for one in outcomes.values() if one.status == "different"]
    summary = (
        f"Of {total['tasks']} tasks {total['compared']} were compared: {total['equal']} are equal "
        f"({total['varied']} of them varied), {total['different']} differ."
    )
    if total["left"]:
        summary += (
            f"\nThese are tasks of every family in turn. The other {total['left']} of the catalog, most of "
            "them the same in more languages or on more subjects, were not reached yet; the command goes on "
            "from its `--log`."
        )
    parts = [PREAMBLE, summary, "\n## What was not compared\n", *reasons]
    parts += ["\n## What differs\n", *different] if different else []
    return "\n".join([*parts, "\n## By family\n", *rows, ""])


def reason_of(outcome: Outcome) -> str:
    """Why a task was not compared, in the words of all with the same reason."""
    for pattern, reason in REASONS.items():
        if found := re.search(pattern, outcome.reason, re.IGNORECASE):
            return found.expand(reason)
    return outcome.reason


def _counts(outcomes: Sequence[Outcome]) -> Counter[str]:
    counts: Counter[str] = Counter(tasks=len(outcomes))
    for one in outcomes:
        counts[one.status] += 1
        counts["compared"] += one.status != "not compared"
        counts["varied"] += one.varied
    return counts


def _why(outcomes: Sequence[Outcome]) -> Mapping[str, int]:
    return Counter(reason_of(one) for one in outcomes if one.status == "not compared")


def _row(family: str, counts: Mapping[str, int], why: Mapping[str, int]) -> str:
    numbers = " | ".join(str(counts[key]) for key in ("tasks", "compared", "equal", "varied", "different"))
    return f"| {family} | {numbers} | {'; '.join(f'{count} {reason}' for reason, count in why.items())} |"


def sample(families: Mapping[str, Sequence[str]], outcomes: Mapping[str, Outcome], count: int) -> list[str]:
    """So many tasks, of every family in turn, that are equal, varied and quick; always the same."""

    def serves(name: str) -> bool:
        outcome = outcomes.get(name)
        return outcome is not None and outcome.varied and outcome.seconds < SLOW

    return in_turn(list(filter(serves, names)) for _, names in sorted(families.items()))[:count]


def in_turn(families: Iterable[Sequence[str]]) -> list[str]:
    """A task of each family, then another of each, and so on; always in the same order."""
    shuffled = (sorted(one, key=lambda name: hashlib.sha256(name.encode()).digest()) for one in families)
    return [name for turn in zip_longest(*shuffled) for name in turn if name is not None]


# The command


@contextlib.contextmanager
def surroundings() -> Iterator[None]:
    """One Prefect server and one home for all runs, which go with the comparison."""
    from flows.prefect_api.temporary_server import DEFAULTS, TemporaryServer

    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {**DEFAULTS, "PREFECT_HOME": f"{folder}/prefect", "ASSAY_HOME": f"{folder}/home"}
        # As in the processes of runs, for task code that goes through a set.
        os.environ["PYTHONHASHSEED"] = "0"
        server = TemporaryServer(login="")
        server.wait()
        os.environ["PREFECT_API_URL"] = server.url
        try:
            yield
        finally:
            server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare lm-eval's catalog with lm-eval.")
    parser.add_argument("pattern", nargs="?", default="*", help="of task names, as in a shell")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--log", type=Path, help="one outcome a line; what does not differ there is kept")
    parser.add_argument("--table", type=Path, help="where to write the table")
    parser.add_argument(
        "--sample", type=Path, help=f"where to write the names of {SAMPLE} tasks of all families"
    )
    given = parser.parse_args()
    outcomes = {one.task: one for one in _read(given.log) if one.status != "different"}

    def report(outcome: Outcome) -> None:
        outcomes[outcome.task] = outcome
        if outcome.status != "equal":
            print(f"{outcome.task}: {outcome.status}: {outcome.reason}", flush=True)
        if given.log:
            with given.log.open("a") as log:
                log.write(json.dumps(asdict(outcome)) + "\n")

    with surroundings():
        families = tasks_by_family(given.pattern)
        left = [[name for name in family if name not in outcomes] for family in families.values()]
        compare_all(left, given.jobs, report)
    text = table(families, outcomes)
    if given.table:
        given.table.write_text(text)
    if given.sample:
        given.sample.write_text("".join(f"{name}\n" for name in sample(families, outcomes, SAMPLE)))
    print(next(line for line in text.splitlines() if line.startswith("Of ")))


def _read(log: Path | None) -> list[Outcome]:
    if log is None or not log.exists():
        return []
    return [Outcome(**json.loads(line)) for line in log.read_text().splitlines()]


if __name__ == "__main__":
    main()
