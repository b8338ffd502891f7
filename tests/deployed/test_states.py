"""What happens to a deployed run that is retried, cancelled, paused, killed, or loses its server: what was
answered is not asked again, and the run comes to its end."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployed.deployment import Deployment
from tests.deployed.servers import PrefectServer, Worker
from tests.support.endpoints.endpoint import Endpoint
from tests.support.lab import Lab
from tests.support.waiting import until

pytestmark = pytest.mark.slow
AT_ONCE = 16


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    with PrefectServer(tmp_path_factory.mktemp("prefect")) as server:
        yield server


@pytest.fixture(scope="module")
def worker(server: PrefectServer) -> Iterator[Worker]:
    with Worker(server, "drill", {}) as worker:
        yield worker


@pytest.fixture(scope="module")
def deployment(server: PrefectServer, worker: Worker) -> Deployment:
    return Deployment(server, worker.pool)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.delenv("ASSAY_DATA_ROOT", raising=False)
    lab = Lab(tmp_path)
    lab.add_texts("sums", 1200)
    return lab


def chat(endpoint: Endpoint, **options: object) -> str:
    own = {"max_concurrency": AT_ONCE, "timeout": 60, "backoff": 0.05, **options}
    return f"openai-chat:m?base_url={endpoint.url}&" + "&".join(f"{key}={own[key]}" for key in own)


def arrived(endpoint: Endpoint) -> int:
    return int(endpoint.counts()["arrived"])


def wait_for_calls(endpoint: Endpoint, count: int) -> None:
    assert until(lambda: arrived(endpoint) >= count, every=0.1), (
        f"{arrived(endpoint)} calls came, not {count}"
    )


def assert_all_scored(lab: Lab) -> None:
    assert lab.last["assay"]["failed"] == {}
    assert lab.last["results"]["sums"]["sample_len"] == 1200


def test_a_cancelled_run_ends_its_calls_at_once_and_a_new_one_asks_the_rest(
    deployment: Deployment, lab: Lab, endpoint: Endpoint
) -> None:
    endpoint.change(latency=0.1)
    run = deployment.start(lab.spec("sums", chat(endpoint)), lab.home)
    wait_for_calls(endpoint, 200)
    endpoint.change(hanging=1.0)
    before = arrived(endpoint)
    deployment.server.prefect("flow-run", "cancel", str(run))
    process = deployment.process(run)
    assert until(lambda: not Path(f"/proc/{process}").exists(), seconds=20)
    assert deployment.wait(run, "Cancelled") < 30
    assert arrived(endpoint) - before <= 2 * AT_ONCE
    endpoint.change(hanging=0.0, latency=0.0)
    deployment.wait(deployment.start(lab.spec("sums", chat(endpoint)), lab.home), "Completed")
    assert_all_scored(lab)
    assert arrived(endpoint) <= 1200 + 3 * AT_ONCE


def test_a_retried_run_goes_on_from_what_was_answered(
    deployment: Deployment, lab: Lab, endpoint: Endpoint
) -> None:
    lab.add_texts("others", 100)
    endpoint.change(max_prompt_tokens=200)
    texts = [{"question": f"sums {i}?" + " word" * 300 * (i == 3), "answer": str(i)} for i in range(1200)]
    lab.write_data("sums", texts)
    run = deployment.start(lab.spec("sums,others", chat(endpoint)), lab.home)
    deployment.wait(run, "Failed")
    assert list(lab.last["assay"]["failed"]) == ["sums"]
    endpoint.change(max_prompt_tokens=None)
    before = arrived(endpoint)
    deployment.server.prefect("flow-run", "retry", str(run))
    deployment.wait(run, "Completed")
    assert arrived(endpoint) == before + 1
    assert_all_scored(lab)
    assert len(list(lab.results.glob("*/*/results.json"))) == 2


def test_a_killed_run_is_crashed_and_a_retry_goes_on(
    deployment: Deployment, worker: Worker, lab: Lab, endpoint: Endpoint
) -> None:
    endpoint.change(latency=0.1)
    run = deployment.start(lab.spec("sums", chat(endpoint)), lab.home)
    wait_for_calls(endpoint, 200)
    os.kill(deployment.process(run), signal.SIGKILL)
    deployment.wait(run, "Crashed")
    endpoint.change(latency=0.0)
    # The worker reports the crash once more when it is done with the run, and takes back a quicker retry.
    assert until(worker.is_idle)
    time.sleep(2)
    deployment.server.prefect("flow-run", "retry", str(run))
    deployment.wait(run, "Completed")
    assert_all_scored(lab)
    assert arrived(endpoint) <= 1200 + 2 * AT_ONCE


def test_a_run_pauses_while_its_model_is_away_and_is_resumed(
    deployment: Deployment, lab: Lab, endpoint: Endpoint
) -> None:
    endpoint.change(latency=0.1)
    spec = lab.spec("sums", chat(endpoint, give_up_after=2), on_stop="pause")
    run = deployment.start(spec, lab.home)
    wait_for_calls(endpoint, 200)
    endpoint.change(down=True)
    deployment.wait(run, "Suspended")
    assert not list(lab.results.glob("*/*/results.json"))
    endpoint.change(down=False, latency=0.0)
    assert deployment.resume(run) == "ACCEPT"
    deployment.wait(run, "Completed")
    assert_all_scored(lab)
    assert endpoint.counts()["most_answers"] == 1


def test_a_run_pauses_when_its_budget_is_spent_and_the_form_takes_a_larger_one(
    deployment: Deployment, lab: Lab, endpoint: Endpoint
) -> None:
    spec = lab.spec("sums", chat(endpoint), on_stop="pause", budget_tokens=10_000)
    run = deployment.start(spec, lab.home)
    deployment.wait(run, "Suspended")
    asked = arrived(endpoint)
    assert 0 < asked < 1200
    assert deployment.resume(run) == "ACCEPT"  # with the same budget: nothing is asked
    deployment.wait(run, "Running")
    deployment.wait(run, "Suspended")
    assert arrived(endpoint) == asked
    assert deployment.resume(run, budget_tokens="many") == "REJECT"
    assert deployment.resume(run, budget_tokens=10_000_000) == "ACCEPT"
    deployment.wait(run, "Completed")
    assert_all_scored(lab)
    assert endpoint.counts()["most_answers"] == 1


def test_a_run_goes_on_while_its_server_is_killed_and_started_again(
    server: PrefectServer, deployment: Deployment, lab: Lab, endpoint: Endpoint
) -> None:
    endpoint.change(latency=0.2)
    run = deployment.start(lab.spec("sums", chat(endpoint)), lab.home)
    wait_for_calls(endpoint, 200)
    server.kill()
    wait_for_calls(endpoint, arrived(endpoint) + 100)
    server.start()
    deployment.wait(run, "Completed")
    assert_all_scored(lab)
    assert endpoint.counts()["most_answers"] == 1


def test_a_hundred_shards_write_few_lines(deployment: Deployment, lab: Lab) -> None:
    lab.add_texts("many", 51_200)
    run = deployment.start(lab.spec("many"), lab.home)
    deployment.wait(run, "Completed")
    assert len([step for step in deployment.steps(run) if step.name.startswith("infer")]) == 100
    assert len(deployment.logs(run)) < 200


def test_a_run_of_a_shell_that_is_killed_is_marked_as_crashed_by_the_automation(
    server: PrefectServer, deployment: Deployment, lab: Lab
) -> None:
    deployment.server.prefect("automation", "create", "--from-file", "deployments/automations/lost-runs.yaml")
    environment = {name: server.environment[name] for name in ("PREFECT_HOME", "PREFECT_API_URL")}
    beating = {**environment, "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}
    process = lab.start(tasks="sums", model="scripted:hash?batch_size=4&delay=0.5", **beating)
    assert until(lambda: lab.asked >= 20, process)
    run = deployment.newest()
    time.sleep(5)  # for the first heartbeat to arrive
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    deployment.wait(run, "Crashed")
    asked = lab.asked
    assert lab.run(tasks="sums", model="scripted:hash?batch_size=4", **environment).status == 0
    assert lab.asked <= 1200 + 4
    assert lab.last["assay"]["requests_reused"] >= asked - 4
