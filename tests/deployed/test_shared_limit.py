"""Runs that share an account: a global concurrency limit of Prefect bounds the calls of all of them."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from itertools import accumulate
from uuid import uuid4

import pytest

from flows.common.errors import SpecError
from tests.support.endpoints.endpoint import Endpoint
from tests.support.lab import Lab, finish

ACCOUNT = 8


@pytest.fixture
def limit(prefect_server: str) -> Iterator[str]:
    """The name of a limit of as many calls as the account allows."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate

    name = f"account-{uuid4().hex[:6]}"
    with get_client(sync_client=True) as client:
        client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=name, limit=ACCOUNT))
        yield name
        assert client.read_global_concurrency_limit_by_name(name).active_slots == 0


def chat(endpoint: Endpoint) -> str:
    return f"openai-chat:m?base_url={endpoint.url}&max_concurrency=12&max_tries=1"


def test_a_run_has_no_more_calls_in_flight_than_the_limit_has_slots(
    lab: Lab, endpoint: Endpoint, limit: str
) -> None:
    lab.add_texts("sums", 60)
    endpoint.change(latency=0.05)
    result = lab.evaluate("sums", f"{chat(endpoint)}&backoff=0.01", shared_limit=limit)
    assert not result.failures
    assert endpoint.counts()["most_in_flight"] == 12 // 3


def test_shards_of_five_runs_never_hold_more_than_all_slots(
    lab: Lab, endpoint: Endpoint, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.planning.plan import Plan
    from flows.steps import account_limit

    monkeypatch.setenv("ASSAY_HOME", str(lab.home))
    lab.add_texts("sums", 1)
    plan = Plan.of(lab.spec("sums", chat(endpoint), shared_limit=limit))
    changes: list[int] = []
    lock = threading.Lock()

    def ask_a_shard() -> None:
        with account_limit.held(plan, 100) as places:
            assert places is not None
            with lock:
                changes.append(places)
            time.sleep(0.2)
            with lock:
                changes.append(-places)

    with ThreadPoolExecutor(5) as runs:
        asking = [runs.submit(copy_context().run, ask_a_shard) for _ in range(5)]
        for shard in asking:
            shard.result()
    assert max(accumulate(changes)) == ACCOUNT


@pytest.mark.slow
def test_five_runs_at_once_stay_within_the_accounts_limit(lab: Lab, endpoint: Endpoint, limit: str) -> None:
    endpoint.change(latency=0.1, concurrency_limit=ACCOUNT)
    for number in range(5):
        lab.add_texts(f"sums{number}", 700)
    ran = [
        lab.start(f"--shared-limit={limit}", tasks=f"sums{number}", model=chat(endpoint))
        for number in range(5)
    ]
    ended = [finish(process) for process in ran]
    assert [one.status for one in ended] == [0] * 5, ended
    counts = endpoint.counts()
    assert 4 < counts["most_in_flight"] <= ACCOUNT
    assert (counts["distinct_answered"], counts["most_answers"]) == (3500, 1)


def test_a_limit_that_is_not_there_is_said_with_the_command_that_makes_it(
    lab: Lab, endpoint: Endpoint
) -> None:
    lab.add_texts("sums", 3)
    with pytest.raises(SpecError, match=r"^--shared-limit openai: .*`prefect gcl create openai --limit 32`"):
        lab.evaluate("sums", chat(endpoint), shared_limit="openai")
    assert endpoint.counts()["arrived"] == 0


def test_a_model_of_this_machine_takes_a_slot(lab: Lab, limit: str) -> None:
    lab.add_texts("sums", 3)
    assert not lab.evaluate("sums", shared_limit=limit).failures
