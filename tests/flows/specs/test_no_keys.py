"""No spec holds a key, whichever way it is written, and nothing that is said of one repeats it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from flows.cli import benchmark_command, compare_command, evaluate_command, publish_command, rescore_command
from flows.common.errors import SpecError
from flows.specs.comparison import ComparisonSpec
from flows.specs.evaluation import EvaluationSpec
from flows.specs.rescoring import RescoreSpec
from flows.specs.suite import read_suite

KEY = "MARKERQ7Z9"
SK = "sk-proj-0123456789abcdefghij"
LOGIN = f"u:{KEY}@host"

HELD: list[dict[str, Any]] = [
    {"fallback": f"openai-chat:m?api_key={KEY}"},
    {"model": ["hf:gpt2", f"openai-chat:m?key={KEY}"]},
    {"gen_kwargs": f"api_key={KEY}"},
    {"gen_kwargs": f"x={SK}"},
    {"gen_kwargs": {"a": {"token": KEY}}},
    {"gen_kwargs": f'extra_headers={{"X-Key": "{KEY}"}}'},
    {"metadata": f'{{"a": "http://{LOGIN}"}}'},
    {"metadata": f"apiKey={KEY}"},
    {"runner": f"dask:tcp://{LOGIN}:8786"},
    {"output": f"s3://{LOGIN}/p"},
    {"output": Path(f"s3://{LOGIN}/p")},
    {"output": f"s3://bucket/p#{KEY}"},
    {"shared_folder": f"s3://{LOGIN}"},
    {"answers_from": f"s3://{LOGIN}"},
    {"data_root": f"s3://{LOGIN}"},
    {"include_path": [f"http://{LOGIN}"]},
    {"tasks": f"http://{LOGIN}/x.yaml"},
    {"store": f"host=h password={KEY}"},
    {"store": f"postgresql:{LOGIN}/db"},
    {"store": f"postgresql+psycopg://u:{KEY}/x@host/db"},
    {"store": f"postgresql+psycopg://u:{KEY} x@host/db"},
    {"store": f"postgresql+psycopg://u%3A{KEY}@host/db"},
    {"store": f"postgresql://u@host/db?options=-c%20password%3D{KEY}"},
    {"sinks": f"mlflow:http://{LOGIN}"},
    {"sinks": f"hub:org/name?token={KEY}"},
    {"system_instruction": SK},
    {"ask_anew": SK},
    {"samples": {SK: [1]}},
]
# Wrong in another way; what is wrong may be the key.
WRONG: list[dict[str, Any]] = [
    {"model": SK},
    {"model": KEY},
    {"model": f"{SK}:m"},
    {"model": f"openai-chat:m?{KEY}"},
    {"model": f"openai-chat:m?api_key={KEY}&x"},
    {"model": {"backend": "hf", "name": "m", "api_key": KEY}},
    {"gen_kwargs": KEY},
    {"metadata": [KEY]},
    {"runner": f"ray:auto?{KEY}=1"},
    {"output": f"http://{LOGIN}"},
    {"output": {"a": KEY}},
    {"sinks": KEY},
    {"sinks": f"{KEY}:o/n"},
    {"sinks": f"hub:o/n?{KEY}"},
    {"sinks": f"custom:a.b:C?token={KEY}"},
    {"limit": KEY},
    {"batch_size": KEY},
    {"samples": KEY},
    {"price": f"{KEY}=3"},
    {"compat": KEY},
]


def said_of(spec: Callable[..., object], keys: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        spec(**keys)
    return f"{caught.value} {caught.value!r}"


@pytest.mark.parametrize("keys", [*HELD, *WRONG])
def test_the_python_call_refuses_a_key_and_does_not_repeat_it(keys: dict[str, Any]) -> None:
    said = said_of(EvaluationSpec, keys)
    assert KEY not in said
    assert SK not in said


@pytest.mark.parametrize(
    ("spec", "keys"),
    [
        (RescoreSpec, {"run": f"http://{LOGIN}"}),
        (RescoreSpec, {"run": f"s3://{LOGIN}"}),
        (RescoreSpec, {"run": "r", "include_path": f"http://{LOGIN}"}),
        (RescoreSpec, {"run": "r", "min_coverage": KEY}),
        (ComparisonSpec, {"runs": ["a", f"s3://{LOGIN}"]}),
        (ComparisonSpec, {"runs": ["a", "b"], "flips": KEY}),
    ],
)
def test_so_do_those_of_other_commands(spec: Callable[..., object], keys: dict[str, Any]) -> None:
    assert KEY not in said_of(spec, keys)


SUITES: list[dict[str, Any]] = [
    {"models": [f"openai-chat:m?api_key={KEY}"]},
    {"models": [{"model": "hf:m", "name": SK}]},
    {"models": [{"model": "hf:m", "limit": KEY}]},
    {"models": [f"openai-chat:m?x={KEY}", f"openai-chat:m?x={KEY}"]},
    {"models": KEY},
    {"defaults": {"gen_kwargs": f"api_key={KEY}"}},
    {"defaults": {"api_key": KEY}},
    {"tolerance": KEY},
    {"webhook": f"https://{LOGIN}/x"},
    {"webhook": f"https://host/x?token={KEY}"},
    {"webhook": "https://hooks.slack.com/services/T0/B0/" + KEY},
    {"webhook": KEY},
    {KEY: 1},
]


@pytest.mark.parametrize("keys", SUITES)
def test_so_does_a_suite_s_file(keys: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "suite.yaml"
    file.write_text(yaml.safe_dump({"name": "n", "models": ["hf:gpt2"], "tasks": ["a"], **keys}))
    with pytest.raises(SpecError) as caught:
        read_suite(file)
    assert KEY not in str(caught.value)
    assert SK not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        f"models: [openai-chat:m?api_key={KEY}\ntasks: x",
        f"name: 'x\nkey: {KEY}",
        f"a: *{KEY}",
        f"a: !{KEY} x",
        KEY,
    ],
)
def test_broken_yaml_is_named_by_its_line(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text(text)
    with pytest.raises(SpecError) as caught:
        read_suite(file)
    assert evaluate_command.main(["--config", str(file)]) == 2
    said = f"{caught.value} {capsys.readouterr().err}"
    assert "broken.yaml" in said
    assert KEY not in said


@pytest.mark.parametrize(
    ("main", "words"),
    [
        (evaluate_command.main, [f"--api-key={KEY}"]),
        (evaluate_command.main, ["--api-key", KEY]),
        (evaluate_command.main, [KEY]),
        (evaluate_command.main, [f"--{KEY}"]),
        (evaluate_command.main, ["--truncate", KEY]),
        (evaluate_command.main, [f"--estimate={KEY}"]),
        (rescore_command.main, [f"s3://{LOGIN}"]),
        (rescore_command.main, ["--check", f"s3://{LOGIN}"]),
        (rescore_command.main, ["--check", f"http://{LOGIN}"]),
        (compare_command.main, ["a", f"s3://{LOGIN}"]),
        (publish_command.main, [f"s3://{LOGIN}", "--to", "hub:o/n"]),
        (publish_command.main, ["run", "--to", KEY]),
        (benchmark_command.main, [KEY]),
    ],
)
def test_no_command_repeats_one(
    main: Callable[[list[str]], int], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    said = capsys.readouterr()
    assert KEY not in said.out + said.err


FORM = Draft202012Validator(EvaluationSpec.model_json_schema())


@pytest.mark.parametrize(
    "keys",
    [
        {"model": f"openai-chat:m?apiKey={KEY}"},
        {"gen_kwargs": {"api_key": KEY}},
        {"gen_kwargs": {"a": {"token": KEY}}},
        {"gen_kwargs": {"extra_headers": {"X": f"Bearer {KEY}"}}},
        {"metadata": {"x": [SK]}},
        {"store": f"postgresql://{LOGIN}/db"},
        {"output": f"s3://{LOGIN}"},
        {"sinks": [f"mlflow:http://{LOGIN}"]},
        {"data_root": [f"http://{LOGIN}"]},
        {"system_instruction": SK},
    ],
)
def test_prefect_s_server_refuses_a_form_with_one_before_it_keeps_it(keys: dict[str, Any]) -> None:
    assert not FORM.is_valid(keys)


ODD: list[dict[str, Any]] = [
    {"model": "hf:org/sk-learn-v2-model-large-2024"},
    {"model": "openai-chat:llama3:8b@q4?base_url=http://host:8000/v1"},
    {"model": "hf:/models/key=5/checkpoint-1200"},
    {"store": "postgresql+psycopg://me@host/db", "output": "s3://bucket/a@b/run=5"},
    {"store": "secret:answers", "output": "results/a:b@c"},
    {"tasks": ["token_classification", "tasks/my=key.yaml"], "samples": {"a_token": [0, 1]}},
    {"system_instruction": "The bearer certificates of 1999: write key=value, mail a@b.c, see http://x.y/z"},
    {"system_instruction": "Basic understanding of token economics; the password is not needed"},
    {"gen_kwargs": {"until": ["Key:", "token=", "</s>"], "eos_token": "</s>", "stop_token": 50256}},
    {"metadata": {"tokenizer": "org/name", "max_seq_lengths": [4096]}},
    {"end_of_thinking": "</secret>", "cluster": "source_key"},
]


@pytest.mark.parametrize("keys", ODD)
def test_what_only_looks_odd_is_taken(keys: dict[str, Any]) -> None:
    spec = EvaluationSpec.model_validate(keys)
    assert EvaluationSpec.model_validate_json(spec.model_dump_json()) == spec
    assert FORM.is_valid(spec.model_dump(mode="json", exclude_defaults=True, exclude={"data_root"}))
