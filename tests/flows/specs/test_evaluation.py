"""`EvaluationSpec`: the same run from flags, from Python and from the `spec.yaml` a run leaves behind."""

import json
import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from flows.cli.evaluate_command import main, read_arguments, read_spec
from flows.evaluate import evaluate
from flows.results.run_folder import safe_name
from flows.specs.evaluation import EvaluationSpec
from tests.support.run_folders import created

ROUND_TRIPS = [
    {},
    {"model": "scripted:hash?version=007&delay=0.5", "tasks": ["a", "b*"], "limit": 0.25},
    {"model": {"backend": "hf", "name": "a/b c", "options": {"dtype": "float32", "peft": "1"}}},
    {"gen_kwargs": {"temperature": 0.0, "until": ["\n", "#"], "do_sample": False, "stop": None}},
    {"system_instruction": "Sei knapp.\n\tÄ: 'ja' \"nein\" # no: comment", "num_fewshot": 0, "seed": 7},
    {"data_root": ["/x y", "z"], "include_path": ["t"], "trust_task_code": True, "compat": "lm-eval"},
    {"samples": {"a": [3, 1]}, "cluster": "passage"},
    {"sinks": ["hub:org/name?public=true&model_card=pr", "tensorboard:a%2Cb"]},
    {"repeats": 3, "metadata": {"tokenizer": "a", "max_seq_lengths": [4096, 8192], "of": {"a": None}}},
    {"apply_chat_template": True, "batch_size": 8, "explain_cache": True, "allow_unsafe_code": True},
]


@pytest.mark.parametrize("keys", ROUND_TRIPS, ids=lambda keys: ",".join(keys) or "defaults")
def test_the_spec_file_of_a_run_describes_the_same_run(
    keys: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ASSAY_DATA_ROOT", raising=False)
    spec = EvaluationSpec.model_validate({"output": tmp_path, **keys})
    file = created(spec).path / "spec.yaml"
    assert read_spec(read_arguments(["--config", str(file)])) == spec


def test_the_spec_file_keeps_a_data_root_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_DATA_ROOT", os.pathsep.join(["/one", "/two"]))
    spec = EvaluationSpec(output=tmp_path)
    file = created(spec).path / "spec.yaml"
    monkeypatch.delenv("ASSAY_DATA_ROOT")
    assert read_spec(read_arguments(["--config", str(file)])).data_root == [Path("/one"), Path("/two")]


@pytest.mark.usefixtures("prefect_server", "home")
def test_a_run_from_the_spec_file_of_another_asks_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "asked"
    keys = {
        "model": f"scripted:hash?log={log}",
        "tasks": "starter_math",
        "limit": 4,
        "gen_kwargs": "temperature=0.5",
        "system_instruction": "Think.",
        "output": tmp_path / "results",
    }
    first = evaluate(EvaluationSpec.model_validate(keys))
    asked = log.read_text()
    assert main(["--config", str(first.folder / "spec.yaml")]) == 0
    assert log.read_text() == asked
    (second,) = {file.parent for file in tmp_path.glob("results/*/*/results.json")} - {first.folder}
    assert (second / "spec.yaml").read_text() == (first.folder / "spec.yaml").read_text()
    assert json.loads((second / "results.json").read_text())["results"] == first.results["results"]


def test_the_spec_file_is_plain_yaml_without_what_is_left_at_its_default(tmp_path: Path) -> None:
    spec = EvaluationSpec.model_validate({"output": tmp_path, "limit": 3})
    content = yaml.safe_load((created(spec).path / "spec.yaml").read_text())
    assert set(content) <= {"model", "tasks", "limit", "output", "data_root"}


@pytest.mark.parametrize(
    "keys", [{"taks": "a"}, {"tasks": []}, {"limit": 0}, {"batch_size": "large"}, {"model": "gpt2"}]
)
def test_what_cannot_be_run_is_refused(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        EvaluationSpec.model_validate(keys)


@given(st.lists(st.text(max_size=40), unique=True, max_size=5))
def test_names_become_file_names_that_are_no_paths_and_never_the_same(names: list[str]) -> None:
    files = [safe_name(name) for name in names]
    assert len(set(files)) == len(names)
    assert not any("/" in file or file in ("", ".", "..") for file in files)


def test_samples_are_json_or_a_file_of_it(tmp_path: Path) -> None:
    file = tmp_path / "samples.json"
    file.write_text('{"a": [3, 1]}')
    for given_ in ('{"a": [3, 1]}', str(file)):
        assert EvaluationSpec.model_validate({"samples": given_}).samples == {"a": [3, 1]}
    with pytest.raises(ValidationError, match="wants JSON or a file of JSON"):
        EvaluationSpec.model_validate({"samples": "a=3"})
