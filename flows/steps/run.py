"""One run, as its steps share it: one object in the flow's process, an address that others open it by."""

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Self

from backends.requests import RequestKind, Response
from flows.common.errors import SpecError
from flows.planning.plan import Plan
from flows.reporting.reporter import Reporter
from flows.specs.evaluation import EvaluationSpec
from flows.storage.bucket import BucketPath
from flows.storage.home import Home


class Run:
    """What a run is made of, and who is told how far it is.

    unstored: what came of requests where it could not be stored, by their keys; it was paid, too.
    No dataclass: Prefect would look for futures in its fields.
    """

    def __init__(self, plan: Plan, reporter: Reporter) -> None:
        self.plan = plan
        self.reporter = reporter
        self.unstored: dict[str, Response] = {}


@dataclass(frozen=True, slots=True)
class RunAddress:
    """A run for the processes that ask its shards.

    spec: as each of them has it. start: the flow run and which start of it; for the next all is opened anew:
    files may have changed, and an endpoint that was given up may be there again.
    home: its folder, which the worker sees under the same path; None where runs are kept in a bucket, and
    each machine has a folder of its own.
    store: the identity of its response store.
    """

    spec: EvaluationSpec
    start: str
    home: Path | None
    store: str

    @classmethod
    def of(cls, plan: Plan, start: str = "", spec: EvaluationSpec | None = None) -> Self:
        """The address of a run. spec: where it is another on workers."""
        home = None if isinstance(plan.spec.output, BucketPath) else plan.home.root
        return cls(spec or plan.spec, start, home, plan.store.identity)

    @property
    def home_here(self) -> Home:
        return Home.from_environment() if self.home is None else Home(self.home)

    def check_shared(self) -> None:
        """Raise, at once, what keeps this process from what it shares with the run: bucket and store."""
        plan = Plan.allowed(self.spec, self.home_here)
        plan.steps.check()
        with plan.store:
            self.check_store(plan)

    def check_store(self, plan: Plan) -> None:
        """Answers in a store of this process's own would never be found by the run."""
        if plan.store.identity != self.store:
            raise SpecError(
                f"--store {plan.spec.store or plan.home.store}: that is another response store here than "
                "where the run was started; name a database that all reach (docs/storage.md)"
            )


class _OpenRuns:
    """The runs whose shards this process asks: each is opened once, and the last few are kept."""

    def __init__(self, most: int = 2) -> None:
        self._most = most
        self._opening = Lock()
        self._runs: OrderedDict[tuple[str, str], Run] = OrderedDict()

    def at(self, address: RunAddress) -> Run:
        key = (address.start, address.spec.model_dump_json())
        with self._opening:
            run = self._runs.pop(key, None) or Run(Plan.allowed(address.spec, address.home_here), Reporter())
            self._runs[key] = run
            while len(self._runs) > self._most:
                self._runs.popitem(last=False)
            _ = run.plan.backend, run.plan.store, run.plan.model_key
        return run

    def load(self, run: Run, kinds: frozenset[RequestKind]) -> None:
        with self._opening:
            run.plan.load(kinds)


# Of this process, where it is a worker. Steps are sent to workers with what their modules name, and so not
# from a module that has this.
_RUNS = _OpenRuns()


def run_at(address: RunAddress) -> Run:
    """The run of an address, the same for all its shards; nobody here is told how far it is."""
    run = _RUNS.at(address)
    address.check_store(run.plan)
    return run


def load_for(run: Run, kinds: frozenset[RequestKind]) -> None:
    """Have the model of such a run ready for requests of some kinds, once. Raises BackendError."""
    _RUNS.load(run, kinds)
