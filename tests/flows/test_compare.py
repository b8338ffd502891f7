"""Runs are compared document by document, and only where that says something."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from flows.cli.compare_command import main
from flows.common.errors import NotComparable, ResultError, SpecError
from flows.compare import compare
from flows.comparing.comparison import Comparison
from flows.comparing.matched_samples import Coverage
from flows.results.evaluation_result import EvaluationResult
from flows.results.run_folder import RunFolder
from metrics.statistics.paired import Pairs, paired
from tests.support.lab import Lab
from tests.support.lab_fixtures import hide_installed_catalog
from tests.support.paths import ROOT

HEAVY = {"prefect", "torch", "transformers", "datasets", "pandas", "sqlalchemy", "pyarrow", "scipy"}

Runs = Callable[..., EvaluationResult]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> Iterator[Lab]:
    """Two tasks of choices, in two groups that weigh them differently, one that generates, one of texts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ASSAY_DATA_ROOT", raising=False)
        hide_installed_catalog(patch)
        lab = Lab(tmp_path_factory.mktemp("compare"))
        lab.add_choices("small", 8)
        lab.add_choices("large", 24)
        lab.add_texts("words", 12)
        for group, by_size in (("sized", True), ("plain", False)):
            means = [{"metric": "acc", "aggregation": "mean", "weight_by_size": by_size}]
            content = {"group": group, "task": ["small", "large"], "aggregate_metric_list": means}
            (lab.tasks / f"{group}.yaml").write_text(yaml.safe_dump(content))
        yield lab


@pytest.fixture(scope="module")
def run(lab: Lab) -> Runs:
    """Runs of the lab, each made once; `version` is another model."""
    made: dict[str, EvaluationResult] = {}

    def run(version: int = 1, tasks: str = "sized,plain,words", **keys: Any) -> EvaluationResult:
        name = repr((version, tasks, keys))
        if name not in made:
            made[name] = lab.evaluate(tasks, f"scripted:hash?version={version}", **keys)
        return made[name]

    return run


@pytest.fixture(scope="module")
def comparison(run: Runs) -> Comparison:
    (found,) = compare([run(1), run(2)])
    return found


def changed(result: EvaluationResult, folder: Path, **parts: Any) -> EvaluationResult:
    """The run with other contents of `results.json`, its samples as they are."""
    (folder / "samples").symlink_to(str(result.folder / "samples"))
    (folder / "spec.yaml").write_text((result.folder / "spec.yaml").read_text())
    return EvaluationResult(folder, {**result.results, **parts})


def with_config(result: EvaluationResult, folder: Path, task: str, **keys: Any) -> EvaluationResult:
    configs = result.results["configs"]
    return changed(result, folder, configs={**configs, task: {**configs[task], **keys}})


def test_a_difference_is_that_of_the_runs_own_numbers(comparison: Comparison, run: Runs) -> None:
    for one in comparison.differences:
        key = f"{one.metric},{one.filter}"
        values = [run(version).results["results"][one.task][key] for version in (1, 2)]
        assert [one.first, one.second] == pytest.approx(values)
        assert one.paired is not None
        assert one.paired.difference == pytest.approx(values[1] - values[0])


def test_a_task_is_compared_by_its_documents_and_names_those_that_flipped(
    comparison: Comparison, run: Runs
) -> None:
    found = comparison.find("large", "acc")
    scores = [run(version).samples("large").set_index("doc_id")["acc"] for version in (1, 2)]
    assert found.paired == paired([Pairs(scores[0].tolist(), scores[1].tolist())])
    flipped = scores[0].index[scores[0] != scores[1]]
    assert 0 < len(flipped) < 24
    assert [flip.doc_id for flip in found.flips] == list(flipped)
    assert all({flip.first, flip.second} == {0.0, 1.0} for flip in found.flips)
    hashes = run(1).samples("large").set_index("doc_id")["doc_hash"]
    assert [flip.doc_hash for flip in found.flips] == list(hashes[flipped])
    assert comparison.coverage["large"] == Coverage(24, 0, 0)


@pytest.mark.parametrize(("group", "weights"), [("sized", (8, 24)), ("plain", (1, 1))])
def test_a_group_is_compared_as_it_weighs_its_tasks(
    group: str, weights: tuple[int, int], comparison: Comparison, run: Runs
) -> None:
    tasks = []
    for name, weight in zip(("small", "large"), weights, strict=True):
        one, two = (run(version).samples(name)["acc"].tolist() for version in (1, 2))
        tasks.append(Pairs(one, two, weight=weight))
    assert comparison.find(group, "acc").paired == paired(tasks)


def test_groups_stand_before_their_tasks_as_in_a_runs_table(comparison: Comparison) -> None:
    names = list(dict.fromkeys(one.task for one in comparison.differences))
    assert names == ["words", "sized", "small", "large", "plain"]


def test_documents_are_found_by_content_and_not_by_position(run: Runs, tmp_path: Path) -> None:
    older = {**run(2).results["assay"], "samples_sha256": {}}
    shuffled = changed(run(2), tmp_path, assay=older)
    (tmp_path / "samples").unlink()
    (tmp_path / "samples").mkdir()
    for file in Path(str(run(2).folder), "samples").iterdir():
        rows = pd.read_parquet(file).sample(frac=1, random_state=3)
        rows.to_parquet(tmp_path / "samples" / file.name)
    (one,), (other,) = compare([run(1), run(2)]), compare([run(1), shuffled])
    assert one.differences == other.differences


def test_what_only_one_run_has_is_left_out_and_said(run: Runs) -> None:
    (found,) = compare([run(1), run(2, "large", limit=10)])
    assert found.coverage == {"large": Coverage(10, 14, 0)}
    assert found.alone == {"small": "first", "words": "first"}
    large = found.find("large", "acc")
    assert large.paired is not None
    assert large.paired.documents == 10
    assert large.first == pytest.approx(run(1).samples("large")["acc"][:10].mean())
    text = found.table()
    assert "compared over the 10 documents of both runs; 14 are only in the first" in text
    assert "small: only in the first run" in text


def test_a_group_of_which_tasks_are_missing_is_not_compared(run: Runs) -> None:
    (found,) = compare([run(1), run(2, "small,words")])
    assert {one.task for one in found.differences} == {"small", "words"}


def test_the_first_of_several_runs_is_the_base(run: Runs) -> None:
    found = compare([run(1), run(2), run(3)])
    assert [(one.first, one.second) for one in found] == [
        (run(1).folder, run(2).folder),
        (run(1).folder, run(3).folder),
    ]


def test_only_wanted_tasks_are_compared_groups_with_theirs(run: Runs) -> None:
    (found,) = compare([run(1), run(2)], tasks=["w*"])
    assert {one.task for one in found.differences} == {"words"}
    (found,) = compare([run(1), run(2)], tasks=["plain"])
    assert {one.task for one in found.differences} == {"plain", "small", "large"}
    with pytest.raises(SpecError, match="'smal'"):
        compare([run(1), run(2)], tasks=["smal"])


# What is not comparable


def test_other_examples_in_the_prompt_are_refused(run: Runs) -> None:
    with pytest.raises(NotComparable, match="small: asked with 0 examples in the first run and 2 in the sec"):
        compare([run(1, "small"), run(1, "small", num_fewshot=2)])


def test_other_documents_under_the_same_numbers_are_refused(lab: Lab, run: Runs) -> None:
    before = run(1, "words")
    lab.write_data("words", [{"question": f"else {i}?", "answer": str(i)} for i in range(12)])
    after = lab.evaluate("words")
    lab.write_data("words", [{"question": f"words {i}?", "answer": str(i)} for i in range(12)])
    with pytest.raises(NotComparable, match="words: other documents: 12 have another content"):
        compare([before, after])


def test_runs_without_a_document_in_common_are_refused(run: Runs) -> None:
    parts = [run(1, "words", samples={"words": own}) for own in ([0, 1], [2, 3])]
    with pytest.raises(NotComparable, match="words: no document is in both runs"):
        compare(parts)


def test_runs_without_a_task_in_common_are_refused(run: Runs) -> None:
    with pytest.raises(NotComparable, match="they have no task in common"):
        compare([run(1, "words"), run(1, "small")])


@pytest.mark.parametrize(
    ("key", "value"),
    [("description", "Think hard. "), ("doc_to_text", "Q: {{question}}")],
)
def test_another_wording_of_the_prompt_is_refused_and_named(
    key: str, value: str, lab: Lab, run: Runs
) -> None:
    before = run(1, "words")
    content = (lab.tasks / "words.yaml").read_text()
    lab.edit_task("words", **{key: value})
    after = lab.evaluate("words")
    (lab.tasks / "words.yaml").write_text(content)
    with pytest.raises(NotComparable, match=f"words: other prompts for 12 of 12 documents: {key} differ"):
        compare([before, after])


def test_another_system_instruction_is_refused_and_named(run: Runs) -> None:
    with pytest.raises(NotComparable, match="system_instruction differ"):
        compare([run(1, "words"), run(1, "words", system_instruction="Be brief.")])


def test_prompts_may_differ_by_the_models_chat_templates(lab: Lab, run: Runs, tmp_path: Path) -> None:
    template = tmp_path / "template.jinja"
    template.write_text("{% for message in messages %}<{{ message.content }}>{% endfor %}")
    chat = f"scripted:hash?chat_template={template}"
    asked = lab.evaluate("words", chat, apply_chat_template=True)
    (found,) = compare([run(1, "words"), asked])
    assert "words: the prompts differ by the models' chat templates" in found.table()
    described = lab.evaluate("words", chat, apply_chat_template=True, system_instruction="Be brief.")
    with pytest.raises(NotComparable, match="system_instruction differ"):
        compare([run(1, "words"), described])


def test_other_choices_for_the_same_prompts_are_refused(run: Runs, tmp_path: Path) -> None:
    other = with_config(run(2, "small"), tmp_path, "small", doc_to_choice=["A", "B"])
    with pytest.raises(NotComparable, match="small: asked in another way: doc_to_choice of its file differ"):
        compare([run(1, "small"), other])


def test_a_task_that_is_refused_takes_no_other_with_it_but_its_groups(
    run: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = with_config(run(2), tmp_path, "small", doc_to_choice=["A", "B"])
    (found,) = compare([run(1), other])
    assert {one.task for one in found.differences} == {"large", "words"}
    assert found.refused.keys() == {"small", "sized", "plain"}
    assert found.refused["sized"] == "its task small is not compared"
    RunFolder(tmp_path).write_results(other.results)
    assert main([str(run(1).folder), str(tmp_path)]) == 2
    out = capsys.readouterr().out
    assert "small: not compared: asked in another way" in out
    assert "large  none" in out


def test_another_way_of_scoring_is_compared_and_said(run: Runs, tmp_path: Path) -> None:
    other = with_config(run(2, "words"), tmp_path, "words", repeats=3, metadata={"version": 2})
    other = EvaluationResult(other.folder, {**other.results, "versions": {"words": 2}})
    (found,) = compare([run(1, "words"), other])
    assert found.notes["words"] == (
        "version Yaml in the first run, 2 in the second",
        "answers were drawn or scored in another way: repeats differ",
    )


@pytest.mark.parametrize(
    ("metric", "output_type"),
    [
        ("word_perplexity", "loglikelihood_rolling"),
        ("bits_per_byte", "loglikelihood_rolling"),
        ("perplexity", "loglikelihood"),
    ],
)
def test_perplexities_are_compared_by_their_documents(metric: str, output_type: str, lab: Lab) -> None:
    lab.add_texts("prose", 12, output_type=output_type, metric_list=[{"metric": metric}], filter_list=None)
    runs = [lab.evaluate("prose", f"scripted:hash?version={version}") for version in (1, 2)]
    (one,) = compare(runs)[0].differences
    first, second = (run.results["results"]["prose"][f"{metric},none"] for run in runs)
    assert (one.first, one.second) == pytest.approx((first, second), rel=1e-9)
    assert one.paired is not None
    assert one.paired.difference == pytest.approx(second - first, rel=1e-6)
    scores = [[_log_likelihood(one) for one in run.samples("prose")[metric]] for run in runs]
    assert one.paired.t_p == pytest.approx(stats.ttest_rel(*scores).pvalue, rel=1e-6)
    assert (one.paired.higher, one.paired.mcnemar_p) == (int(np.less(scores[1], scores[0]).sum()), None)


def _log_likelihood(score: float | str) -> float:
    """The first of a pair, which is kept as JSON; or a number."""
    return float(np.ravel(json.loads(str(score)))[0])


def test_values_that_are_no_means_of_scores_stand_without_a_difference(lab: Lab) -> None:
    middle = [{"metric": "logprob", "aggregation": "median", "higher_is_better": True}]
    lab.add_texts("prose", 6, output_type="loglikelihood", metric_list=middle, filter_list=None)
    runs = [lab.evaluate("prose", f"scripted:hash?version={version}") for version in (1, 2)]
    (found,) = compare(runs)
    (one,) = found.differences
    values = [run.results["results"]["prose"]["logprob,none"] for run in runs]
    assert (one.first, one.second, one.paired, one.verdict()) == (*values, None, None)
    assert "prose: no difference by pairs of logprob" in found.table()


def test_a_number_is_made_as_its_run_says_and_not_as_its_value_would_allow(run: Runs, tmp_path: Path) -> None:
    runs = [run(1, "large"), run(2, "large")]
    assert runs[0].record.assay.aggregations["large"]["acc,none"].name == "mean"
    medians = [with_aggregation(one, tmp_path / str(i), "median") for i, one in enumerate(runs)]
    unknown = [with_aggregation(one, tmp_path / f"{i}?", None) for i, one in enumerate(runs)]
    assert compare(medians)[0].find("large", "acc").paired is None
    assert compare([runs[0], medians[1]])[0].find("large", "acc").paired is None
    assert compare(unknown)[0].find("large", "acc") == compare(runs)[0].find("large", "acc")


def with_aggregation(result: EvaluationResult, folder: Path, name: str | None) -> EvaluationResult:
    """The run, saying that this made the accuracy of `large`; None: a function of the task's own."""
    folder.mkdir()
    assay = {**result.results["assay"], "aggregations": {"large": {"acc,none": {"name": name}}}}
    return changed(result, folder, assay=assay)


def test_documents_of_one_source_are_compared_as_clusters(lab: Lab, run: Runs) -> None:
    runs = [run(version, "large", cluster="answer") for version in (1, 2)]
    (found,) = compare(runs)
    first, second = (one.samples("large")["acc"].tolist() for one in runs)
    pairs = Pairs(first, second, clusters=[i % 2 for i in range(24)])
    assert found.find("large", "acc").paired == paired([pairs])


# Verdicts and forms


def test_a_verdict_needs_proof_and_size_and_knows_which_way_is_better(lab: Lab, tmp_path: Path) -> None:
    lab.add_texts("sure", 10, filter_list=None)
    right, wrong = tmp_path / "right.json", tmp_path / "wrong.json"
    right.write_text(json.dumps({f"Question: sure {i}?\nAnswer:": str(i) for i in range(10)}))
    wrong.write_text('{"*": "none"}')
    good, bad = (lab.evaluate("sure", f"scripted:{file}") for file in (right, wrong))
    up, down = compare([bad, good])[0].differences[0], compare([good, bad])[0].differences[0]
    assert (up.gain, up.verdict()) == (1.0, "better")
    assert (down.gain, down.verdict(), down.verdict(tolerance=1.0)) == (-1.0, "worse", "undecided")
    lower = {"higher_is_better": {"sure": {"exact_match": False}}}
    good, bad = (EvaluationResult(run.folder, {**run.results, **lower}) for run in (good, bad))
    turned = compare([bad, good])[0].differences[0]
    assert (turned.gain, turned.verdict()) == (-1.0, "worse")


def test_a_comparison_is_a_frame_and_json(comparison: Comparison) -> None:
    frame = comparison.frame().set_index(["task", "metric"])
    large = comparison.find("large", "acc")
    assert large.paired is not None
    row: Any = frame.loc[("large", "acc")]
    assert (row["difference"], row["permutation_p"]) == (large.paired.difference, large.paired.permutation_p)
    assert (row["low"], row["high"]) == large.paired.interval
    assert row["flipped"] == len(large.flips)
    content = json.loads(json.dumps(comparison.to_json()))
    (again,) = [one for one in content["differences"] if (one["task"], one["metric"]) == ("large", "acc")]
    assert len(again["flips"]) == len(large.flips)
    assert again["flips"][0]["doc_hash"] == large.flips[0].doc_hash
    assert content["coverage"]["large"] == {"both": 24, "only_first": 0, "only_second": 0}


# The command


def test_the_command_prints_the_table_and_as_many_flips_as_wanted(
    run: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [str(run(version).folder) for version in (1, 2)]
    assert main([*folders, "--tasks=large", "--flips=1"]) == 0
    out = capsys.readouterr().out
    assert "large  none    acc" in out
    assert out.count("  document ") == 2, "one of acc and one of acc_norm"
    assert out.count(" more") == 2


@pytest.mark.parametrize("suffix", ["json", "csv"])
def test_the_command_writes_files_for_programs(suffix: str, run: Runs, tmp_path: Path) -> None:
    file = tmp_path / f"found.{suffix}"
    assert main([*(str(run(version).folder) for version in (1, 2, 3)), f"--output={file}"]) == 0
    if suffix == "json":
        content = json.loads(file.read_text())
        assert [one["second"] for one in content] == [str(run(2).folder), str(run(3).folder)]
    else:
        frame = pd.read_csv(file)
        assert set(frame["second_run"]) == {str(run(2).folder), str(run(3).folder)}
        assert frame["permutation_p"].between(0, 1).all()


def test_the_command_refuses_in_a_line_with_status_2(
    run: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(run(1).folder)
    for flags, named in (
        ([folder], "two runs or more"),
        ([folder, str(tmp_path)], f"{tmp_path} has no results.json"),
        ([folder, folder, "--task=x"], "did you mean '--tasks'?"),
        ([folder, folder, "--output=x.txt"], "--output: the file's name ends in .json or .csv"),
        ([folder, str(run(1, "words", system_instruction="Be brief.").folder)], "system_instruction differ"),
    ):
        assert main(flags) == 2
        said = capsys.readouterr()
        assert named in said.err
        assert (said.out, said.err.count("\n")) == ("", 1)


def test_a_run_without_samples_is_an_error_that_names_it(run: Runs, tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text((run(1).folder / "spec.yaml").read_text())
    with pytest.raises(ResultError, match=f"{tmp_path} has no samples of"):
        compare([run(1), EvaluationResult(tmp_path, run(1).results)])


def test_help_of_the_command_loads_nothing_heavy() -> None:
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "flows/compare.py", "--help"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in ended.stderr.splitlines()}
    assert "pydantic" in imported, "the report of imports was read"
    assert imported & HEAVY == set()
    assert "--flips" in ended.stdout


def test_the_flow_gives_the_comparison_and_shows_it_as_a_table(run: Runs) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
    from prefect.client.schemas.sorting import ArtifactSort

    from flows.comparing.compare_flow import compare_flow
    from flows.specs.comparison import ComparisonSpec

    spec = ComparisonSpec(runs=[run(1).folder, run(2).folder], tasks=["large"])
    run_of_flow: Any = compare_flow
    (found,) = run_of_flow(spec)
    assert [one["task"] for one in found["differences"]] == ["large", "large"]
    with get_client(sync_client=True) as client:
        named = ArtifactFilter(key=ArtifactFilterKey(any_=["comparison"]))
        newest = client.read_artifacts(artifact_filter=named, sort=ArtifactSort.CREATED_DESC)[0]
    assert [row["metric"] for row in json.loads(str(newest.data))] == ["acc", "acc_norm"]
