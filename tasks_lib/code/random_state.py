"""The random generators of a process, for a task's own Python that draws from them."""

import random
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from tasks_lib.code.evaluate_load import TASK_CODE

# lm-eval seeds the global generators once with these (`lm_eval/defaults.py`); here they are set anew for each
# split and for scoring, so that a task whose Python draws from them does not depend on the tasks before it.
RANDOM_SEED, NUMPY_SEED = 0, 1234

_turn = threading.RLock()


@contextmanager
def seeded(*functions: Callable[..., Any]) -> Iterator[None]:
    """The global generators as a run starts with them; as they were afterwards.

    They are this thread's meanwhile: another one that wants them seeded waits, and what a library draws in a
    thread of its own (for a web socket) comes from elsewhere.

    functions: what is called; the `random.Random` objects of their modules too are afterwards as they were,
    so that a function gives the same each time.
    """
    import numpy

    with _turn, _for_this_thread():
        own = {id(one): one for one in _generators(functions)}
        states = [(one, one.getstate()) for one in own.values()]
        state, numpy_state = random.getstate(), numpy.random.get_state()
        random.seed(RANDOM_SEED)
        numpy.random.seed(NUMPY_SEED)
        try:
            yield
        finally:
            random.setstate(state)
            numpy.random.set_state(numpy_state)
            for one, before in states:
                one.setstate(before)


@contextmanager
def undisturbed() -> Iterator[None]:
    """A block after which no generator knows what was drawn in it: neither the global ones nor those that
    modules of task code have."""
    own = [value for module in _task_modules() for value in vars(module).values()]
    states = [(one, one.getstate()) for one in own if isinstance(one, random.Random)]
    numpy_states = [(one, one.bit_generator.state) for one in own if _is_of_numpy(one)]
    try:
        with seeded():
            yield
    finally:
        for one, state in states:
            one.setstate(state)
        for one, state in numpy_states:
            one.bit_generator.state = state


def _task_modules() -> list[ModuleType]:
    return [
        module
        for name, module in list(sys.modules.items())
        if name.startswith("lm_eval.tasks.") or TASK_CODE in getattr(module, "__dict__", ())
    ]


def _is_of_numpy(value: object) -> bool:
    import numpy

    return isinstance(value, numpy.random.Generator)


def _generators(functions: Iterable[Callable[..., Any]]) -> Iterator[random.Random]:
    for function in functions:
        for value in getattr(function, "__globals__", {}).values():
            if isinstance(value, random.Random):
                yield value


@contextmanager
def _for_this_thread() -> Iterator[None]:
    """`random`'s functions draw from the global generator in this thread, and elsewhere from another one."""
    threads, others = {threading.get_ident()}, random.Random()
    functions = {name: getattr(random, name) for name in random.__all__}
    # Within another such block there is none left: its functions are plain ones.
    bound = {name: real for name, real in functions.items() if hasattr(real, "__self__")}
    for name, real in bound.items():
        setattr(random, name, _either(real, getattr(others, name), threads))
    try:
        yield
    finally:
        threads.clear()  # who has imported one of the functions by name gets the real one from now on
        for name, real in bound.items():
            setattr(random, name, real)


def _either(real: Callable[..., Any], other: Callable[..., Any], threads: set[int]) -> Callable[..., Any]:
    def draw(*args: Any, **options: Any) -> Any:
        is_meant = not threads or threading.get_ident() in threads
        return (real if is_meant else other)(*args, **options)

    return draw
