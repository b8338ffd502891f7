"""Scores in lm-eval's layout: groups over their tasks, and never over a part of them."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from flows.results.results_json import TaskUsage
from flows.results.score_sections import ScoreSections
from flows.results.task_scores import TaskScores
from tasks_lib.catalog.selection import Selection, TaskFile
from tasks_lib.files.config import FunctionRef, GroupConfig, TaskConfig
from tasks_lib.scoring.scorer import MetricScore

ACC = {"metric": "acc", "aggregation": "mean"}


def score(value: float, stderr: float | None = 0.1, count: int = 10, **keys: Any) -> MetricScore:
    """One number; `keys` are its metric, filter and what made it."""
    return MetricScore(**{"metric": "acc", "filter": "none", **keys}, value=value, stderr=stderr, count=count)


def task_scores(
    *scores: MetricScore, shots: int = 0, better: bool | None = True, version: Any = "Yaml"
) -> TaskScores:
    return TaskScores(
        scores=list(scores),
        higher_is_better={one.metric: better for one in scores},
        version=version,
        original=100,
        effective=max((one.count for one in scores), default=0),
        num_fewshot=shots,
        usage=TaskUsage(requests=100),
    )


def tables(
    scores: Mapping[str, TaskScores],
    groups: Mapping[str, Mapping[str, Any]] | None = None,
    tasks: Mapping[str, Mapping[str, Any]] | None = None,
) -> ScoreSections:
    """The layout of these scores. tasks: keys of tasks, also of those without scores."""
    configs = {
        name: TaskConfig.model_validate({"task": name, **(tasks or {}).get(name, {})})
        for name in {**scores, **(tasks or {})}
    }
    selection = Selection(
        {name: TaskFile(config, Path("made.yaml"), "") for name, config in configs.items()},
        {name: GroupConfig.model_validate({"group": name, **keys}) for name, keys in (groups or {}).items()},
        tuple(groups or scores),
    )
    return ScoreSections(selection, scores)


def sections(*parts: Any, **keys: Any) -> dict[str, Any]:
    return tables(*parts, **keys).sections()


def test_a_task_has_each_number_under_metric_and_filter() -> None:
    made = sections({"a": task_scores(score(0.5), score(0.7, None, 9, metric="f1", filter="strict"))})
    assert made["results"]["a"] == {
        "name": "a",
        "alias": "a",
        "sample_len": 10,
        "acc,none": 0.5,
        "acc_stderr,none": 0.1,
        "f1,strict": 0.7,
        "f1_stderr,strict": "N/A",
    }
    assert made["n-samples"] == {"a": {"original": 100, "effective": 10}}
    assert "groups" not in made


def test_tasks_come_in_the_order_of_the_request_under_their_alias() -> None:
    scores = {"b": task_scores(score(1)), "a": task_scores(score(0))}
    made = sections(scores, tasks={"b": {"task_alias": "Bee"}})
    assert list(made["results"]) == ["b", "a"]
    assert made["results"]["b"]["alias"] == "Bee"


def test_a_group_is_weighed_by_documents_unless_it_says_otherwise() -> None:
    scores = {
        "a": task_scores(score(0.5, 0.1, 10)),
        "b": task_scores(score(1.0, 0.2, 30)),
    }
    weighed = {"children": ("a", "b"), "aggregate_metric_list": [ACC], "group_alias": "G"}
    plain = {"children": ("a", "b"), "aggregate_metric_list": [{**ACC, "weight_by_size": False}]}
    made = sections(scores, {"weighed": weighed, "plain": plain})
    row = made["results"]["weighed"]
    assert row == made["groups"]["weighed"]
    assert (row["alias"], row["sample_len"], row["sample_count"]) == ("G", 40, {"acc,none": 40})
    assert row["acc,none"] == pytest.approx((0.5 * 10 + 1.0 * 30) / 40)
    pooled = (9 * 10 * 0.1**2 + 29 * 30 * 0.2**2) / 38
    assert row["acc_stderr,none"] == pytest.approx(math.sqrt(pooled / 40))
    row = made["results"]["plain"]
    assert row["acc,none"] == 0.75
    assert row["acc_stderr,none"] == pytest.approx(math.sqrt(0.1**2 + 0.2**2) / 2)


def test_a_group_has_no_standard_error_where_a_task_has_none() -> None:
    scores = {"a": task_scores(score(0.5)), "b": task_scores(score(1.0, None))}
    made = sections(scores, {"g": {"children": ("a", "b"), "aggregate_metric_list": [ACC]}})
    assert made["results"]["g"]["acc_stderr,none"] == "N/A"


def test_a_failed_task_leaves_its_groups_without_a_score() -> None:
    groups = {
        "inner": {"children": ("a", "failed"), "aggregate_metric_list": [ACC]},
        "outer": {"children": ("inner", "b"), "aggregate_metric_list": [ACC]},
        "whole": {"children": ("a", "b"), "aggregate_metric_list": [ACC]},
    }
    scores = {"a": task_scores(score(0.5)), "b": task_scores(score(1.0))}
    made = sections(scores, groups, tasks={"a": {}, "failed": {}, "b": {}})
    assert "failed" not in made["results"]
    assert made["results"]["inner"] == {"alias": "inner", "name": "inner"}
    assert made["results"]["outer"] == {"alias": "outer", "name": "outer"}
    assert made["results"]["whole"]["acc,none"] == 0.75


def test_a_group_that_aggregates_nothing_is_listed_without_a_score() -> None:
    made = sections({"a": task_scores(score(0.5))}, {"g": {"children": ("a",)}})
    assert made["results"]["g"] == {"alias": "g", "name": "g"}
    assert "groups" not in made
    assert made["group_subtasks"] == {"g": ["a"]}


def test_a_group_of_groups_is_over_all_tasks_below_it() -> None:
    scores = {name: task_scores(score(value)) for name, value in (("a", 0.0), ("b", 0.5), ("c", 1.0))}
    groups: dict[str, dict[str, Any]] = {
        "inner": {"children": ("a", "b")},
        "outer": {"children": ("inner", "c"), "aggregate_metric_list": [ACC]},
    }
    assert sections(scores, groups)["results"]["outer"]["acc,none"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("filters", "keys"),
    [
        (None, ["acc,loose", "acc,strict"]),
        ("strict", ["acc,strict"]),
        (["strict", "loose"], ["acc,strict", "acc,loose"]),
        (["missing"], []),
    ],
)
def test_a_group_aggregates_the_filters_it_names_else_all(filters: object, keys: list[str]) -> None:
    scores = {
        name: task_scores(
            score(0.2, filter="strict"), score(0.4, filter="loose"), score(1, metric="acc_norm")
        )
        for name in "ab"
    }
    group = {"children": ("a", "b"), "aggregate_metric_list": [{**ACC, "filter_list": filters}]}
    row = sections(scores, {"g": group})["results"]["g"]
    assert [key for key in row if "," in key and "_stderr" not in key] == keys


def test_versions_are_those_of_tasks_and_groups() -> None:
    scores = {"b": task_scores(score(1), version=1.0), "a": task_scores(score(1))}
    groups: dict[str, dict[str, Any]] = {
        "g": {"children": ("a",), "metadata": {"version": 2}},
        "h": {"children": ("b",)},
    }
    made = sections(scores, groups)
    assert made["versions"] == {"a": "Yaml", "b": 1.0, "g": "2", "h": "N/A"}


def test_a_group_has_the_number_of_examples_its_tasks_share() -> None:
    scores = {
        "a": task_scores(score(1), shots=5),
        "b": task_scores(score(1), shots=5),
        "c": task_scores(score(1), shots=0),
    }
    groups = {"same": {"children": ("a", "b")}, "mixed": {"children": ("same", "c")}}
    assert sections(scores, groups)["n-shot"] == {"a": 5, "b": 5, "c": 0, "same": 5}


def test_a_group_has_the_direction_its_tasks_agree_on() -> None:
    scores = {
        "a": task_scores(score(1)),
        "b": task_scores(score(1)),
        "c": task_scores(score(1), better=False),
    }
    groups = {"same": {"children": ("a", "b")}, "mixed": {"children": ("a", "c")}}
    directions = sections(scores, groups)["higher_is_better"]
    assert directions["same"] == {"acc": True}
    assert directions["mixed"] == {"acc": None}
    assert directions["c"] == {"acc": False}


def test_a_direction_once_disputed_stays_so() -> None:
    scores = {
        "a": task_scores(score(1), better=True),
        "b": task_scores(score(1), better=False),
        "c": task_scores(score(1), better=True),
    }
    group = {"g": {"children": ("a", "b", "c")}}
    assert sections(scores, group)["higher_is_better"]["g"] == {"acc": None}


def test_configurations_are_written_with_functions_by_name_and_the_examples_asked_for() -> None:
    function = FunctionRef(Path("/tasks"), "utils.process")
    metric = {"metric": function, "threshold": 0.5}
    tasks = {"a": {"process_docs": function, "num_fewshot": 1, "metric_list": [metric]}}
    config = sections({"a": task_scores(score(1), shots=3)}, tasks=tasks)["configs"]["a"]
    assert config["process_docs"] == "!function utils.process"
    assert config["metric_list"][0]["metric"] == "!function utils.process"
    assert config["metric_list"][0]["threshold"] == 0.5
    assert json.loads(json.dumps(config)) == config
    assert config["num_fewshot"] == 3
    assert "dataset_path" not in config


def test_intervals_are_those_of_the_tasks_and_of_groups_by_their_standard_errors() -> None:
    found = tables(
        {"a": task_scores(score(0.5, 0.1, interval=(0.3, 0.6))), "b": task_scores(score(0.7, None))},
        {"both": {"children": ["a"], "aggregate_metric_list": [ACC]}},
    ).intervals()
    assert found["a"] == {"acc,none": (0.3, 0.6)}
    assert found["b"] == {}
    assert found["both"]["acc,none"] == pytest.approx((0.5 - 1.96 * 0.1, 0.5 + 1.96 * 0.1), abs=1e-4)
