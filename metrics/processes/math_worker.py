"""The process that compares mathematical answers; `metrics.scores.math_equal` starts it and asks it line by
line.

A line in is JSON, [seconds, gold, prediction], a line out `true` or `false`. A comparison that is not done
after its seconds of processor time ends the process by SIGPROF, whatever it is busy with.
"""

import contextlib
import faulthandler
import json
import logging
import os
import re
import resource
import signal
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from metrics.processes.limits import set_limit

# What math_verify looks for in a text; where one is in it, the text is read as it is.
_MARKED = re.compile(r"\$|\\boxed|\\fbox|\\\(|\\\[")
# Only some of the grammars that math_verify may use know it.
_PERCENT = re.compile(r"(\d)\s*\\?%")
_FUNCTIONS = "pi|sin|cos|tan|cot|sec|csc|arcsin|arccos|arctan|sinh|cosh|tanh|log|ln|lg|exp"
_FUNCTION = re.compile(rf"(?<![\\A-Za-z])({_FUNCTIONS})(?![A-Za-z])")
# What has letters in a formula, beside single letters and products of two.
_OF_FORMULAS = re.compile(
    r"\\(?:text|textbf|mathrm|mathbf|operatorname|begin|end)\s*\{[^{}]*\}|\\[A-Za-z]+"
    rf"|(?<![A-Za-z])(?:{_FUNCTIONS}|sqrt|or|and)(?![A-Za-z])"
)
# A word, a short English one, or a unit after a number.
_PROSE = re.compile(
    r"[^\W\d_]{3,}|(?<!\S)(?:an|as|at|be|by|he|if|in|is|it|no|of|on|so|to|we)(?!\S)|\d\s+[^\W\d_]{2}$", re.I
)
_EXPONENT = re.compile(r"(?<![A-Za-z])(\d+(?:\.\d*)?|\.\d+)[eE]([+-]?\d+)\b")
_MIXED_NUMBER = re.compile(r"^\s*([+-]?)\s*(\d+)\s+(\d+)\s*/\s*(\d+)\s*$")
_SPACED_THOUSANDS = re.compile(r"(?<=\d)\s(?=\d{3}(?!\d))")


# A comparison may take so many times its seconds by the clock: it may wait for a busy machine, and nothing
# that it does waits for anything else.
PATIENCE = 60
MEMORY = 4 * 2**30  # bytes of address space; expressions that need more are not equal


def same(gold: str, prediction: str) -> bool:
    """Whether both texts have an equal expression; a percentage is its number or a hundredth of it."""
    if _equal(_PERCENT.sub(r"\1", gold), _PERCENT.sub(r"\1", prediction)):
        return True
    if bool(_PERCENT.search(gold)) == bool(_PERCENT.search(prediction)):
        return False
    return _equal(_PERCENT.sub(r"\1/100", gold), _PERCENT.sub(r"\1/100", prediction))


def _equal(gold: str, prediction: str) -> bool:
    from math_verify import verify

    return bool(verify(_expressions(gold), _expressions(prediction), timeout_seconds=None))


def _expressions(text: str) -> list[Any]:
    """The expressions of a text that is a formula, or of those in it."""
    from math_verify import parse

    text = text.replace("\\$", "").strip().strip("*").removesuffix(".")  # dollars, Markdown, end of sentence
    formula = f"${_latex(text)}$" if _is_formula(text) else text
    found: list[Any] = parse(formula, parsing_timeout=None)
    return found


def _is_formula(text: str) -> bool:
    """Whether all of a text is a formula: no delimiters, and no words but those of formulas.

    math_verify reads only parts of a formula without delimiters: 5 in "3 \\cdot 4 + 1".
    """
    return not (_MARKED.search(text) or _PROSE.search(_OF_FORMULAS.sub(" ", text)))


def _latex(formula: str) -> str:
    """A formula with the notations replaced that mean something else in LaTeX: 1e5, 1 1/2, 1 000, cos(pi)."""
    formula = _EXPONENT.sub(r"\1 \\cdot 10^{\2}", formula)
    formula = _MIXED_NUMBER.sub(r"\1(\2+\\frac{\3}{\4})", formula)
    return _FUNCTION.sub(r"\\\1", _SPACED_THOUSANDS.sub("", formula))


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """End the process after so much processor time, or after `PATIENCE` times as much by the clock. The
    system's timer and faulthandler's watchdog need no interpreter, which may be deep in one instruction."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    with open(os.devnull, "w") as nowhere:
        faulthandler.dump_traceback_later(PATIENCE * seconds, exit=True, file=nowhere)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
            signal.setitimer(signal.ITIMER_PROF, 0)


def main() -> None:
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    # What a library prints must not pass for an answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    set_limit(resource.RLIMIT_AS, MEMORY)
    same("$1$", "1")  # loads the libraries, which counts to no comparison
    print("true", file=answers, flush=True)
    for line in sys.stdin:
        seconds, gold, prediction = json.loads(line)
        with limited(seconds):
            try:
                answer = same(gold, prediction)
            except MemoryError:
                answer = False
        print(json.dumps(answer), file=answers, flush=True)
