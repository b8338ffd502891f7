"""The folder of a run: its names are never paths, and what it says can be run again."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from flows.cli.evaluate_command import read_arguments, read_spec
from flows.common.errors import ResultError, SpecError
from flows.results.run_folder import RunFolder, safe_name
from flows.specs.evaluation import EvaluationSpec
from flows.storage.files import write_text
from tests.support.run_folders import created

# Letters that names are made of, and those that would make them paths.
NAMES = st.one_of(st.text(max_size=12), st.text("ab._-/~\\ \0\n", max_size=6))


def spec(output: Path, **keys: object) -> EvaluationSpec:
    return EvaluationSpec.model_validate({"model": "baseline:uniform", "output": output, **keys})


def again(folder: RunFolder) -> EvaluationSpec:
    """What `--config` makes of a run's spec.yaml."""
    return read_spec(read_arguments(["--config", str(folder.path / "spec.yaml")]))


@given(NAMES)
@example("..")
@example(".")
@example("")
@example("/etc/passwd")
@example("a\\b")
def test_a_name_becomes_the_name_of_one_visible_file_in_its_folder(name: str) -> None:
    safe = safe_name(name)
    assert safe
    assert not safe.startswith(".")
    assert not set(safe) & set("/\\\0\n ")
    assert Path(safe).name == safe


@given(NAMES, NAMES)
@example("a/b", "a_b")
@example(".a", "a")
@example("", "_")
def test_two_names_are_never_the_same_file(one: str, other: str) -> None:
    assert (safe_name(one) == safe_name(other)) == (one == other)


@given(NAMES)
@example("a/b")
def test_a_name_made_safe_is_no_other_name_that_is_safe_as_it_is(name: str) -> None:
    safe = safe_name(name)
    assert safe == name or safe_name(safe) != safe


@pytest.mark.parametrize("name", ["gsm8k", "mmlu_high-school.v2", "arc=easy@3+x", "\u00e4\u4e2d"])
def test_a_name_without_danger_stays_as_it_is(name: str) -> None:
    assert safe_name(name) == name


def test_the_folder_stands_under_output_and_model_with_its_spec(tmp_path: Path) -> None:
    folder = created(spec(tmp_path / "out"))
    assert folder.path.parent == tmp_path / "out" / "baseline_uniform"
    assert [file.name for file in folder.path.iterdir()] == ["spec.yaml"]


def test_a_models_path_is_one_folder(tmp_path: Path) -> None:
    folder = created(spec(tmp_path, model="hf:/models/../tiny/"))
    assert folder.path.parent.parent == tmp_path
    assert folder.path.parent.name.startswith("hf_models__..__tiny")


def test_two_runs_of_the_same_second_have_folders_of_their_own(tmp_path: Path) -> None:
    runs = {created(spec(tmp_path)).path for _ in range(5)}
    assert len(runs) == 5


def test_the_spec_of_a_run_is_read_back_as_a_config(tmp_path: Path) -> None:
    described = spec(
        tmp_path / "out",
        model="hf:org/model?dtype=float32&revision=007",
        tasks=["gsm8k", "\u00fcber"],
        limit=0.5,
        gen_kwargs={"temperature": 0.0, "until": ["\n\n"]},
        system_instruction="Be brief:\n- \u00fc",
        data_root=[tmp_path / "a", tmp_path / "b"],
        batch_size=4,
        apply_chat_template=True,
        compat="lm-eval",
    )
    assert again(created(described)) == described


def test_a_default_run_says_its_model_and_tasks_and_little_else(tmp_path: Path) -> None:
    described = spec(tmp_path)
    folder = created(described)
    written = yaml.safe_load((folder.path / "spec.yaml").read_text(encoding="utf-8"))
    assert written["model"] == "baseline:uniform"
    assert written["tasks"] == described.tasks
    assert "limit" not in written
    assert again(folder) == described


def test_data_roots_of_the_environment_are_written_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_DATA_ROOT", str(tmp_path / "data"))
    described = spec(tmp_path)
    folder = created(described)
    monkeypatch.delenv("ASSAY_DATA_ROOT")
    assert again(folder).data_root == described.data_root == [tmp_path / "data"]


def test_a_folder_that_cannot_be_made_is_an_error_that_names_the_flag(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SpecError, match=f"--output {tmp_path / 'file'}: cannot write"):
        created(spec(tmp_path / "file"))


def test_results_are_read_back(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    results = {"results": {"gsm8k": {"acc,none": 0.1 + 0.2}}, "who": "\u00fc"}
    folder.write_results(results)
    assert folder.read_results() == json.loads(folder.results.read_text(encoding="utf-8")) == results


def test_a_run_without_results_has_not_come_to_its_end(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="did not come to its end"):
        RunFolder(tmp_path).read_results()


def test_samples_are_copied_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    (tmp_path / "scored").write_bytes(b"content")
    folder.add_samples("org/task", tmp_path / "scored")
    assert folder.samples("org/task").read_bytes() == b"content"
    with pytest.raises(ResultError, match="cannot write"):
        folder.add_samples("lost", tmp_path / "missing")
    assert list((tmp_path / "run/samples").iterdir()) == [folder.samples("org/task")]


def test_a_models_folder_is_known_by_its_last_name(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    spec = EvaluationSpec.model_validate({"model": f"hf:{tmp_path}/tiny/", "output": tmp_path / "runs"})
    assert created(spec).path.parent.name == "hf_tiny"


@pytest.mark.parametrize("name", ["t" * 300, "é" * 200, "a/b " * 90, "中" * 90, "t" * 232])
def test_a_long_name_is_shortened_and_stays_its_own(name: str, tmp_path: Path) -> None:
    short = safe_name(name)
    assert short != safe_name(f"{name}x")
    folder = RunFolder(tmp_path)
    for file in (folder.samples(name), folder.calls(name), tmp_path / f"{short}.calls.parquet"):
        write_text(file, "written")
    assert safe_name("t" * 231) == "t" * 231  # as before
