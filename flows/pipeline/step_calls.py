"""Calling the steps of a run: here and now, or in the thread that prepares and scores."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import Generic, TypeVar, cast

from prefect import State, Task
from prefect.futures import PrefectFuture

from flows.prefect_api.step_records import StepRecords
from flows.steps.run import Run

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class SubmittedStep(Generic[R_co]):
    """A step on its way. again: runs it here and now, whatever is cached; what it gives."""

    future: PrefectFuture[R_co]
    again: Callable[[], R_co | Exception]
    ended: Event

    @property
    def has_ended(self) -> bool:
        return self.ended.is_set()

    def result(self) -> R_co | Exception:
        """What the step gives, once it has ended; the error where it failed as a whole."""
        self.future.wait()
        result: R_co | Exception = self.future.state.result(raise_on_failure=False)
        return result


@dataclass(frozen=True, slots=True)
class StepCalls:
    """Calls steps for a run. records: where Prefect keeps what they gave."""

    run: Run
    records: StepRecords

    def call(
        self, step: Task[..., R], name: str, *, refresh: bool = False, **parameters: object
    ) -> R | Exception:
        """Run a step here and now. refresh: whatever is cached."""
        ended = self.named(step, name, refresh)(run=self.run, **parameters, return_state=True)
        state = cast(State[R], ended)  # which its type does not say for parameters of any kind
        return state.result(raise_on_failure=False)

    def submit(self, step: Task[..., R], name: str, **parameters: object) -> SubmittedStep[R]:
        """Have a step run after those that were submitted before."""
        future = self.named(step, name).submit(run=self.run, **parameters)
        ended = Event()
        future.add_done_callback(lambda _: ended.set())
        return SubmittedStep(future, partial(self.call, step, name, refresh=True, **parameters), ended)

    def named(self, step: Task[..., R], name: str, refresh: bool = False) -> Task[..., R]:
        """A step as this run shows and keeps it."""
        return step.with_options(
            task_run_name=name.replace("{", "(").replace("}", ")"),
            result_storage=self.records,
            refresh_cache=refresh,
        )
