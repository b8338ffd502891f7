"""The scores as a table: a row a number, groups above their tasks, nothing twice."""

import math
from typing import Any

import pytest

from flows.results import score_table
from flows.results.results_json import RunRecord

RESULTS: dict[str, Any] = {
    "results": {
        "alone": {"name": "alone", "alias": "Alone", "sample_len": 3, "f1,none": 2, "f1_stderr,none": "N/A"},
        "a": {"alias": "a", "sample_len": 10, "acc,none": 0.5, "acc_stderr,none": 0.1},
        "b": {
            "alias": "b",
            "sample_len": 1000,
            "ppl,none": 12.34567,
            "ppl_stderr,none": 0.25,
            "acc,strict": 1,
            "acc_stderr,strict": 0,
        },
        "inner": {"alias": "inner", "acc,none": 0.4, "acc_stderr,none": 0.05, "sample_len": 1010},
        "outer": {"alias": "Outer", "acc,none": 0.3, "acc_stderr,none": "N/A", "sample_len": 1010},
    },
    "group_subtasks": {"inner": ["a", "b"], "outer": ["inner"]},
    "n-shot": {"alone": 0, "a": 5, "b": 5, "inner": 5},
    "higher_is_better": {
        "alone": {"f1": None},
        "a": {"acc": True},
        "b": {"acc": True, "ppl": False},
        "inner": {"acc": True},
        "outer": {"acc": True},
    },
}


def render(results: dict[str, Any]) -> str:
    return score_table.render(RunRecord.read(results))


def rows(results: dict[str, Any]) -> list[dict[str, Any]]:
    return list(score_table.rows(RunRecord.read(results)))


def lines(results: dict[str, Any]) -> list[list[str]]:
    """The cells of the table's body."""
    return [line.split() for line in render(results).splitlines()[2:]]


def test_groups_stand_above_their_tasks_which_are_indented() -> None:
    assert [(one.name, one.depth) for one, _ in score_table.numbers(RunRecord.read(RESULTS))] == [
        ("alone", 0),
        ("outer", 0),
        ("inner", 1),
        ("a", 2),
        ("b", 2),
        ("b", 2),
    ]
    starts = [line.split("  0")[0][:12].rstrip() for line in render(RESULTS).splitlines()[2:]]
    assert starts[1].startswith("Outer")
    assert starts[2].startswith("  - inner")
    assert starts[3].startswith("    - a")


def test_every_number_has_filter_metric_direction_value_and_error() -> None:
    body = lines(RESULTS)
    assert body[0] == ["Alone", "0", "none", "f1", "2.0000", "±", "N/A", "3"]
    assert body[1] == ["Outer", "none", "acc", "↑", "0.3000", "±", "N/A", "1010"]
    assert body[3] == ["-", "a", "5", "none", "acc", "↑", "0.5000", "±", "0.1000", "10"]
    assert body[4] == ["-", "b", "5", "none", "ppl", "↓", "12.3457", "±", "0.2500", "1000"]
    assert body[5] == ["-", "b", "5", "strict", "acc", "↑", "1.0000", "±", "0.0000", "1000"]


def test_columns_are_aligned_and_numbers_end_under_each_other() -> None:
    header, rule, *body = render(RESULTS).splitlines()
    value, docs = header.index("Value") + len("Value"), len(header)
    assert rule.startswith("---")
    assert all(line[value - 1].isdigit() and line[value] == " " for line in body)
    assert all(len(line) == docs for line in body)
    assert len({line.index("±") for line in body}) == 1


def test_a_task_of_two_groups_stands_once() -> None:
    results = {**RESULTS, "group_subtasks": {"inner": ["a", "b"], "outer": ["a", "inner"]}}
    assert [row["task"] for row in rows(results)] == ["alone", "outer", "a", "inner", "b", "b"]


def test_a_task_that_failed_is_left_out_and_its_group_shows_the_others() -> None:
    left = {name: row for name, row in RESULTS["results"].items() if name != "a"}
    results = {**RESULTS, "results": {**left, "inner": {"alias": "inner"}}}
    assert [row["task"] for row in rows(results)] == ["alone", "outer", "b", "b"]


@pytest.mark.parametrize(("value", "text"), [(math.inf, "inf"), (math.nan, "nan"), (-0.12345, "-0.1235")])
def test_odd_numbers_are_shown(value: float, text: str) -> None:
    row = {"alias": "x", "sample_len": 1, "m,none": value, "m_stderr,none": "N/A"}
    results = {"results": {"x": row}, "group_subtasks": {}, "n-shot": {}, "higher_is_better": {}}
    assert lines(results) == [["x", "none", "m", text, "±", "N/A", "1"]]


def test_no_scores_are_a_table_of_its_header() -> None:
    empty: dict[str, Any] = {"results": {}, "group_subtasks": {}, "n-shot": {}, "higher_is_better": {}}
    assert lines(empty) == []
    assert render(empty).startswith("Task")


def test_a_number_with_an_interval_shows_it() -> None:
    intervals = {"a": {"acc,none": [0.2371, 0.7629]}}
    table = render({**RESULTS, "assay": {"intervals": intervals}})
    assert [line.split()[-4:-1] for line in table.splitlines() if "0.2371" in line] == [
        ["0.2371", "to", "0.7629"]
    ]
    found = {
        row["task"]: (row["low"], row["high"]) for row in rows({**RESULTS, "assay": {"intervals": intervals}})
    }
    assert (found["a"], found["b"]) == ((0.2371, 0.7629), (None, None))


def test_a_group_without_a_score_stands_above_its_tasks_all_the_same() -> None:
    results = {
        **RESULTS,
        "results": {**RESULTS["results"], "inner": {"alias": "inner"}, "outer": {"alias": "Outer"}},
    }
    body = render(results).splitlines()[2:]
    assert [line.split("  0")[0].rstrip()[:14] for line in body][1:3] == ["Outer", "  - inner"]
    assert [row["task"] for row in rows(results)] == ["alone", "a", "b", "b"]
