"""Responses become scores through the filters, metrics and aggregations that the task names."""

import math
from pathlib import Path
from typing import Any

import pytest

from backends.requests import Response
from tasks_lib.ask_options import AskOptions
from tasks_lib.errors import TaskError
from tasks_lib.files.config import FunctionRef
from tasks_lib.scoring.scorer import MetricScore, Sample
from tasks_lib.task import Task
from tests.support.task_maker import ROWS, TaskMaker, likely, scored, text

CHOICES: dict[str, Any] = {
    "output_type": "multiple_choice",
    "doc_to_choice": "choices",
    "doc_to_target": "label",
}
FIRST = {"name": "first", "filter": [{"function": "take_first"}]}
LOUD = {"name": "loud", "filter": [{"function": "uppercase"}, {"function": "take_first"}]}


@pytest.fixture
def made(maker: TaskMaker) -> TaskMaker:
    """Two documents, whose answers are a0 and a1."""
    maker.data(ROWS[:2])
    return maker


def metric(of: object, **keys: object) -> dict[str, Any]:
    return {"metric_list": [{"metric": of, **keys}]}


def aggregates(task: Task, *answers: Response | list[Response]) -> dict[tuple[str, str], MetricScore]:
    found = task.scorer.aggregate(scored(task, *answers), compat=False)
    return {(one.metric, one.filter): one for one in found}


def scores(samples: list[Sample]) -> list[dict[str, Any]]:
    return [dict(sample.scores) for sample in samples]


def refusal(task: Task) -> str:
    with pytest.raises(TaskError) as caught:
        task.scorer.check()
    return str(caught.value)


# Filters


def test_without_filters_the_first_response_of_each_document_counts(made: TaskMaker) -> None:
    samples = scored(made.task(repeats=2), [text("a0"), text("x")], [text("x"), text("a1")])
    assert [(one.filter, list(one.filtered)) for one in samples] == [("none", ["a0"]), ("none", ["x"])]
    assert scores(samples) == [{"exact_match": 1.0}, {"exact_match": 0.0}]


REGISTERED = """
from lm_eval.api.registry import register_filter
from lm_eval.filters.extraction import RegexFilter

@register_filter("first_letters")
class FirstLetters(RegexFilter):
    def __init__(self, count=1):
        self.count = count

    def apply(self, resps, docs):
        return [[one[:self.count] for one in own] for own in resps]

def answer(doc):
    return doc["answer"]
"""


def registered(maker: TaskMaker, code: str, **options: object) -> Any:
    """What the filter `first_letters` leaves of "a0", in a task whose Python is that code."""
    (maker.folder / "functions.py").write_text(code)
    steps = [{"function": "first_letters", **options}, {"function": "take_first"}]
    target = FunctionRef(maker.folder, "functions.answer")
    task = maker.task(filter_list=[{"name": "short", "filter": steps}], doc_to_target=target)
    return scored(task, text("a0"), text("a1"))[0].filtered[0]


def test_a_filter_that_the_tasks_own_python_registers_is_found_by_its_name(made: TaskMaker) -> None:
    assert registered(made, REGISTERED) == "a"
    assert registered(made, REGISTERED, count=2) == "a0"


def test_a_registered_name_means_the_filter_of_the_tasks_own_python(tmp_path: Path) -> None:
    left = []
    for folder, cut in (("one", "[:self.count]"), ("other", "[-self.count:]"), ("one", "[:0]")):
        maker = TaskMaker(tmp_path / folder)
        maker.data(ROWS[:2])
        left.append(registered(maker, REGISTERED.replace("[:self.count]", cut)))
    assert left == ["a", "0", ""]


def test_a_name_that_another_tasks_python_registers_is_unknown(tmp_path: Path) -> None:
    makers = [TaskMaker(tmp_path / folder) for folder in ("with", "without")]
    for maker in makers:
        maker.data(ROWS[:2])
    registered(makers[0], REGISTERED)
    with pytest.raises(TaskError, match="Unknown filter 'first_letters'"):
        registered(makers[1], "def answer(doc): return doc['answer']")


def test_each_pipeline_gives_samples_and_numbers_of_its_own(made: TaskMaker) -> None:
    task = made.task(filter_list=[FIRST, LOUD], doc_to_target="{{answer|upper}}")
    samples = scored(task, text("a0"), text("A1"))
    assert [(one.filter, *one.filtered) for one in samples] == [
        ("first", "a0"),
        ("first", "A1"),
        ("loud", "A0"),
        ("loud", "A1"),
    ]
    found = aggregates(task, text("a0"), text("A1"))
    assert [(key, one.value) for key, one in found.items()] == [
        (("exact_match", "first"), 0.5),
        (("exact_match", "loud"), 1.0),
    ]


def test_a_filter_of_the_task_gets_responses_and_documents(made: TaskMaker) -> None:
    own = made.function(
        "class Own:\n"
        "    def __init__(self, mark):\n        self.mark = mark\n"
        "    def apply(self, resps, docs):\n"
        "        return [doc['answer'] + self.mark + one[0] for one, doc in zip(resps, docs)]"
    )
    pipeline = {"name": "own", "filter": [{"function": own, "mark": "-"}]}
    samples = scored(made.task(filter_list=[pipeline]), text("x"), text("y"))
    assert [one.filtered for one in samples] == [["a0-x"], ["a1-y"]]


def test_filters_of_choices_see_a_response_of_each_choice(made: TaskMaker) -> None:
    samples = scored(made.task(**CHOICES), likely(-1.0), likely(-2.0, True), likely(-4.0), likely(-3.0))
    assert [one.filtered for one in samples] == [
        [(-1.0, False), (-2.0, True)],
        [(-4.0, False), (-3.0, False)],
    ]


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"function": "take_frist"}, "Unknown filter 'take_frist': did you mean 'take_first'?"),
        ({"function": "regex", "patern": "x"}, "did you mean 'regex_pattern'?"),
    ],
)
def test_a_filter_that_cannot_be_made_is_an_error_before_anything_is_scored(
    made: TaskMaker, step: dict[str, str], message: str
) -> None:
    said = refusal(made.task(filter_list=[{"name": "wrong", "filter": [step]}]))
    assert said.startswith("made: filter_list, wrong: ")
    assert message in said
    assert said.endswith(f"(in {made.file})")


# Scores by kind of task


def test_a_choice_is_right_where_the_target_is_most_likely(made: TaskMaker) -> None:
    found = aggregates(made.task(**CHOICES), likely(-1.0), likely(-2.0), likely(-4.0), likely(-3.0))
    assert {key: one.value for key, one in found.items()} == {
        ("acc", "none"): 0.5,
        ("acc_norm", "none"): 0.5,
    }


def test_mutual_information_takes_off_what_a_choice_is_worth_without_the_prompt(made: TaskMaker) -> None:
    task = made.task(**CHOICES, **metric("acc_mutual_info"))
    samples = scored(task, *map(likely, (-5.0, -3.0, -9.0, -1.0, -1.0, -2.0, -1.0, -2.0)))
    assert scores(samples) == [{"acc_mutual_info": 1.0}, {"acc_mutual_info": 1.0}]


def test_a_label_may_be_the_text_of_a_choice(made: TaskMaker) -> None:
    task = made.task(**{**CHOICES, "doc_to_target": "answer"})
    assert [one["acc"] for one in scores(scored(task, *map(likely, (-1.0, -2.0, -4.0, -3.0))))] == [1.0, 0.0]


def test_a_log_likelihood_gives_perplexity_and_accuracy(made: TaskMaker) -> None:
    found = aggregates(made.task(output_type="loglikelihood"), likely(-1.0, True), likely(-2.0))
    assert found["perplexity", "none"].value == pytest.approx(math.exp(1.5))
    assert found["acc", "none"].value == 0.5


def test_a_rolling_log_likelihood_is_weighed_by_words_and_bytes(made: TaskMaker) -> None:
    task = made.task(output_type="loglikelihood_rolling", doc_to_target="{{question}} {{answer}}")
    found = aggregates(task, likely(-1.0), likely(-2.0))
    assert found["word_perplexity", "none"].value == pytest.approx(math.exp(3 / 4))
    assert found["bits_per_byte", "none"].value == pytest.approx(3 / 10 / math.log(2))


def test_any_of_several_targets_is_right(made: TaskMaker) -> None:
    task = made.task(doc_to_target="choices")
    assert scores(scored(task, text("b0"), text("x"))) == [{"exact_match": 1.0}, {"exact_match": 0.0}]


def test_a_number_as_target_is_compared_as_text(made: TaskMaker) -> None:
    task = made.task(doc_to_target="label")
    assert scores(scored(task, text("0"), text("1"))) == [{"exact_match": 1.0}, {"exact_match": 0.0}]


def test_a_generation_with_choices_is_compared_with_the_text_of_the_right_one(made: TaskMaker) -> None:
    task = made.task(doc_to_target="label", doc_to_choice="choices")
    assert scores(scored(task, text("a0"), text("0"))) == [{"exact_match": 1.0}, {"exact_match": 0.0}]


def test_bits_per_byte_are_of_the_target_a_document_asks_for(made: TaskMaker) -> None:
    task = made.task(output_type="loglikelihood", doc_to_target=" {{answer}}!", **metric("bpb"))
    found = aggregates(task, likely(-4 * math.log(2)), likely(-8 * math.log(2)))
    assert found["bpb", "none"].value == pytest.approx(1.5)


def test_calibration_takes_its_bins_from_the_metric(made: TaskMaker) -> None:
    answers = [likely(math.log(share)) for share in (0.6, 0.4, 0.1, 0.9)]
    apart = aggregates(made.task(**CHOICES, **metric("ece", bins=10)), *answers)
    together = aggregates(made.task(**CHOICES, **metric("ece", bins=1)), *answers)
    assert apart["ece", "none"].value == pytest.approx((0.4 + 0.9) / 2)
    assert together["ece", "none"].value == pytest.approx(0.75 - 0.5)
    assert together["ece", "none"].stderr != apart["ece", "none"].stderr
    assert "did you mean 'bins'" in refusal(made.task(**CHOICES, **metric("ece", bin=10)))


# Metrics and aggregations of the task's own


def test_a_metric_may_be_a_function(made: TaskMaker) -> None:
    own = made.function("def length(references, predictions, times):\n    return times * len(predictions[0])")
    task = made.task(**metric(own, times=3, higher_is_better=False))
    found = aggregates(task, text("xx"), text("xxxx"))["length", "none"]
    assert (found.value, found.count) == (9.0, 2)
    assert task.scorer.metrics["length"].higher_is_better is False


def test_each_number_of_a_metric_function_is_aggregated_as_the_metric_is(made: TaskMaker) -> None:
    own = made.function("def both(items):\n    return {'size': len(items[1]), 'same': items[0] == items[1]}")
    task = made.task(**metric(own, aggregation="median", higher_is_better=True))
    found = aggregates(task, text("a0"), text("xxxx"))
    assert {key: one.value for key, one in found.items()} == {("size", "none"): 4.0, ("same", "none"): 1.0}
    assert {name: plan.higher_is_better for name, plan in task.scorer.metrics.items()} == {
        "size": True,
        "same": True,
        "both": True,
    }


@pytest.mark.parametrize("name", ["ece", "rouge1"])
def test_a_score_of_task_code_is_the_tasks_own_whatever_its_name(made: TaskMaker, name: str) -> None:
    own = made.function(f"def process_results(doc, results):\n    return {{'{name}': len(results[0])}}")
    task = made.task(process_results=own, **metric(name))
    assert aggregates(task, text("a"), text("abc"))[name, "none"].value == 2.0
    assert task.scorer.metrics[name].higher_is_better is None


def test_an_aggregation_may_be_a_function_with_a_bootstrapped_standard_error(made: TaskMaker) -> None:
    largest = made.function("def largest(items):\n    return max(items)")
    task = made.task(**metric("exact_match", aggregation=largest))
    found = aggregates(task, text("a0"), text("x"))["exact_match", "none"]
    # of two documents both are missed by a quarter of the resamples: sqrt(1/4 * 3/4)
    assert found.value == 1.0
    assert found.stderr == pytest.approx(0.433, abs=0.05)
    samples = scored(task, text("a0"), text("x"))
    assert task.scorer.aggregate(samples, compat=True) == [MetricScore("exact_match", "none", 1.0, None, 2)]


def test_an_aggregation_that_fails_on_a_resample_has_no_standard_error(made: TaskMaker) -> None:
    own = made.function("def both(items):\n    return {(0.0, 1.0): 1.0}[tuple(sorted(items))]")
    found = aggregates(made.task(**metric("exact_match", aggregation=own)), text("a0"), text("x"))
    assert found["exact_match", "none"] == MetricScore("exact_match", "none", 1.0, None, 2)


# Standard errors and intervals


def test_documents_of_one_cluster_count_as_one_source(maker: TaskMaker) -> None:
    maker.data([{**row, "source": position // 2} for position, row in enumerate(ROWS)])
    answers = [text(f"a{i}" if i < 4 else "x") for i in range(8)]
    alone = aggregates(maker.task(), *answers)["exact_match", "none"]
    clustered = aggregates(maker.task(cluster="source"), *answers)["exact_match", "none"]
    assert (alone.value, clustered.value) == (0.5, 0.5)
    assert alone.stderr == pytest.approx(math.sqrt(8 * 0.25 / 7 / 8))
    assert clustered.stderr == pytest.approx(math.sqrt(4 * (2 * 0.5) ** 2) / 8)
    asked = maker.task(AskOptions(cluster="{{question}}"), cluster="source")
    assert aggregates(asked, *answers)["exact_match", "none"].stderr == pytest.approx(math.sqrt(8 * 0.25) / 8)


def test_a_cluster_that_documents_lack_is_refused_before_anything_is_asked(made: TaskMaker) -> None:
    said = refusal(made.task(cluster="passage"))
    assert said.startswith(
        "made: cluster, document 0: KeyError: 'passage'; the document has question, answer"
    )


def test_a_share_has_the_interval_of_wilson(made: TaskMaker) -> None:
    found = aggregates(made.task(), text("a0"), text("x"))["exact_match", "none"]
    assert found.interval == pytest.approx((0.0945, 0.9055), abs=1e-4)


def test_process_results_gives_all_scores(made: TaskMaker) -> None:
    own = made.function(
        "def results(doc, results):\n    return {'mine': len(results[0]), 'acc': doc['label']}"
    )
    task = made.task(process_results=own, **metric("mine", aggregation="mean"))
    found = aggregates(task, text("xx"), text("xxxx"))
    assert {key: one.value for key, one in found.items()} == {("mine", "none"): 3.0, ("acc", "none"): 0.0}


def test_process_results_of_choices_gets_a_pair_a_choice(made: TaskMaker) -> None:
    own = made.function("def results(doc, results):\n    return {'mine': results[1][0]}")
    task = made.task(**CHOICES, process_results=own)
    assert [one["mine"] for one in scores(scored(task, *map(likely, (-1.0, -2.0, -4.0, -3.0))))] == [
        -2.0,
        -3.0,
    ]


def test_code_that_fails_while_scoring_is_named_with_the_document(made: TaskMaker) -> None:
    own = made.function("def results(doc, results):\n    return {'mine': 1 / len(results[0])}")
    task = made.task(process_results=own)
    with pytest.raises(TaskError, match=rf"made: scoring, document 1: ZeroDivisionError.*\(in {made.file}\)"):
        scored(task, text("x"), text(""))


def test_an_aggregation_that_fails_is_named_with_its_metric(made: TaskMaker) -> None:
    fail = made.function("def fail(items):\n    raise RuntimeError('no luck')")
    task = made.task(**metric("exact_match", aggregation=fail))
    with pytest.raises(TaskError, match="made: aggregation of exact_match: RuntimeError: no luck"):
        aggregates(task, text("x"), text("y"))


def test_values_that_an_aggregation_cannot_use_are_an_error(made: TaskMaker) -> None:
    own = made.function("def results(doc, results):\n    return {'mine': 'text'}")
    with pytest.raises(TaskError, match=r"made: aggregation of mine: .*'text'"):
        aggregates(made.task(process_results=own), text("x"), text("y"))


# Standard errors


def test_one_document_has_no_standard_error(maker: TaskMaker) -> None:
    maker.data(ROWS[:1])
    found = aggregates(maker.task(), text("a0"))["exact_match", "none"]
    assert found == MetricScore("exact_match", "none", 1.0, None, 1, aggregation="mean")


def test_a_mean_has_the_standard_error_of_a_mean(made: TaskMaker) -> None:
    found = aggregates(made.task(), text("a0"), text("x"))["exact_match", "none"]
    assert found.stderr == pytest.approx(math.sqrt(0.5) / math.sqrt(2))


def test_what_lm_eval_has_no_standard_error_for_has_one_unless_it_is_followed(made: TaskMaker) -> None:
    task = made.task(output_type="loglikelihood_rolling")
    samples = scored(task, likely(-1.0), likely(-2.0))
    assert all(one.stderr is not None for one in task.scorer.aggregate(samples, compat=False))
    assert all(one.stderr is None for one in task.scorer.aggregate(samples, compat=True))


# Metrics of Hugging Face evaluate


def test_a_metric_of_hugging_face_evaluate_scores_each_document(made: TaskMaker) -> None:
    pytest.importorskip("sklearn")
    numbers = {
        "name": "number",
        "filter": [{"function": "regex", "regex_pattern": r"(\d)"}, *FIRST["filter"]],
    }
    entries = [
        {"metric": "f1", "hf_evaluate": True, "average": "micro"},
        {"metric": "accuracy", "hf_evaluate": True},
    ]
    own = [{**entry, "aggregation": "mean", "higher_is_better": True} for entry in entries]
    task = made.task(filter_list=[numbers], metric_list=own, doc_to_target="{{answer[1:]}}")
    assert scores(scored(task, text("0."), text("it is 3"))) == [
        {"f1": 1.0, "accuracy": 1.0},
        {"f1": 0.0, "accuracy": 0.0},
    ]


def test_a_metric_that_is_not_ours_is_looked_for_in_hugging_face_evaluate(made: TaskMaker) -> None:
    entry = {"metric": "wer", "aggregation": "mean", "higher_is_better": False}
    task = made.task(metric_list=[entry], doc_to_target="{{answer}} b c d")
    assert scores(scored(task, text("a0 b"), text("a1 b c d"))) == [{"wer": 0.5}, {"wer": 0.0}]


def test_each_result_of_such_a_metric_is_a_number_of_the_task(made: TaskMaker) -> None:
    pytest.importorskip("rouge_score")
    task = made.task(
        **metric("rouge", hf_evaluate=True, rouge_types=["rouge1", "rougeL"], aggregation="mean")
    )
    found = aggregates(task, text("a0"), text("x"))
    assert {key: one.value for key, one in found.items()} == {
        ("rouge1", "none"): 0.5,
        ("rougeL", "none"): 0.5,
    }


def test_choices_are_scored_the_same_whether_or_not_the_metric_is_called_one_of_evaluate(
    made: TaskMaker,
) -> None:
    entry = {"metric": "f1", "hf_evaluate": True, "average": "weighted", "ignore_case": True}
    task = made.task(**CHOICES, metric_list=[{**entry, "aggregation": "f1", "higher_is_better": True}])
    samples = scored(task, likely(-1), likely(-2), likely(-2), likely(-1))
    assert scores(samples) == [{"f1": (0, 0)}, {"f1": (0, 1)}]


LOADS = """
import evaluate
from evaluate import load

wer = load("wer", keep_in_memory=True)

def rate(references, predictions):
    return wer.compute(references=references, predictions=predictions)

def characters(references, predictions):
    import evaluate as again
    return again.load("cer").compute(references=references, predictions=predictions)
"""


@pytest.mark.parametrize("name", ["rate", "characters"])
def test_task_code_loads_metrics_without_the_hub(
    name: str, made: TaskMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate = pytest.importorskip("evaluate")

    def hub(*args: object, **options: object) -> None:
        raise ConnectionError("there is no network")

    monkeypatch.setattr(evaluate, "load", hub)
    (made.folder / "functions.py").write_text(LOADS)
    keys = metric(FunctionRef(made.folder, f"functions.{name}"), aggregation="mean")
    assert scores(scored(made.task(**keys), text("a0"), text("xx"))) == [{name: 0.0}, {name: 1.0}]
    with pytest.raises(ConnectionError):
        evaluate.load("wer")  # this is no task code
    (made.folder / "functions.py").write_text(LOADS.replace('"wer"', '"rogue"'))
    assert "ConnectionError: there is no network" in refusal(made.task(**keys))


def test_task_code_loads_no_script_of_the_current_folder_for_a_metrics_name(
    made: TaskMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("evaluate")
    (tmp_path / "nicely").mkdir()
    (tmp_path / "nicely" / "nicely.py").write_text("raise SystemExit('it ran')")
    monkeypatch.chdir(tmp_path)
    (made.folder / "functions.py").write_text(LOADS.replace('"wer"', '"nicely"'))
    task = made.task(**metric(FunctionRef(made.folder, "functions.rate"), aggregation="mean"))
    assert "nicely.py of the current folder" in refusal(task)


# What cannot be scored is said before a model is asked


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"metric": "exact_macht"}, "Unknown metric 'exact_macht': did you mean 'exact_match'?"),
        ({"metric": "acc", "aggregation": "maen"}, "Unknown aggregation 'maen': did you mean 'mean'?"),
        (
            {"metric": "f1", "hf_evaluate": True, "averge": "macro"},
            "Unknown option of f1: 'averge': did you mean 'average'?",
        ),
    ],
)
def test_a_metric_that_cannot_be_used_is_an_error(
    made: TaskMaker, entry: dict[str, Any], message: str
) -> None:
    said = refusal(made.task(metric_list=[entry]))
    assert said.startswith("made: metric_list: ")
    assert message in said
    assert said.endswith(f"(in {made.file})")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"metric_list": []}, "metric_list: is empty; leave it out for exact_match"),
        (metric("acc"), "metric_list: acc gives no score of generated texts, only pairs for an aggregation"),
        (metric("exact_match", ignor_case=True), "Unknown option of exact_match: 'ignor_case': did you mean"),
        (metric("exact_match", regexes_to_ignore=5), "regexes_to_ignore must be a list of texts, not 5"),
        (metric("exact_match", regexes_to_ignore=["("]), "'(' is no regular expression"),
        ({"metric_list": [{"metric": "bleu"}, {"metric": "bleu"}]}, "metric_list: bleu is there twice"),
        ({**CHOICES, **metric("bleu")}, "bleu gives no score where output_type is multiple_choice: acc, f1"),
        (
            {"output_type": "loglikelihood", **metric("exact_match")},
            "loglikelihood: perplexity, acc, logprob, bpb do.",
        ),
        ({"output_type": "loglikelihood_rolling", **metric("acc")}, "loglikelihood_rolling: word_perplexity"),
        ({"filter_list": []}, "filter_list: is empty; leave it out for the first response as it is"),
        ({"filter_list": [FIRST, FIRST]}, "filter_list, first: two pipelines have this name"),
        (
            {"filter_list": [{"name": "f", "filter": [{"function": "regex", "regex_patern": "a"}]}]},
            "filter_list, f: Unknown option of filter 'regex': 'regex_patern': did you mean 'regex_pattern'?",
        ),
    ],
)
def test_what_would_give_no_score_is_an_error_before_the_model_is_asked(
    made: TaskMaker, keys: dict[str, Any], message: str
) -> None:
    said = refusal(made.task(**keys))
    assert message in said
    assert said.endswith(f"(in {made.file})")


def test_a_metric_whose_values_only_task_code_can_aggregate_may_have_any_registered_name(
    made: TaskMaker,
) -> None:
    share = made.function(
        "def share(items):\n    return sum(gold == said for gold, said in items) / len(items)"
    )
    found = aggregates(made.task(**metric("acc", aggregation=share)), text("a0"), text("x"))
    assert found["acc", "none"].value == 0.5


def test_task_code_that_scores_may_name_any_metric(made: TaskMaker) -> None:
    own = made.function("def results(doc, results):\n    return {'bleu': 1}")
    made.task(**CHOICES, process_results=own, metric_list=[{"metric": "bleu"}]).scorer.check()
    made.task(process_results=own, metric_list=[]).scorer.check()


@pytest.mark.parametrize("given", ["None", "[1]", "'acc'", "{1: 2}"])
def test_task_code_that_gives_no_scores_by_name_is_an_error_of_its_document(
    made: TaskMaker, given: str
) -> None:
    own = made.function(f"def results(doc, results):\n    return {given}")
    with pytest.raises(TaskError) as caught:
        scored(made.task(process_results=own), text("x"), text("y"))
    assert str(caught.value) == (
        f"made: scoring, document 0: process_results gives {given}, not a mapping of metric names to values "
        f"(in {made.file})"
    )


@pytest.mark.parametrize("kind", [CHOICES, {"output_type": "loglikelihood"}])
def test_a_filter_that_leaves_no_log_likelihood_is_an_error(made: TaskMaker, kind: dict[str, Any]) -> None:
    regex = {"name": "f", "filter": [{"function": "regex"}, {"function": "take_first"}]}
    with pytest.raises(TaskError, match=r"made: scoring, document 0: the filters give '\[invalid\]', not a"):
        scored(made.task(**kind, filter_list=[regex]), *[likely(-1.0)] * 4)


def test_an_index_that_is_no_choice_of_a_text_task_is_an_error(made: TaskMaker) -> None:
    task = made.task(doc_to_choice="choices", doc_to_target="{{7}}")
    with pytest.raises(
        TaskError, match="made: scoring, document 0: the label 7 is no index of the 2 choices"
    ):
        scored(task, text("x"), text("y"))


def test_texts_no_encoding_has_are_counted_in_bytes_all_the_same(maker: TaskMaker) -> None:
    maker.data([{"question": "?", "answer": "\ud800a", "choices": ["\ud800", "b"], "label": 0}])
    task = maker.task(**{**CHOICES, **metric("acc_bytes")})
    assert scores(scored(task, likely(-2.0), likely(-1.0))) == [{"acc_bytes": 1.0}]
    task = maker.task(output_type="loglikelihood_rolling")
    assert scores(scored(task, likely(-8.0)))[0]["byte_perplexity"] == (-8.0, 4)


def test_a_function_that_is_not_there_is_an_error(made: TaskMaker) -> None:
    own = made.function("def there():\n    pass")
    missing = type(own)(own.folder, "functions.missing")
    for task in (made.task(**metric(missing)), made.task(process_results=missing)):
        assert "has no `missing`" in refusal(task)
