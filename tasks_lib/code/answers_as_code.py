"""Whether scoring a task runs its answers as code, read from its Python without running it."""

import ast
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Literal

from tasks_lib.code.imported_code import imported_code
from tasks_lib.code.trusted_functions import installed_catalog, source_file
from tasks_lib.files.config import ClassConfig, TaskConfig, function_refs

# What runs the answers of a task: its own Python, which has to be held as a whole; only `code_eval`, which
# holds each program; something that cannot be held, as it loads what it needs where it scores; nothing.
RunBy = Literal["its Python", "code_eval", "what cannot be held", "nothing"]

# What takes a text for code, starts a program, or runs on in a process of its own.
_RUNNERS = frozenset({"eval", "exec", "compile", "__import__", "execfile"})
_RUNNING = frozenset(
    {
        "sympy.S",
        "sympy.parse_expr",
        "sympy.parsing.parse_expr",
        "sympy.parsing.sympy_parser.parse_expr",
        "sympy.sympify",
        "sympy.core.sympify.sympify",
        "multiprocessing.Manager",
        "multiprocessing.Pool",
        "multiprocessing.Process",
        "multiprocessing.get_context",
        "os.fork",
        "os.popen",
        "os.system",
    }
)
_BEGINNINGS = (
    *("builtins.", "code.", "pty.", "runpy.", "subprocess."),
    *("os.exec", "os.posix_spawn", "os.spawn"),
)
# What no rule sees: metrics of the hub that run answers, by how task code loads them.
_OF_THE_HUB = frozenset({"AIML-TUDA/VerifiableRewardsForScalableLogicalReasoning"})  # Prolog, by slr_bench
_CODE_EVAL = "code_eval"


class AnswersAsCode:
    """Reads of tasks, each file of their code once."""

    def __init__(self) -> None:
        self._code_of: Callable[[Path], frozenset[Path]] = cache(_code_of)
        self._seen_in: Callable[[Path], frozenset[RunBy]] = cache(_seen_in)

    def run_by(self, config: TaskConfig | ClassConfig) -> RunBy:
        """What runs the answers of a task as code, as its file says and as its Python reads.

        A file that says `unsafe_code` and of whose Python nothing is seen to run code counts as one whose
        Python does. Errors: TaskError where a function's file is not there.
        """
        found = {what for file in self.code_files(config) for what in self._seen_in(file)}
        if "what cannot be held" in found:
            return "what cannot be held"
        runs_itself = "its Python" in found
        if not runs_itself and ("code_eval" in found or _names_code_eval(config)):
            return "code_eval"
        if not runs_itself and not config.unsafe_code:
            return "nothing"
        # A class loads its documents in the process in which it scores.
        return "its Python" if isinstance(config, TaskConfig) else "what cannot be held"

    def code_files(self, config: TaskConfig | ClassConfig) -> frozenset[Path]:
        """The files of a task's Python, with the task code that they import."""
        return frozenset(file for ref in function_refs(config) for file in self._code_of(source_file(ref)))


def _names_code_eval(config: TaskConfig | ClassConfig) -> bool:
    metrics = config.metric_list or [] if isinstance(config, TaskConfig) else []
    return any(metric.metric == _CODE_EVAL for metric in metrics)


def _code_of(file: Path) -> frozenset[Path]:
    return frozenset({file, *imported_code(file, installed_catalog()).values()})


def _seen_in(file: Path) -> frozenset[RunBy]:
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):  # importing it says what is wrong with it
        return frozenset()
    return frozenset(_seen(tree))


def _seen(tree: ast.Module) -> Iterator[RunBy]:
    meant = dict(_imported_as(tree))
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if text in _OF_THE_HUB:
                yield "what cannot be held"
            case ast.Constant(value="code_eval"):
                yield "code_eval"
            case ast.Name() | ast.Attribute() if _runs_code(ast.unparse(node), meant):
                yield "its Python"


def _imported_as(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The names that a file gives to what it imports, with the dotted names of that."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    top = alias.name.partition(".")[0]
                    yield (alias.asname, alias.name) if alias.asname else (top, top)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield from ((alias.asname or alias.name, f"{module}.{alias.name}") for alias in names)


def _runs_code(name: str, meant: dict[str, str]) -> bool:
    first, dot, rest = name.partition(".")
    if first not in meant:
        return name in _RUNNERS
    full = f"{meant[first]}{dot}{rest}"
    return full in _RUNNING or full.startswith(_BEGINNINGS)
