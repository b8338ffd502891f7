"""The engines whose workers can ask: what each needs, how it is reached, and whether it can be."""

import importlib
import importlib.util
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import cast

from flows.common.errors import SpecError
from flows.planning.plan import Plan
from flows.runners.cluster import Cluster, check_workers
from flows.specs.runner_text import Runner
from flows.steps.run import RunAddress
from flows.storage.bucket import BucketPath


@dataclass(frozen=True, slots=True)
class Engine:
    """A way to reach workers. opens: the module that connects to them. packages: what must be installed, by
    import name; extra: what installs it."""

    opens: str
    packages: tuple[str, ...]
    extra: str


ENGINES = {
    "dask": Engine("flows.runners.dask", ("distributed", "prefect_dask"), "dask"),
    "pool": Engine("flows.runners.work_pool", (), ""),
    "ray": Engine("flows.runners.ray", ("ray", "prefect_ray"), "ray"),
}


@contextmanager
def connected(plan: Plan) -> Iterator[Cluster]:
    """The workers of a run's runner. Raises SpecError where they cannot be had."""
    runner, shards_each = Runner.parse(plan.spec.runner), plan.backend.capabilities.shards_at_once
    module = importlib.import_module(ENGINES[runner.engine].opens)
    with cast(AbstractContextManager[Cluster], module.connect(runner, shards_each)) as cluster:
        check_workers(cluster, RunAddress.of(plan))
        yield cluster


def check_runner(plan: Plan) -> None:
    """Raise SpecError where a run's workers cannot be had, or cannot do what it asks for."""
    runner = Runner.parse(plan.spec.runner)
    if runner.is_local:
        return
    if plan.budget is not None:
        raise SpecError(
            f"--runner {plan.spec.runner}: a budget holds within one process only; "
            "leave out --budget-... and --task-budget-..., or use --runner local"
        )
    if plan.spec.fallback and not plan.backend.capabilities.offers:
        raise SpecError(
            f"--runner {plan.spec.runner}: a fallback answers for endpoints only; {plan.spec.model} loads on "
            "the workers"
        )
    if isinstance(plan.spec.output, BucketPath) and plan.store.is_file and not runner.is_started:
        raise SpecError(
            f"--runner {plan.spec.runner}: machines that share a bucket only cannot share answers in a file; "
            "give a database with --store (docs/storage.md)"
        )
    engine = ENGINES[runner.engine]
    if missing := [name for name in engine.packages if importlib.util.find_spec(name) is None]:
        raise SpecError(
            f"--runner {plan.spec.runner}: needs {', '.join(missing)}; "
            f"install with: pip install 'assay-eval[{engine.extra}]'"
        )
    if not runner.is_started:
        with connected(plan):
            pass
