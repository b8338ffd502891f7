"""What a worker process keeps of the runs whose shards it asks: each run's plan, opened once."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Self

from backends.requests import RequestKind
from backends.stop import Sign, Stopped
from flows.common.errors import SpecError
from flows.planning.plan import Plan, open_plan
from flows.specs.evaluation import EvaluationSpec
from flows.steps.stop_mark import CalledOff
from flows.storage.bucket import BucketPath
from flows.storage.home import Home

# Of the threads of a worker one opens what all use; cached properties alone would let several.
_opening = Lock()
# A model of this machine is asked by one thread at a time, whichever run's shards the threads have.
_asking = Lock()


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose shard it is.

    run: the flow run and which start of it. For the next all is opened anew: files may have changed, and an
    endpoint that was given up may be there again.
    home: its folder, which the worker sees under the same path; None where runs are kept in a bucket, and
    each machine has a folder of its own.
    store: the identity of its response store.
    """

    run: str
    home: Path | None
    store: str

    @classmethod
    def of(cls, plan: Plan, run: str = "") -> Self:
        """The origin of a plan's shards."""
        home = None if isinstance(plan.spec.output, BucketPath) else plan.home.root
        return cls(run, home, plan.store.identity)

    @property
    def home_here(self) -> Home:
        return Home.from_environment() if self.home is None else Home(self.home)


def plan_of(spec: EvaluationSpec, origin: Origin) -> Plan:
    """The plan of a run on another process; the same one for all its shards that this process gets."""
    with _opening:
        plan = _plan(spec.model_dump_json(), origin)
        _ = plan.backend, plan.store, plan.model_key
    _check_store(plan, origin)
    return plan


def check_shared(spec: EvaluationSpec, origin: Origin) -> None:
    """Raise, at once, what keeps this process from what it has to share with the run: bucket and store."""
    plan = Plan(spec, origin.home_here)
    plan.steps.check()
    with plan.store:
        _check_store(plan, origin)


def _check_store(plan: Plan, origin: Origin) -> None:
    """Answers in a store of this process's own would never be found by the run."""
    if plan.store.identity != origin.store:
        raise SpecError(
            f"--store {plan.spec.store or plan.home.store}: that is another response store here than where "
            "the run was started; name a database that all reach (docs/storage.md)"
        )


@contextmanager
def asking(plan: Plan, origin: Origin, kinds: Collection[RequestKind]) -> Iterator[Sign]:
    """Within the block the model may be asked; it is loaded once. Gives the sign that the run wants no more
    answers. Raises BackendError where the model will not load, and Stopped where none are wanted already."""
    stop = CalledOff(plan.steps, origin.run)
    if stop.is_set():
        raise Stopped
    with _opening:
        _load(plan, frozenset(kinds))
    with _asking if plan.backend.capabilities.shards_at_once == 1 else nullcontext():
        yield stop


@lru_cache(maxsize=2)
def _plan(spec_json: str, origin: Origin) -> Plan:
    return open_plan(spec_json, origin.home_here)


@lru_cache(maxsize=8)
def _load(plan: Plan, kinds: frozenset[RequestKind]) -> None:
    plan.backend.load(kinds)
