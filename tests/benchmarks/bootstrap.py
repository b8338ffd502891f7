"""Time of the bootstrapped standard error of F1, ours against lm-eval's: python -m tests.benchmarks.bootstrap

lm-eval resamples in one process and for few iterations; its time is scaled to ours per iteration.
"""

import argparse
import contextlib
import io
import os
import random
import time
from collections.abc import Callable

from metrics.statistics.stderr import stderr


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", type=int, default=1000)
    parser.add_argument("--iterations", type=int, default=100_000)
    parser.add_argument("--lm-eval-iterations", type=int, default=1000)
    arguments = parser.parse_args()

    from lm_eval.api.metrics import bootstrap_stderr, f1_score

    os.environ["DISABLE_MULTIPROC"] = "1"
    generator = random.Random(0)
    items = [(generator.randint(0, 1), generator.randint(0, 1)) for _ in range(arguments.docs)]
    f1_score(items)

    ours = seconds(lambda: stderr("f1", items, metric="f1", iterations=arguments.iterations))
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        measured = seconds(lambda: bootstrap_stderr(f1_score, items, arguments.lm_eval_iterations))
    scaled = measured * arguments.iterations / arguments.lm_eval_iterations

    print(f"F1 of {arguments.docs} documents, {arguments.iterations} resamples, one process")
    print(f"ours     {ours:9.2f} s (measured)")
    print(f"lm-eval  {scaled:9.2f} s (scaled: {measured:.2f} s for {arguments.lm_eval_iterations} resamples)")
    print(f"ratio    {scaled / ours:9.0f}")


if __name__ == "__main__":
    main()
