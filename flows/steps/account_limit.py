"""Runs that share one account: a global concurrency limit of Prefect bounds the calls of all of them.

Each shard that is asked holds a slot of the limit for each call it may have in flight, and no more calls are
in flight. Prefect grants slots about twice a second: enough for shards, too slow for single calls.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectNotFound

from flows.common.errors import SpecError
from flows.planning.plan import Plan
from flows.specs.evaluation import EvaluationSpec

# After so long the slots of a killed run are free again: the shortest lease that Prefect grants. It renews
# each lease that is held after three quarters of its time.
_LEASE_SECONDS = 60


def check(spec: EvaluationSpec) -> None:
    """Raise SpecError where Prefect has no limit of the name that the spec says."""
    if spec.shared_limit is not None:
        _size(spec.shared_limit)


@contextmanager
def held(plan: Plan, requests: int) -> Iterator[int | None]:
    """Within the block so many requests may be asked, as many at once as it gives, for as many slots are
    held; None where that is not bounded. Waits for slots.

    A shard takes its part of the calls the model may have in flight, if the limit is not smaller. A model
    without an account takes one slot.
    """
    name = plan.spec.shared_limit
    if name is None or not requests:
        yield None
        return
    can = plan.backend.capabilities
    places = None
    if can.calls_at_once is not None:
        places = min(max(1, can.calls_at_once // can.shards_at_once), _size(name), requests)
    # A server that is away for long costs the slots, and not the answers that are under way.
    holding = concurrency(
        name,
        occupy=places or 1,
        lease_duration=_LEASE_SECONDS,
        strict=True,
        raise_on_lease_renewal_failure=False,
    )
    with holding:
        yield places


def _size(name: str) -> int:
    """How many slots a limit has. Raises SpecError where there is none, or none of that name."""
    with get_client(sync_client=True) as client:
        try:
            limit = client.read_global_concurrency_limit_by_name(name)
        except ObjectNotFound as error:
            raise SpecError(
                f"--shared-limit {name}: {client.api_url} has no such limit; with PREFECT_API_URL set "
                f"`prefect gcl create {name} --limit 32` makes one for 32 calls at once"
            ) from error
    if limit.limit < 1:
        raise SpecError(
            f"--shared-limit {name}: it has no slots; `prefect gcl update {name} --limit 32` gives some"
        )
    return limit.limit
