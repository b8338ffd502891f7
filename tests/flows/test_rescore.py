"""Answers that were paid for are scored anew with other filters and metrics, and no model is asked."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.cli.evaluate_command import read_arguments, read_spec
from flows.cli.rescore_command import main
from flows.common.errors import SpecError
from flows.comparing.comparison import compare
from flows.rescore import rescore
from flows.results.evaluation_result import EvaluationResult
from flows.specs.rescoring import RescoreSpec
from tests.support.lab import Lab
from tests.support.paths import ROOT

HEAVY = {"prefect", "torch", "transformers", "datasets", "pandas", "sqlalchemy", "pyarrow", "scipy"}
FIRST_DIGIT = [
    {"name": "digit", "filter": [{"function": "regex", "regex_pattern": r"(\d)"}, {"function": "take_first"}]}
]


@pytest.fixture
def lab(
    tmp_path: Path, prefect_server: str, no_installed_catalog: None, monkeypatch: pytest.MonkeyPatch
) -> Lab:
    monkeypatch.delenv("ASSAY_DATA_ROOT", raising=False)
    lab = Lab(tmp_path)
    monkeypatch.setenv("ASSAY_HOME", str(lab.home))
    return lab


def again(run: EvaluationResult, **keys: Any) -> EvaluationResult:
    return rescore(RescoreSpec.model_validate({"run": run.folder, **keys}))


def test_changed_filters_are_scored_over_the_stored_answers(lab: Lab) -> None:
    lab.add_texts("words", 12)
    before = lab.evaluate("words")
    asked = lab.asked
    lab.edit_task("words", filter_list=FIRST_DIGIT)
    after = again(before)
    assert lab.asked == asked
    samples = after.samples("words")
    texts = [answers[0] for answers in before.samples("words")["resps"].str[0]]
    assert list(samples["filtered_resps"].str[0]) == [text.removeprefix("#### ")[0] for text in texts]
    assert set(samples["filter"]) == {"digit"}
    assert "exact_match,digit" in after.results["results"]["words"]


def test_the_new_run_says_where_its_answers_are_from_and_can_be_compared(lab: Lab) -> None:
    lab.add_choices("small", 6)
    before = lab.evaluate("small", limit=4)
    after = again(before)
    assert after.folder != before.folder
    assert after.folder.parent == before.folder.parent
    assert after.results["assay"]["answers_from"] == str(before.folder)
    assert before.results["assay"]["answers_from"] is None
    assert after.results["results"] == before.results["results"]
    for same in ("model_key", "fingerprint"):
        assert after.results["assay"][same] == before.results["assay"][same]
    assert after.results["config"] == before.results["config"]
    assert compare(before, after).coverage["small"].both == 4
    spec = read_spec(read_arguments(["--config", str(after.folder / "spec.yaml")]))
    assert (spec.answers_from, spec.limit) == (before.folder, 4)


def test_a_model_that_is_gone_is_not_missed(lab: Lab, tmp_path: Path) -> None:
    lab.add_texts("words", 6)
    table = tmp_path / "answers.json"
    table.write_text('{"*": "3"}')
    before = lab.evaluate("words", f"scripted:{table}")
    table.unlink()
    after = again(before)
    assert after.results["results"] == before.results["results"]


def test_prompts_of_a_chat_are_rendered_by_the_models_own_template(lab: Lab, tmp_path: Path) -> None:
    lab.add_texts("words", 6)
    template = tmp_path / "template.jinja"
    template.write_text("{% for message in messages %}<{{ message.content }}>{% endfor %}")
    model = f"scripted:hash?chat_template={template}"
    before = lab.evaluate("words", model, apply_chat_template=True)
    lab.edit_task("words", filter_list=FIRST_DIGIT)
    after = again(before)
    assert after.results["config"]["chat_template"] == template.read_text()
    assert list(after.samples("words")["arguments"]) == list(before.samples("words")["arguments"])


def test_answers_that_are_not_stored_are_said_before_anything_is_written(lab: Lab) -> None:
    lab.add_texts("words", 12)
    lab.add_choices("small", 3)
    before = lab.evaluate("words,small")
    asked, runs = lab.asked, len(lab.all_results)
    lab.edit_task("words", doc_to_text="Q: {{question}}")
    with pytest.raises(SpecError) as said:
        again(before)
    first, second = str(said.value).splitlines()
    assert "12 of 12 of words" in first
    assert "small" not in first
    assert f"--config {before.folder}/spec.yaml" in second
    assert (lab.asked, len(lab.all_results), len(list(lab.results.glob("*/*/")))) == (asked, runs, runs)


def test_answers_of_another_model_of_the_same_name_are_not_taken_for_its(lab: Lab, tmp_path: Path) -> None:
    lab.add_texts("words", 6)
    table = tmp_path / "answers.json"
    table.write_text('{"*": "3"}')
    before = lab.evaluate("words", f"scripted:{table}")
    table.write_text('{"*": "#### 4"}')
    lab.evaluate("words", f"scripted:{table}")
    after = again(before)
    assert set(after.samples("words")["filtered_resps"].str[0]) == {"3"}


def test_with_less_coverage_the_answers_that_there_are_are_scored(lab: Lab) -> None:
    lab.add_texts("words", 12)
    before = lab.evaluate("words", limit=9)
    spec = yaml.safe_load((before.folder / "spec.yaml").read_text())
    Path(str(before.folder), "spec.yaml").write_text(yaml.safe_dump({**spec, "limit": 12}))
    with pytest.raises(SpecError, match="3 of 12 of words"):
        again(before)
    with pytest.raises(SpecError, match="3 of 12 of words"):
        again(before, min_coverage=0.8)
    after = again(before, min_coverage=0.7)
    assert after.results["n-samples"]["words"]["effective"] == 9
    assert after.results["assay"]["tasks"]["words"]["docs"] == 12
    assert lab.asked == 9


def test_other_tasks_over_the_same_prompts_and_another_folder(lab: Lab, tmp_path: Path) -> None:
    lab.add_texts("words", 5)
    lab.add_choices("small", 3)
    before = lab.evaluate("words,small", budget_tokens=10_000)
    other = tmp_path / "other"
    other.mkdir()
    content = yaml.safe_load((lab.tasks / "words.yaml").read_text())
    other_task = {**content, "task": "digits", "filter_list": FIRST_DIGIT}
    (other / "digits.yaml").write_text(yaml.safe_dump(other_task))
    after = again(before, tasks="digits", include_path=str(other), output=tmp_path / "there")
    assert list(after.results["results"]) == ["digits"]
    assert Path(str(after.folder)).is_relative_to(tmp_path / "there")
    assert "budget_tokens" not in (after.folder / "spec.yaml").read_text()


def test_a_task_that_fails_takes_no_other_with_it_and_status_1(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.add_texts("words", 4)
    lab.add_choices("small", 3)
    before = lab.evaluate("words,small")
    aggregation = {"metric": "exact_match", "aggregation": "f1", "higher_is_better": True}
    lab.edit_task("words", metric_list=[aggregation])
    assert main([str(before.folder)]) == 1
    said = capsys.readouterr()
    assert "small" in said.out
    assert "failed, as said above: words" in said.err


def test_what_cannot_be_rescored_is_said_in_a_line_or_two_with_status_2(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.add_texts("words", 4)
    before = lab.evaluate("words")
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    shutil.copy(str(before.folder / "spec.yaml"), unfinished)
    for flags, named in (
        ([], "name the folder of a finished run"),
        ([str(tmp_path)], f"{tmp_path} is not the folder of a run"),
        ([str(unfinished)], f"{unfinished} has no results.json"),
        ([str(before.folder), "--tasks=word"], "did you mean 'words'"),
        ([str(before.folder), "--min-coverage=2"], "--min-coverage"),
    ):
        assert main(flags) == 2
        said = capsys.readouterr()
        assert named in said.err
        assert said.out == ""
        assert said.err.count("\n") <= 2


def test_help_of_the_command_loads_nothing_heavy() -> None:
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "flows/rescore.py", "--help"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in ended.stderr.splitlines()}
    assert "pydantic" in imported, "the report of imports was read"
    assert imported & HEAVY == set()
    for name in RescoreSpec.model_fields.keys() - {"run"}:
        assert f"--{name.replace('_', '-')}" in ended.stdout


def test_a_rescoring_is_a_flow_of_its_own_name(lab: Lab) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName

    from flows.pipeline.rescore_flow import rescore_flow

    lab.add_texts("words", 4)
    before = lab.evaluate("words")
    folder: Any = rescore_flow(RescoreSpec(run=before.folder))
    assert json.loads((Path(folder) / "results.json").read_text())["assay"]["requests_asked"] == 0
    with get_client(sync_client=True) as client:
        named = FlowRunFilter(name=FlowRunFilterName(any_=[f"rescore {before.folder.name}"]))
        (run,) = client.read_flow_runs(flow_run_filter=named)
        assert client.read_flow(run.flow_id).name == "rescore"
