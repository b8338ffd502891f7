"""pass@k of programs that a model wrote: each is run in a sandbox, and its tests are asked of it.

Interface and numbers are those of `code_eval` of Hugging Face's `evaluate`, after Chen et al., Evaluating
Large Language Models Trained on Code, 2021 (arXiv 2107.03374).
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from metrics.errors import MetricError
from metrics.program_tests.tests_process import PASSED
from metrics.program_tests.verdict import verdict_of
from metrics.sandbox.pick import Wanted

_wanted: ContextVar[Wanted | None] = ContextVar("sandbox_of_code", default=None)
_noted: ContextVar[list[str] | None] = ContextVar("results_of_programs", default=None)


@contextmanager
def allowing_code(wanted: Wanted | None) -> Iterator[None]:
    """Within the block, in this thread, what a model wrote may be run in such a sandbox. Elsewhere, and with
    None, it may not."""
    token = _wanted.set(wanted)
    try:
        yield
    finally:
        _wanted.reset(token)


@contextmanager
def noting_results() -> Iterator[list[str]]:
    """Gives the results of all programs that are run within the block, in this thread, one after another."""
    results: list[str] = []
    token = _noted.set(results)
    try:
        yield results
    finally:
        _noted.reset(token)


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

    Errors: MetricError where running code is not allowed, where no sandbox proves itself, where the two
    sequences differ in length, and where the machine does not let a program run.
    """
    allowed = _wanted.get()
    if allowed is None:
        raise MetricError("this runs code that the model wrote, where none may run")
    if len(references) != len(predictions):
        raise MetricError(f"{len(predictions)} lists of candidates for {len(references)} problems")
    sandbox = allowed.found()
    programs = [
        (task, number, candidate, tests)
        for task, (candidates, tests) in enumerate(zip(predictions, references, strict=True))
        for number, candidate in enumerate(candidates)
    ]
    outcomes: dict[int, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
    with ThreadPoolExecutor(num_workers) as pool:
        results = pool.map(lambda one: verdict_of(sandbox, one[2], one[3], timeout), programs)
        for (task, number, *_), result in zip(programs, results, strict=True):
            outcome = Outcome(task, result == PASSED, result, number)
            outcomes[task].append((number, asdict(outcome)))
    if (noted := _noted.get()) is not None:
        noted.extend(outcome["result"] for own in outcomes.values() for _, outcome in own)
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


def _enough(counts: Sequence[tuple[int, int]], k: int) -> bool:
    return all(candidates >= k for candidates, _ in counts)
