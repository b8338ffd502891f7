"""What all steps share: how a Prefect task is made of them, and how one ends in which some tasks failed."""

from collections.abc import Callable, Iterable, Mapping
from typing import ParamSpec, Protocol, TypeVar, cast

from prefect import State, Task, task
from prefect.context import TaskRunContext
from prefect.states import Failed
from prefect.transactions import get_transaction

from backends.errors import BackendError
from flows.steps.record_serializer import RecordSerializer
from metrics.errors import MetricError
from tasks_lib.errors import TaskError

P = ParamSpec("P")
R = TypeVar("R")


class Partial(Protocol):
    """A result that says of some evaluation tasks why they failed."""

    @property
    def failed(self) -> Mapping[str, str]: ...


PartialT = TypeVar("PartialT", bound=Partial)


def step(name: str, *, retries: int = 0) -> Callable[[Callable[P, R | State[R]]], Task[P, R]]:
    """Make a function a step. It must have a parameter `key`, by which its result is cached.

    retries: how often Prefect runs it again after an error of the machine (not one the user has to mend).
    """
    made = task(
        name=name,
        cache_key_fn=_key,
        persist_result=True,
        result_serializer=RecordSerializer(),
        retries=retries,
        retry_delay_seconds=2,
        retry_condition_fn=_may_pass,
    )
    return cast(Callable[[Callable[P, R | State[R]]], Task[P, R]], made)


def ended(result: PartialT) -> PartialT | State[PartialT]:
    """What a step returns: where tasks failed in it, it shows as failed and is not cached; whoever called it
    gets the result all the same."""
    if not result.failed:
        return result
    if transaction := get_transaction():
        transaction.write_on_commit = False
    return failure(result)


def failure(result: PartialT) -> State[PartialT]:
    """The state of a step in which tasks failed."""
    return Failed(message="; ".join(result.failed.values()), data=result)


def for_each(names: Iterable[str], make: Callable[[str], R]) -> tuple[dict[str, R], dict[str, str]]:
    """`make` for each evaluation task: what it gave, and why it failed for others."""
    done: dict[str, R] = {}
    failed: dict[str, str] = {}
    for name in names:
        try:
            done[name] = make(name)
        except (TaskError, MetricError, BackendError) as error:
            failed[name] = str(error)
    return done, failed


def _key(_: TaskRunContext, parameters: dict[str, object]) -> str:
    return str(parameters["key"])


def _may_pass(_task: object, _run: object, state: State[object]) -> bool:
    """Whether trying again may help: errors of files, sockets and databases, not those of a request."""
    return isinstance(state.result(raise_on_failure=False), OSError)
