"""What all steps share: how a Prefect task is made of them, and how one says that some tasks failed."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.context import TaskRunContext

from backends.errors import BackendError
from metrics.errors import MetricError
from tasks_lib.errors import TaskError

P = ParamSpec("P")
R = TypeVar("R")

# A step's result: JSON references to what it wrote, by evaluation task.
References = dict[str, dict[str, Any]]


class Incomplete(RuntimeError):
    """Some of a step's evaluation tasks failed; the step is not cached, and the others go on.

    done: the references of those that did not. failures: a message for each that did.
    """

    def __init__(self, done: References, failures: Mapping[str, str]) -> None:
        super().__init__("; ".join(failures.values()))
        self.done = done
        self.failures = dict(failures)

    def __reduce__(self) -> tuple[Any, ...]:
        return (Incomplete, (self.done, self.failures))


class BudgetSpent(Incomplete):
    """What some requests lack is a budget that allows more."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (BudgetSpent, (self.done, self.failures))


def step(name: str, *, retries: int = 0) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a function a step. It must have a parameter `key`, by which its result is cached.

    retries: how often Prefect runs it again after an error of the machine (not one the user has to mend).
    """
    return task(
        name=name,
        cache_key_fn=_key,
        persist_result=True,
        result_serializer="json",
        retries=retries,
        retry_delay_seconds=2,
        retry_condition_fn=_may_pass,
    )


def for_each(names: Iterable[str], make: Callable[[str], dict[str, Any]]) -> References:
    """`make` for each evaluation task; raises Incomplete after the last if some failed."""
    done: References = {}
    failures: dict[str, str] = {}
    for name in names:
        try:
            done[name] = make(name)
        except (TaskError, MetricError, BackendError) as error:
            failures[name] = str(error)
    if failures:
        raise Incomplete(done, failures)
    return done


def _key(_: TaskRunContext, parameters: dict[str, Any]) -> str:
    return str(parameters["key"])


def _may_pass(_task: object, _run: object, state: Any) -> bool:
    """Whether trying again may help: errors of files, sockets and databases, not those of a request."""
    return isinstance(state.result(raise_on_failure=False), OSError)
