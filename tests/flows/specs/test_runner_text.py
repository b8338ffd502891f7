"""What `--runner` may be, and what is said of anything else."""

import pytest
from pydantic import ValidationError

from flows.planning.shard_sizes import MAX_STEPS, cut_shards
from flows.specs.evaluation import EvaluationSpec
from flows.specs.runner_text import Runner


@pytest.mark.parametrize(
    ("text", "engine", "address", "options"),
    [
        ("local", "local", "", {}),
        ("dask:tcp://host:8786", "dask", "tcp://host:8786", {}),
        ("dask:tls://10.0.0.1:8786", "dask", "tls://10.0.0.1:8786", {}),
        ("dask:local?workers=4", "dask", "local", {"workers": 4}),
        ("ray:auto", "ray", "auto", {}),
        ("ray://host:10001?gpus=0.5&workers=8", "ray", "ray://host:10001", {"gpus": 0.5, "workers": 8}),
        ("pool:gpu-pool?children=3", "pool", "gpu-pool", {"children": 3}),
    ],
)
def test_each_way_of_asking_is_read(text: str, engine: str, address: str, options: dict[str, float]) -> None:
    assert Runner.parse(text) == Runner(engine, address, options)
    assert EvaluationSpec(runner=text).runner == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dask", "there is no such runner; write local, dask:tcp"),
        ("dask:host:8786", "there is no such runner"),
        ("dask:tcp://host", "there is no such runner"),
        ("spark:local", "there is no such runner"),
        ("local?workers=2", "it has no option 'workers'; known: none"),
        ("dask:tcp://host:1?workers=2", "it has no option 'workers'"),
        ("dask:local?gpus=1", "it has no option 'gpus'; known: workers"),
        ("dask:local?workers=0", "option workers wants a whole number, at least 1"),
        ("dask:local?workers=2.5", "option workers wants a whole number, at least 1"),
        ("ray:auto?gpus=inf", "option gpus wants a number"),
        ("ray:auto?gpus", "option gpus wants a number"),
        ("pool:", "there is no such runner"),
    ],
)
def test_what_is_no_runner_is_refused_with_what_would_be_right(text: str, said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        EvaluationSpec(runner=text)
    assert said in refused.value.errors()[0]["msg"]


@pytest.mark.parametrize("processes", [1, 2, 64, 500])
@pytest.mark.parametrize("requests", [1, 63, 500, 1_000, 10_000_000])
def test_workers_get_several_shards_each_within_the_steps_that_a_run_may_have(
    requests: int, processes: int
) -> None:
    shards = cut_shards(requests, 1, processes)
    assert sum(map(len, shards)) == requests
    assert len(shards) + 4 <= MAX_STEPS
    if processes == 2 and requests >= 512:
        assert len(shards) > processes
    assert all(len(shard) >= 32 for shard in shards) or len(shards) == 1
