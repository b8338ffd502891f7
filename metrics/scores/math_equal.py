"""Whether two answers are the same mathematically, by the package math_verify (0.9).

Numbers, expressions, LaTeX (also in \\boxed{} or dollars), equations, sets, intervals and matrices, alone or
in a sentence. Numbers are equal if they are to six decimals; 50% is 0.5 and also 50.
"""

import functools
import importlib.util
import logging

from metrics.errors import MetricError
from metrics.processes.worker import Worker
from metrics.scores.text import GeneratedText

log = logging.getLogger(__name__)


def math_equal(answer: GeneratedText, *, timeout: float = 5.0) -> float:
    """1.0 if the text equals one of the targets, else 0.0.

    A text is read as a whole if it is a formula; else the expression counts that math_verify finds in it,
    such as the boxed one or the last number. Texts that are the same are equal whatever they say.

    timeout: seconds of processor time for one comparison, beyond which it is given up, counts as not equal
        and is logged as a warning. By the clock it may take longer, on a busy machine. The limit holds in any
        thread: expressions are compared in a process of their own.
    """
    golds, prediction = answer.texts("math_equal")
    return float(any(_equal(gold, prediction, timeout) for gold in golds))


def check_math_equal(*, timeout: float = 5.0) -> None:
    """Raise MetricError if `math_equal` cannot work with this option, or not at all."""
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout <= 86400:
        raise MetricError(f"math_equal: timeout must be a number of seconds, such as 5, not {timeout!r}.")
    if importlib.util.find_spec("math_verify") is None:
        raise MetricError("math_equal needs the package math-verify: pip install 'assay-eval[math]'.")


def _equal(gold: str, prediction: str, timeout: float) -> bool:
    if gold.strip() == prediction.strip() != "":
        return True
    answer = _worker().ask([timeout, gold, prediction])
    if answer is None:
        log.warning(
            "math_equal: gave up after %g s of work, counts as not equal: gold %.80r, answer %.80r",
            timeout,
            gold,
            prediction,
        )
    return bool(answer)


@functools.cache
def _worker() -> Worker:
    return Worker("metrics.processes.math_worker")
