"""A process keeps one model of its own machine between runs, by what it is; endpoints are each run's own."""

from pathlib import Path

import pytest

from backends.registry import BackendContext
from flows.planning.kept_model import KeptModel


@pytest.fixture
def context(tmp_path: Path) -> BackendContext:
    return BackendContext(tmp_path, batch_size="auto", seed=0)


def test_the_same_model_is_given_again_and_another_one_takes_its_place(context: BackendContext) -> None:
    kept = KeptModel()
    first = kept.open(["scripted:hash"], context)
    assert kept.open(["scripted:hash"], context) is first
    other = kept.open(["baseline:random"], context)
    assert other is not first
    assert kept.open(["scripted:hash"], context) is not first


def test_a_model_that_is_opened_in_another_way_is_another(context: BackendContext) -> None:
    kept = KeptModel()
    first = kept.open(["scripted:hash"], context)
    assert kept.open(["scripted:hash"], BackendContext(context.home, batch_size="auto", seed=1)) is not first


def test_an_endpoint_is_opened_by_each_run_for_itself(context: BackendContext) -> None:
    kept, model = KeptModel(), ["openai-chat:m?base_url=http://127.0.0.1:9/v1"]
    assert kept.open(model, context) is not kept.open(model, context)
