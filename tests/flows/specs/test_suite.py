"""Suites: what a YAML file may say, and how what is wrong in one is refused."""

from pathlib import Path

import pytest
import yaml

from flows.common.errors import SpecError
from flows.specs.suite import SuiteSpec, read_suite
from tests.support.paths import ROOT

SHIPPED = ROOT / "deployments" / "suites"
SMALL = {"name": "small", "models": ["baseline:random"], "tasks": ["starter_choices"]}


def written(folder: Path, **keys: object) -> Path:
    file = folder / "suite.yaml"
    file.write_text(yaml.safe_dump({**SMALL, **keys}))
    return file


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*.yaml")), ids=lambda file: file.stem)
def test_suites_that_ship_are_valid(file: Path) -> None:
    assert read_suite(file).models


def test_a_model_is_asked_with_the_defaults_and_with_its_own_settings_in_their_place(tmp_path: Path) -> None:
    models = ["baseline:random", {"model": "baseline:majority", "name": "A", "limit": 3, "seed": 7}]
    spec = read_suite(written(tmp_path, models=models, defaults={"limit": 5, "num_fewshot": 1}))
    plain, own = (spec.evaluation(one, tmp_path) for one in spec.models)
    assert (plain.limit, plain.num_fewshot, plain.seed) == (5, 1, 1234)
    assert (own.limit, own.num_fewshot, own.seed) == (3, 1, 7)
    assert [one.label for one in spec.models] == ["baseline:random", "A"]
    assert own.tasks == ["starter_choices"]


def test_a_suite_is_the_same_after_a_way_through_json(tmp_path: Path) -> None:
    spec = read_suite(
        written(tmp_path, models=[{"model": "baseline:random", "limit": 3}], webhook="env:HOOK")
    )
    assert SuiteSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"tolerence": 1}, ["unknown key 'tolerence'", "did you mean 'tolerance'?"]),
        ({"defaults": {"limt": 1}}, ["defaults: unknown key 'limt'", "'limit'"]),
        ({"defaults": {"limit": 0}}, ["baseline:random", "limit", "greater than 0"]),
        ({"defaults": {"tasks": ["x"]}}, ["defaults: 'tasks' is one and the same"]),
        (
            {"models": [{"model": "baseline:random", "num_few": 1}]},
            ["baseline:random", "'num_few'", "num_fewshot"],
        ),
        ({"models": [{"model": "gpt2", "name": "g"}]}, ["models: g", "backend:name"]),
        ({"models": ["baseline:random", "baseline:random"]}, ["'baseline:random' is there twice", "name"]),
        ({"models": [{"name": "x"}]}, ["models: 0: model", "required"]),
        ({"models": []}, ["models", "at least 1"]),
        ({"at_once": 0}, ["at_once", "(got 0)"]),
        ({"alpha": 1.5}, ["alpha", "less than 1"]),
        ({"tolerances": {"starter_choices": -1}}, ["tolerances: starter_choices"]),
    ],
)
def test_what_is_wrong_is_refused_with_the_file_and_the_key(
    tmp_path: Path, keys: dict[str, object], named: list[str]
) -> None:
    file = written(tmp_path, **keys)
    with pytest.raises(SpecError) as error:
        read_suite(file)
    said = str(error.value)
    assert len(said.splitlines()) == 1
    assert said.startswith(f"{file}: ")
    for words in named:
        assert words in said


@pytest.mark.parametrize("content", ["- a list", "name: [", ""])
def test_a_file_that_is_no_suite_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "suite.yaml"
    file.write_text(content)
    with pytest.raises(SpecError, match=str(file)):
        read_suite(file)


@pytest.mark.parametrize("output", ["s3://bucket/suites", "suites"])
def test_the_runs_of_a_suite_in_a_bucket_share_what_their_steps_leave_across_nights(output: str) -> None:
    spec = SuiteSpec.model_validate(
        {"name": "n", "models": ["scripted:hash"], "tasks": ["t"], "output": output}
    )
    nights = [spec.evaluation(spec.models[0], spec.output / "n" / night / "runs") for night in ("1", "2")]
    assert {one.steps_folder == spec.output for one in nights} == {output.startswith("s3:")}
    assert all(one.output != spec.output for one in nights)
