"""The names that a program defines, for its tests.

Modules and what comes from them are the tests' own where they are of the standard library. Names that mean
something without the program keep their meaning, so that it cannot decide what its tests compare with: it may
take such a name only where tests use no other one of its own.
"""

import builtins
import importlib
import sys
from collections.abc import Iterator, Mapping
from types import CodeType, ModuleType
from typing import Any

MODULES = (
    "abc",
    "array",
    "bisect",
    "cmath",
    "collections",
    "copy",
    "datetime",
    "decimal",
    "enum",
    "fractions",
    "functools",
    "heapq",
    "itertools",
    "math",
    "numbers",
    "numpy",
    "operator",
    "random",
    "re",
    "statistics",
    "string",
    "time",
    "typing",
)
_MODULE, _MEMBER, _VALUE = "module", "member", "value"


def names_of(defined: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """What each name of a program is."""
    return {name: _meaning(name, value) for name, value in defined.items() if not name.startswith("__")}


def _meaning(name: str, value: Any) -> tuple[Any, ...]:
    if isinstance(value, ModuleType) and value.__name__ in MODULES:
        return _MODULE, value.__name__
    for module in MODULES:
        loaded = sys.modules.get(module)
        if loaded is not None and getattr(loaded, name, _MEMBER) is value:
            return _MEMBER, module
    return _VALUE, value


def names_for(tests: str, names: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
    """The names with which tests begin. Whatever was sent for names is none where it cannot be."""
    used = set(_names_in(compile(tests, "<tests>", "exec")))
    own = {name: value for name, value in names.items() if name in used}
    given = {name: value for name, value in own.items() if not _is_taken(name, value)}
    return {name: _found(name, *value) for name, value in (given or own).items()}


def _names_in(code: CodeType) -> Iterator[str]:
    """The names that code uses which are none of its functions' own."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)


def _is_taken(name: str, meaning: tuple[Any, ...]) -> bool:
    """Whether a name means something without the program, and something else."""
    return hasattr(builtins, name) or (name in MODULES and meaning != (_MODULE, name))


def _found(name: str, kind: str, value: Any) -> Any:
    if kind == _VALUE:
        return value
    if value not in MODULES:
        raise NameError(f"name {name!r} is not defined")
    module = importlib.import_module(value)
    return module if kind == _MODULE else getattr(module, name)
