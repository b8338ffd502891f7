"""Runs as a dataset repository: the real client against a stand-in for the Hub."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyarrow import parquet

from backends.model_string import ModelSpec
from flows.common.errors import PublishError, SpecError, Unavailable
from flows.results.evaluation_result import EvaluationResult
from flows.sinks.registry import open_sink
from tests.support.finished_run import TASKS, OtherRun
from tests.support.hub.server import READS, Fault, Hub
from tests.support.paths import ROOT

NAME = "org/evaluations"


def publish(result: EvaluationResult, sink: str = f"hub:{NAME}") -> str:
    return open_sink(sink).publish(result)


def card(hub: Hub) -> tuple[dict[str, Any], str]:
    _, front, body = hub.dataset(NAME).files["README.md"].decode().split("---\n", 2)
    return yaml.safe_load(front), body


def titles(hub: Hub) -> list[str]:
    return [commit.title for commit in hub.dataset(NAME).commits[1:]]


def test_a_run_becomes_one_commit_with_results_samples_and_card(hub: Hub, finished: EvaluationResult) -> None:
    assert publish(finished) == f"{hub.url}/datasets/{NAME}"
    where = f"{finished.folder.parent.name}/{finished.folder.name}"
    files = hub.dataset(NAME).files
    assert set(files) - {".gitattributes"} == {
        "README.md",
        f"results/{where}.json",
        f"model-index/{where}.yaml",
        *(f"samples/{where}/{task}.parquet" for task in TASKS),
    }
    assert len(titles(hub)) == 1
    assert json.loads(files[f"results/{where}.json"])["results"] == finished.results["results"]
    value = finished.results["results"]["starter_choices"]["acc,none"]
    rows = [[cell.strip() for cell in line.split("|")] for line in card(hub)[1].splitlines()]
    assert ["starter_choices", "0", "none", "acc", f"{value:.4f}"] in [row[1:6] for row in rows]


def test_a_repository_is_private_unless_it_is_to_be_public(hub: Hub, finished: EvaluationResult) -> None:
    publish(finished)
    assert hub.dataset(NAME).private
    publish(finished, "hub:org/open?public=true")
    assert not hub.dataset("org/open").private


def test_nothing_goes_to_a_public_repository_that_was_not_named_so(
    hub: Hub, finished: EvaluationResult
) -> None:
    repository = hub.add("datasets", NAME, private=False)
    with pytest.raises(PublishError, match=r"is public: say hub:org/evaluations\?public=true"):
        publish(finished)
    assert len(repository.commits) == 1


def test_the_same_run_again_makes_no_commit(hub: Hub, finished: EvaluationResult) -> None:
    publish(finished)
    publish(finished)
    assert len(titles(hub)) == 1


@pytest.mark.parametrize("status", [503, 429, 0], ids=["503", "429", "lost"])
def test_a_commit_whose_answer_was_lost_is_not_made_twice(
    hub: Hub, finished: EvaluationResult, status: int
) -> None:
    hub.faults.append(Fault("/commit/", status, applied=True))
    with pytest.raises(Unavailable):
        publish(finished)
    publish(finished)
    assert len(titles(hub)) == 1


@pytest.mark.parametrize("status", [503, 429, 0], ids=["503", "429", "lost"])
def test_a_commit_that_was_not_made_is_made_when_tried_again(
    hub: Hub, finished: EvaluationResult, status: int
) -> None:
    hub.faults.append(Fault("/commit/", status))
    with pytest.raises(Unavailable):
        publish(finished)
    assert titles(hub) == []
    publish(finished)
    assert len(titles(hub)) == 1


def test_a_commit_of_another_in_between_is_not_overwritten(
    hub: Hub, finished: EvaluationResult, other_run: OtherRun
) -> None:
    publish(finished)
    repository = hub.dataset(NAME)
    hub.faults.append(Fault("/commit/", 412))
    with pytest.raises(Unavailable, match="another commit came between"):
        publish(other_run("20990101T000000-bbbbbb"))
    repository.commit("by hand", {"notes.txt": b"kept"})
    publish(other_run("20990101T000000-cccccc"))
    assert repository.files["notes.txt"] == b"kept"
    parents = [call for call in hub.calls if "/commit/" in call]
    assert len(parents) == 3


def test_a_commit_names_the_head_it_was_made_for(hub: Hub, finished: EvaluationResult) -> None:
    repository = hub.add("datasets", NAME)
    hub.before_commit = lambda: repository.commit("came between", {"notes.txt": b"kept"})
    with pytest.raises(Unavailable, match="another commit came between"):
        publish(finished)
    assert titles(hub) == ["came between"]


@pytest.mark.parametrize(
    ("token", "said"), [(READS, "may not write"), ("hf_wrong", "HF_TOKEN is not accepted")]
)
def test_a_token_that_may_not_is_said_and_not_tried_again(
    hub: Hub, finished: EvaluationResult, monkeypatch: pytest.MonkeyPatch, token: str, said: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(PublishError, match=said) as error:
        publish(finished)
    assert not isinstance(error.value, Unavailable)
    assert "\n" not in str(error.value)
    assert token not in str(error.value)


def test_a_hub_that_is_not_there_may_come_back(finished: EvaluationResult, hub: Hub) -> None:
    hub.faults.append(Fault("/repos/create", 0))
    with pytest.raises(Unavailable, match="no answer"):
        publish(finished)


def test_another_run_is_added_and_becomes_the_latest(
    hub: Hub, finished: EvaluationResult, other_run: OtherRun
) -> None:
    publish(finished)
    publish(other_run("20990101T000000-bbbbbb"))
    publish(finished)
    metadata, body = card(hub)
    assert [one["config_name"] for one in metadata["configs"]] == TASKS
    splits = {one["split"]: one["path"] for one in metadata["configs"][0]["data_files"]}
    own = finished.folder.name.replace("-", "_")
    assert list(splits) == ["latest", "20990101T000000_bbbbbb", own]
    assert splits["latest"] == splits["20990101T000000_bbbbbb"]
    assert body.count("<!-- assay ") == 1
    assert "20990101T000000-bbbbbb" in body
    assert len(titles(hub)) == 2


def test_each_model_has_its_scores_on_the_card(
    hub: Hub, finished: EvaluationResult, other_run: OtherRun
) -> None:
    publish(finished)
    publish(other_run("20200101T000000-aaaaaa", "hf_org__other"))
    assert card(hub)[1].count("\n## ") == 2


def test_what_others_wrote_on_the_card_stays(
    hub: Hub, finished: EvaluationResult, other_run: OtherRun
) -> None:
    repository = hub.add("datasets", NAME)
    written = "---\nlicense: mit\n---\n# Ours\n\nAsk Ada.\n"
    repository.commit("by hand", {"README.md": written.encode()})
    publish(finished)
    publish(other_run("20990101T000000-bbbbbb"))
    metadata, body = card(hub)
    assert metadata["license"] == "mit"
    assert body.startswith("# Ours\n\nAsk Ada.\n")


def test_a_card_that_cannot_be_read_is_said_and_stays(hub: Hub, finished: EvaluationResult) -> None:
    repository = hub.add("datasets", NAME)
    repository.commit("by hand", {"README.md": b"---\na: [\n---\n"})
    with pytest.raises(PublishError, match=r"README\.md"):
        publish(finished)
    assert len(repository.commits) == 2


def test_headers_and_keys_of_a_model_are_not_published(
    hub: Hub, finished: EvaluationResult, other_run: OtherRun
) -> None:
    secret = "sk-123456"
    options = {
        "pretrained": "m",
        "base_url": "http://localhost/v1",
        "headers": json.dumps({"x-team": secret}),
        "extra_body": json.dumps({"api_key": secret, "max_tokens": 5}),
    }
    publish(other_run("20990101T000000-bbbbbb", model_args=options, extra_body={"api_key": secret}))
    files = hub.dataset(NAME).files
    assert not any(secret.encode() in content for content in files.values())
    (name,) = [name for name in files if name.startswith("results/")]
    kept = json.loads(files[name])["config"]["model_args"]
    assert kept["base_url"] == "http://localhost/v1"
    assert json.loads(kept["extra_body"])["max_tokens"] == 5


def test_the_scores_for_a_model_card_are_what_the_hub_reads(hub: Hub, finished: EvaluationResult) -> None:
    from huggingface_hub.repocard_data import model_index_to_eval_results

    publish(finished)
    (name,) = [name for name in hub.dataset(NAME).files if name.startswith("model-index/")]
    index = yaml.safe_load(hub.dataset(NAME).files[name])["model-index"]
    model, entries = model_index_to_eval_results(index)
    assert model == "hash"
    found = {(one.dataset_name, one.metric_type): one.metric_value for one in entries}
    assert found["starter_choices", "acc"] == finished.results["results"]["starter_choices"]["acc,none"]


def test_a_published_repository_loads_with_datasets(
    hub: Hub, finished: EvaluationResult, other_run: OtherRun, tmp_path: Path
) -> None:
    from datasets import load_dataset
    from huggingface_hub import HfApi

    later = other_run("20990101T000000-bbbbbb")
    file = later.folder / "samples" / "starter_choices.parquet"
    table = parquet.read_table(file)
    parquet.write_table(table.append_column("thinking", [["[]"] * len(table)]), file)
    record = Path(str(later.folder), "results.json")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    before = later.record.assay.samples_sha256["starter_choices"]
    record.write_text(record.read_text().replace(before, digest))
    publish(EvaluationResult.open(later.folder))
    publish(finished)
    folder = HfApi(endpoint=hub.url).snapshot_download(
        NAME, repo_type="dataset", local_dir=tmp_path / "snapshot"
    )
    own = finished.folder.name.replace("-", "_")
    for split, thinking in (("latest", "[]"), (own, None)):
        loaded = load_dataset(folder, "starter_choices", split=split, cache_dir=str(tmp_path / "cache"))
        assert loaded["doc_hash"][:] == list(finished.samples("starter_choices")["doc_hash"])
        assert set(loaded["thinking"]) == {thinking}


@pytest.mark.slow
def test_a_published_repository_loads_by_its_name(
    hub: Hub, finished: EvaluationResult, tmp_path: Path
) -> None:
    publish(finished)
    code = f"from datasets import load_dataset; print(load_dataset('{NAME}', '{TASKS[1]}', split='latest'))"
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "num_rows: 4" in done.stdout


def test_a_model_card_is_asked_for_once(
    hub: Hub, finished: EvaluationResult, other_run: OtherRun, tmp_path: Path
) -> None:
    model = hub.add("models", "org/model", private=False)
    model.commit("card", {"README.md": b"---\nlicense: mit\n---\n# A model\n"})
    run = other_run("20990101T000000-bbbbbb")
    spec = yaml.safe_load((run.folder / "spec.yaml").read_text())
    Path(str(run.folder), "spec.yaml").write_text(yaml.safe_dump({**spec, "model": "hf:org/model"}))
    command = [sys.executable, "flows/publish.py", str(run.folder), "--to", f"hub:{NAME}?model_card=pr"]
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0"}
    for _ in range(2):
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    (request,) = model.pull_requests
    text = request.commit.files["README.md"].decode()
    assert "license: mit" in text
    assert "# A model" in text
    assert "acc (starter_choices, none)" in text
    assert len(model.commits) == 2


@pytest.mark.parametrize(
    ("sink", "model", "said"),
    [
        (f"hub:{NAME}", "scripted:hash", "HF_TOKEN is not set"),
        (f"hub:{NAME}?model_card=pr", "scripted:hash", "has no card on the Hub"),
    ],
)
def test_what_is_missing_for_the_hub_is_said_before_the_run(
    monkeypatch: pytest.MonkeyPatch, sink: str, model: str, said: str
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "" if "HF_TOKEN" in said else "hf_any")
    with pytest.raises(SpecError, match=said):
        open_sink(sink).check(ModelSpec.parse(model))
