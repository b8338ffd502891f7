"""The number of Prefect steps stays within what Prefect keeps records of, whatever is asked."""

import asyncio
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.planning.shard_sizes import MAX_STEPS, cut_bundles, cut_shards
from tests.support.lab import Lab


@given(st.lists(st.integers(1, 3_000_000), min_size=1, max_size=2_000))
def test_any_number_of_tasks_and_requests_is_cut_into_few_steps(requests: list[int]) -> None:
    names = [str(number) for number in range(len(requests))]
    bundles = cut_bundles(names)
    assert [name for bundle in bundles for name in bundle] == names
    steps = 2
    for bundle in bundles:
        total = sum(requests[int(name)] for name in bundle)
        shards = cut_shards(total, len(bundles))
        assert [shard.start for shard in shards] == [0, *(shard.stop for shard in shards[:-1])]
        assert shards[-1].stop == total
        assert all(shards)
        steps += 2 + len(shards)
    assert steps <= MAX_STEPS == 300


@given(st.integers(1, 5_000))
def test_a_task_has_steps_of_its_own_while_there_are_enough(count: int) -> None:
    bundles = cut_bundles([str(number) for number in range(count)])
    assert max(map(len, bundles)) - 1 <= count // (MAX_STEPS // 4)
    assert all(len(bundle) == 1 for bundle in bundles) or count > MAX_STEPS // 4


@pytest.mark.slow
def test_a_run_of_400_tasks_is_recorded_as_at_most_300_steps(lab: Lab) -> None:
    """And a broken task fails alone, though it shares its steps with others."""
    names = [f"of_400_{number:03}" for number in range(400)]
    for name in names:
        lab.add_texts(name, 1)
    lab.edit_task(names[7], doc_to_text="{{qestion}}")
    mark = uuid.uuid4().hex
    result = lab.evaluate("of_400_*", f"scripted:hash?version={mark}")
    assert list(result.failures) == [names[7]]
    assert list(result.results["results"]) == [name for name in names if name != names[7]]
    assert lab.asked == 399
    recorded = asyncio.run(step_runs(mark))
    assert 0 < len(recorded) <= MAX_STEPS
    assert {"load_model", "persist"} < {name.split("-")[0] for name in recorded}


async def step_runs(version: str) -> list[str]:
    """The names of the steps of the flow run whose model has this version, as Prefect's server has them."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    async with get_client() as client:
        runs = await client.read_flow_runs(limit=200)
        (run,) = [run for run in runs if version in str(run.parameters)]
        which = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
        first = await client.read_task_runs(flow_run_filter=which, limit=200)
        rest = await client.read_task_runs(flow_run_filter=which, limit=200, offset=200)
        return [step.name for step in (*first, *rest)]
