"""Why a module of task code cannot be imported: a package, something outside Python, or its own fault."""

import importlib.util
from collections.abc import Iterator

from tasks_lib.code import lm_eval_stub
from tasks_lib.errors import MissingPackage, MissingResource, TaskError


def import_failure(who: str, module: str, error: BaseException) -> TaskError:
    """The error to raise where importing `module` raised `error`.

    who: what asked for the module, the first words of the message.
    An OSError means a file or a download that was not there, as does a bare LookupError (nltk's); a module
    ends the program (SystemExit) where it misses a program that it calls.
    """
    causes = list(_chain(error))
    absent = [cause.name for cause in causes if isinstance(cause, ModuleNotFoundError) and cause.name]
    for package in (name.partition(".")[0] for name in absent):
        if not is_installed(package):
            return MissingPackage(
                f"{who}: {module} needs the package {package}, which is not installed", [package]
            )
    if lm_eval_stub.are_in_use() and any(_is_of_lm_eval(cause) for cause in causes):
        needed = "more of lm-eval than there is without it: pip install 'assay-eval[lm-eval]'"
        return MissingPackage(f"{who}: {module} needs {needed}", ["lm_eval"])
    said = f"{who}: importing {module} failed: {_said(error)}"
    if any(_is_outside(cause) for cause in causes):
        return MissingResource(said)
    return TaskError(said)


def is_of_surroundings(error: BaseException) -> bool:
    """Whether an error came of what is not on this machine: a package, a file, a program, a download."""
    return any(
        isinstance(cause, MissingPackage | MissingResource | ImportError)
        or (_is_outside(cause) and not isinstance(cause, TimeoutError))
        for cause in _chain(error)
    )


def is_installed(package: str) -> bool:
    """Whether a package of this name (the part before the first dot) can be imported."""
    return importlib.util.find_spec(package) is not None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_of_lm_eval(error: BaseException) -> bool:
    return isinstance(error, ImportError) and (error.name or "").partition(".")[0] == "lm_eval"


def _is_outside(error: BaseException) -> bool:
    return isinstance(error, OSError | SystemExit) or type(error) is LookupError


def _said(error: BaseException) -> str:
    """The error's first lines in one."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines[:2])}"
