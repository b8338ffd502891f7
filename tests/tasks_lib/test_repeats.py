"""Several answers to one document: all are scored, and a reduction makes one number of them."""

from typing import Any

import pytest

from backends.requests import Response
from tasks_lib.ask_options import AskOptions
from tasks_lib.errors import TaskError
from tasks_lib.task import Task
from tests.support.task_maker import ROWS, TaskMaker, scored, text


@pytest.fixture
def made(maker: TaskMaker) -> TaskMaker:
    """Two documents, whose answers are a0 and a1."""
    maker.data(ROWS[:2])
    return maker


def reduced(*reductions: str, **keys: object) -> dict[str, Any]:
    return {"repeats": 3, "metric_list": [{"metric": "exact_match", "reduction": list(reductions), **keys}]}


def scores(task: Task, *answers: str) -> list[dict[str, Any]]:
    repeats: list[list[Response]] = [list(map(text, own.split())) for own in answers]
    return [dict(sample.scores) for sample in scored(task, *repeats)]


def test_without_filters_all_repeats_are_scored(made: TaskMaker) -> None:
    task = made.task(**reduced("first", "mean", "majority", "pass@2", "avg@2"))
    assert scores(task, "a0 x x", "x a1 a1") == [
        pytest.approx(
            {
                "exact_match": 1.0,
                "exact_match_mean": 1 / 3,
                "exact_match_majority": 0.0,
                "exact_match_pass@2": 2 / 3,
                "exact_match_avg@2": 0.5,
            }
        ),
        pytest.approx(
            {
                "exact_match": 0.0,
                "exact_match_mean": 2 / 3,
                "exact_match_majority": 1.0,
                "exact_match_pass@2": 1.0,
                "exact_match_avg@2": 0.5,
            }
        ),
    ]


def test_a_metric_without_a_reduction_beside_one_with_counts_the_first(made: TaskMaker) -> None:
    own = made.function("def length(references, predictions):\n    return len(predictions[0])")
    task = made.task(repeats=2, metric_list=[{"metric": own}, {"metric": "exact_match", "reduction": "mean"}])
    assert scores(task, "a0 xxx", "xxx a1") == [
        {"length": 2, "exact_match_mean": 0.5},
        {"length": 3, "exact_match_mean": 0.5},
    ]


def test_filters_come_before_the_reduction(made: TaskMaker) -> None:
    task = made.task(
        filter_list=[{"name": "found", "filter": [{"function": "regex", "regex_pattern": r"(a\d)"}]}],
        **reduced("majority"),
    )
    majority = [one["exact_match_majority"] for one in scores(task, "(a0) a0! b", "b c a1")]
    assert majority == [1.0, 0.0]


def test_every_number_of_a_metric_function_is_reduced(made: TaskMaker) -> None:
    own = made.function("def both(items):\n    return {'size': len(items[1]), 'same': items[0] == items[1]}")
    task = made.task(repeats=2, metric_list=[{"metric": own, "reduction": "mean", "aggregation": "median"}])
    assert scores(task, "a0 xxxx", "x x") == [
        {"size_mean": 3.0, "same_mean": 0.5},
        {"size_mean": 1.0, "same_mean": 0.0},
    ]
    found = task.scorer.aggregate(scored(task, *[[text("x"), text("y")]] * 2), compat=False)
    assert [one.metric for one in found] == ["size_mean", "same_mean"]
    assert set(task.scorer.metrics) == {"size_mean", "same_mean"}


def test_a_scorer_reduces_too(made: TaskMaker) -> None:
    task = made.task(repeats=3, scorer={"type": "first_token", "reduction": "mean"})
    assert scores(task, "a0. A0 x", "x x x") == [
        {"exact_match_mean": pytest.approx(2 / 3)},
        {"exact_match_mean": 0.0},
    ]


def test_pipelines_have_metrics_of_their_own(made: TaskMaker) -> None:
    first = {"name": "first", "filter": [{"function": "take_first"}]}
    voted = {
        "name": "voted",
        "filter": [],
        "metric_list": [{"metric": "exact_match", "reduction": "majority", "aggregation": "median"}],
    }
    task = made.task(repeats=3, filter_list=[first, voted])
    samples = scored(task, *[list(map(text, own)) for own in (["a0", "x", "x"], ["x", "a1", "a1"])])
    found = {(one.metric, one.filter): one.value for one in task.scorer.aggregate(samples, compat=False)}
    assert found == {("exact_match", "first"): 0.5, ("exact_match_majority", "voted"): 1.0}


OWN_SCORES = """def own(doc, results):
    (text,) = results
    return {"hit": float(text == doc["answer"]), "length": len(text)}"""


def test_a_tasks_own_scoring_is_done_for_each_answer_and_reduced(made: TaskMaker) -> None:
    metrics = [{"metric": "hit", "reduction": ["first", "mean", "majority", "pass@2"]}]
    task = made.task(repeats=3, process_results=made.function(OWN_SCORES), metric_list=metrics)
    found = scored(task, *[list(map(text, own)) for own in (["a0", "x", "xx"], ["x", "a1", "a1"])])
    assert [dict(sample.scores) for sample in found] == [
        pytest.approx({"hit": 1.0, "hit_mean": 1 / 3, "hit_majority": 1.0, "hit_pass@2": 2 / 3, "length": 2}),
        pytest.approx({"hit": 0.0, "hit_mean": 2 / 3, "hit_majority": 1.0, "hit_pass@2": 1.0, "length": 1}),
    ]
    names = {"hit", "hit_mean", "hit_majority", "hit_pass@2", "length"}
    assert {one.metric for one in task.scorer.aggregate(found, compat=False)} == names
    assert set(task.scorer.metrics) == names - {"length"}


def test_a_tasks_own_scoring_without_a_reduction_gets_what_the_filters_leave(made: TaskMaker) -> None:
    own = made.function("def own(doc, results):\n    return {'seen': len(results[0])}")
    every = {"name": "every", "filter": [{"function": "lowercase"}]}
    task = made.task(repeats=3, process_results=own, metric_list=[{"metric": "seen"}], filter_list=[every])
    assert scores(task, "a b c", "a b c") == [{"seen": 3}] * 2


def test_scores_of_other_names_for_another_answer_cannot_be_reduced(made: TaskMaker) -> None:
    own = made.function("def own(doc, results):\n    return {results[0]: 1.0}")
    task = made.task(process_results=own, **reduced("mean"))
    with pytest.raises(TaskError, match=r"document 0: .*scores of different names"):
        scores(task, "a b c", "a b c")


TAKE, VOTE = {"function": "take_first"}, {"function": "majority_vote"}
LOWER, THREE = {"function": "lowercase"}, {"function": "take_first_k", "k": 3}


@pytest.mark.parametrize(
    ("pipelines", "read"),
    [
        (None, 1),
        ([[LOWER, TAKE]], 1),
        ([[LOWER, TAKE], [LOWER]], 8),
        ([[LOWER, VOTE, TAKE]], 8),
        ([[THREE, VOTE, TAKE]], 3),
        ([[TAKE], [THREE]], 3),
    ],
)
def test_how_many_answers_count_is_told_by_the_filters(
    made: TaskMaker, pipelines: list[list[dict[str, Any]]] | None, read: int
) -> None:
    written = None if pipelines is None else [{"name": f"p{i}", "filter": p} for i, p in enumerate(pipelines)]
    assert made.task(filter_list=written, repeats=8).scorer.answers_read(8) == read
    assert made.task(filter_list=written).scorer.answers_read(1) == 1


@pytest.mark.parametrize(
    ("reductions", "read"), [(("first",), 1), (("first", "mean"), 8), (("pass@2",), 8), (("majority",), 8)]
)
def test_how_many_answers_count_is_told_by_the_reductions(
    made: TaskMaker, reductions: tuple[str, ...], read: int
) -> None:
    assert made.task(**reduced(*reductions)).scorer.answers_read(8) == read


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {**reduced("mean"), "filter_list": [{"name": "first", "filter": [{"function": "take_first"}]}]},
            "needs all repeats of a document; leave `take_first` out",
        ),
        (reduced("means"), "Unknown reduction 'means': did you mean 'mean'?"),
        (reduced("pass@k"), "needs a number for k"),
        (
            {**reduced("mean"), "output_type": "multiple_choice", "doc_to_choice": "choices"},
            "a reduction is for generated texts, the task is multiple_choice",
        ),
    ],
)
def test_a_wrong_reduction_is_said_before_anything_is_asked(
    made: TaskMaker, keys: dict[str, Any], message: str
) -> None:
    with pytest.raises(TaskError) as caught:
        made.task(**keys).scorer.check()
    assert message in str(caught.value)


def test_a_reduction_after_filters_that_leave_one_answer_says_what_is_wrong(made: TaskMaker) -> None:
    code = "def join(responses, docs):\n    return [' '.join(own) for own in responses]"
    joined = {"function": "custom", "filter_fn": made.function(code)}
    task = made.task(filter_list=[{"name": "one", "filter": [joined]}], **reduced("mean"))
    with pytest.raises(TaskError, match="needs all repeats of a document; leave `take_first` out"):
        scores(task, "a b c", "a b c")


def test_more_answers_than_repeats_cannot_be_asked_for(made: TaskMaker) -> None:
    with pytest.raises(TaskError, match=r"document 0: .*needs 5 repeats .*raise the task's `repeats`"):
        scores(made.task(**reduced("pass@5")), "a b c", "a b c")


def test_a_run_may_ask_more_often_but_only_for_texts(made: TaskMaker) -> None:
    options = AskOptions(repeats=4)
    assert made.task(options, repeats=2).builder.repeats == 4
    assert made.task(repeats=2).builder.repeats == 2
    choices: dict[str, Any] = {
        "output_type": "multiple_choice",
        "doc_to_choice": "choices",
        "doc_to_target": "label",
    }
    assert made.task(options, **choices).builder.repeats == 1
