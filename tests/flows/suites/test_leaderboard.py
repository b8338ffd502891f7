"""The leaderboard of a suite: columns, main scores, ranks and files."""

import csv
import io
import json
from typing import Any

from flows.results.results_json import RunRecord
from flows.suites.leaderboard import Leaderboard, MainScore, ModelRow, columns, main_score, row_of


def accuracy(value: float, stderr: float | None = 0.01) -> MainScore:
    return MainScore("acc", "none", value, stderr, True)


def perplexity(value: float) -> MainScore:
    return MainScore("word_perplexity", "none", value, None, False)


def row(name: str, **scores: MainScore) -> ModelRow:
    return ModelRow(name, f"hf:{name}", f"runs/{name}", scores, {})


GONE = ModelRow("gone", "hf:gone", None, {}, {}, "no such folder")


def board(*rows: ModelRow) -> Leaderboard:
    return Leaderboard("nightly", "20261124T020000-000001", ["arc", "text"], rows)


def results(**tasks: dict[str, Any]) -> RunRecord:
    """The results of tasks, of which `mmlu` is a group."""
    return RunRecord(
        results=tasks,
        group_subtasks={"mmlu": ["anatomy", "law"]} if "mmlu" in tasks else {},
        higher_is_better={name: {"acc": True, "acc_norm": True} for name in tasks},
    )


SCORED = {"acc,none": 0.5, "acc_stderr,none": 0.1, "acc_norm,none": 0.25, "acc_norm_stderr,none": "N/A"}


def test_the_best_mean_of_ranks_comes_first_whatever_the_units() -> None:
    found = board(
        row("weak", arc=accuracy(0.3), text=perplexity(40.0)),
        row("strong", arc=accuracy(0.9), text=perplexity(12.0)),
        row("middling", arc=accuracy(0.3), text=perplexity(30.0)),
    )
    assert found.mean_ranks() == {"weak": 2.75, "strong": 1.0, "middling": 2.25}
    assert [cells[:3] for cells in found.cells()] == [
        ["strong", "1.00", "0.9000 ± 0.0100"],
        ["middling", "2.25", "0.3000 ± 0.0100"],
        ["weak", "2.75", "0.3000 ± 0.0100"],
    ]
    assert found.header()[2:] == ["arc acc ↑", "text word_perplexity ↓"]


def test_a_model_without_all_scores_has_no_mean_rank_and_is_last_with_its_reason() -> None:
    failed = ModelRow("broken", "hf:broken", "runs/b", {"arc": accuracy(0.99)}, {"text": "no answers came"})
    found = board(failed, GONE, row("fine", arc=accuracy(0.1), text=perplexity(99.0)))
    assert found.mean_ranks() == {"fine": 1.5}
    assert [cells[0] for cells in found.cells()] == ["fine", "broken", "gone"]
    assert found.cells()[1] == ["broken", "-", "0.9900 ± 0.0100", "failed"]
    assert found.reasons() == ["broken: text: no answers came", "gone: no such folder"]


def test_columns_of_which_nobody_knows_which_way_is_better_do_not_count() -> None:
    unknown = {name: MainScore("odd", "none", value, None, None) for name, value in (("a", 2.0), ("b", 1.0))}
    found = board(
        row("a", arc=accuracy(0.2), text=unknown["a"]), row("b", arc=accuracy(0.1), text=unknown["b"])
    )
    assert found.mean_ranks() == {"a": 1.0, "b": 2.0}


def test_a_leaderboard_is_the_same_after_a_way_through_json() -> None:
    found = board(row("a", arc=accuracy(0.2, None)), GONE)
    assert Leaderboard.read(json.loads(json.dumps(found.content()))).content() == found.content()


def test_the_csv_has_a_line_for_each_model_and_column() -> None:
    found = board(row("a, b", arc=accuracy(0.25)), GONE)
    lines = list(csv.DictReader(io.StringIO(found.csv())))
    assert [(one["name"], one["task"], one["value"], one["failure"]) for one in lines] == [
        ("a, b", "arc", "0.25", ""),
        ("a, b", "text", "", ""),
        ("gone", "arc", "", "no such folder"),
        ("gone", "text", "", "no such folder"),
    ]


def test_a_group_with_a_score_is_a_column_and_one_without_is_its_tasks() -> None:
    scored = results(mmlu=SCORED, anatomy=SCORED, law=SCORED, arc=SCORED)
    assert columns(scored) == ["mmlu", "arc"]
    bare = results(mmlu={"alias": "mmlu"}, anatomy=SCORED, law=SCORED, arc=SCORED)
    assert columns(bare) == ["anatomy", "law", "arc"]


def test_the_main_score_is_the_first_or_the_one_that_is_wanted() -> None:
    found = results(arc=SCORED)
    assert main_score(found, "arc", None) == MainScore("acc", "none", 0.5, 0.1, True)
    assert main_score(found, "arc", "acc_norm") == MainScore("acc_norm", "none", 0.25, None, True)
    assert main_score(found, "arc", "acc,none") == MainScore("acc", "none", 0.5, 0.1, True)
    assert main_score(found, "arc", "acc,other") is None


def test_a_metric_that_the_task_does_not_have_is_a_failure_that_names_those_it_has() -> None:
    made, _ = row_of("m", "hf:m", "runs/m", results(arc=SCORED), {"arc": "f1"})
    assert made.failures == {"arc": "it has no metric 'f1', but acc,none, acc_norm,none"}
