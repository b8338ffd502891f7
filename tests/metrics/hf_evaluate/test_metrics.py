"""Metrics of Hugging Face evaluate that are here without the hub give what their scripts document."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metrics.errors import MetricError
from metrics.hf_evaluate.metrics import HF_METRICS, hf_metric, load_hf_metric

DOGS = [
    "The relationship between cats and dogs is not exactly friendly.",
    "a good bookshop is just a genteel black hole that knows how to read.",
]
CATS = [
    ["The relationship between dogs and cats is not exactly friendly."],
    ["A good bookshop is just a genteel Black Hole that knows how to read."],
]
MATCHING = [
    "does this sentence match??",
    "what about this sentence?",
    "What did the TER metric user say to the developer?",
]
MATCHED = [
    ["does this sentence match", "does this sentence match!?!"],
    ["wHaT aBoUt ThIs SeNtEnCe?", "wHaT aBoUt ThIs SeNtEnCe?"],
    ["Your jokes are...", "...TERrible"],
]
KENOBI = ["hello there general kenobi", "on our way to ankh morpork"]
MORPORK = [["hello there general kenobi", "hello there !"], ["goodbye ankh morpork", "ankh morpork"]]
SAID = ["this is the prediction", "there is an other sample"]
MEANT = ["this is the reference", "there is another one"]
EXACT = (["cat?", "theater", "yelling", "agent"], ["the cat", "theater", "YELLING", "agent007"])
LABELS = ([0, 2, 1, 0, 0, 1], [0, 1, 2, 0, 1, 2])
BINARY = ([0, 0, 1, 1, 0], [0, 1, 0, 1, 0])

# The examples in the documentation of the scripts.
DOCUMENTED: list[tuple[str, Any, Any, dict[str, Any], Any]] = [
    ("accuracy", [0, 1, 2, 0, 1, 2], [0, 1, 1, 2, 1, 0], {}, {"accuracy": 0.5}),
    ("accuracy", [0, 1, 2, 0, 1, 2], [0, 1, 1, 2, 1, 0], {"normalize": False}, {"accuracy": 3.0}),
    ("f1", *BINARY, {}, {"f1": 0.5}),
    ("f1", *BINARY, {"pos_label": 0}, {"f1": pytest.approx(2 / 3)}),
    ("f1", *BINARY, {"sample_weight": [0.9, 0.5, 3.9, 1.2, 0.3]}, {"f1": pytest.approx(0.35, abs=0.005)}),
    ("f1", *LABELS, {"average": "macro"}, {"f1": pytest.approx(0.27, abs=0.005)}),
    ("f1", *LABELS, {"average": "micro"}, {"f1": pytest.approx(0.33, abs=0.005)}),
    ("precision", *BINARY, {}, {"precision": 0.5}),
    ("recall", [0, 1, 0, 1, 1], [0, 0, 1, 1, 1], {}, {"recall": pytest.approx(2 / 3)}),
    ("matthews_correlation", [1, 2, 2, 0, 3, 3], [1, 3, 2, 0, 3, 2], {},
     {"matthews_correlation": pytest.approx(0.54, abs=0.005)}),
    ("exact_match", *EXACT, {}, {"exact_match": 0.25}),
    ("exact_match", *EXACT, {"regexes_to_ignore": ["the ", "yell"], "ignore_case": True,
     "ignore_punctuation": True}, {"exact_match": 0.5}),
    ("exact_match", *EXACT, {"regexes_to_ignore": ["the ", "yell", "YELL"], "ignore_case": True,
     "ignore_punctuation": True, "ignore_numbers": True}, {"exact_match": 1.0}),
    ("wer", SAID, MEANT, {}, 0.5),
    ("cer", SAID, MEANT, {}, 0.34146341463414637),
    ("chrf", DOGS, CATS, {}, {"score": 84.64214891738334, "char_order": 6, "word_order": 0, "beta": 2}),
    ("chrf", DOGS, CATS, {"word_order": 2, "lowercase": True},
     {"score": 92.12853119829202, "char_order": 6, "word_order": 2, "beta": 2}),
    ("ter", MATCHING, MATCHED, {"case_sensitive": True},
     {"score": 150.0, "num_edits": 15, "ref_length": 10.0}),
    ("ter", MATCHING[:2], MATCHED[:2], {"case_sensitive": True, "normalized": True},
     {"score": 57.14285714285714, "num_edits": 6, "ref_length": 10.5}),
    ("ter", MATCHING, MATCHED, {"ignore_punct": True}, {"score": 100.0, "num_edits": 10, "ref_length": 10.0}),
    ("rouge", KENOBI, KENOBI, {}, {"rouge1": 1.0, "rouge2": 1.0, "rougeL": 1.0, "rougeLsum": 1.0}),
    ("squad", [{"prediction_text": "1976", "id": "x"}],
     [{"answers": {"answer_start": [97], "text": ["1976"]}, "id": "x"}], {},
     {"exact_match": 100.0, "f1": 100.0}),
    ("squad_v2", [{"prediction_text": "1976", "id": "x", "no_answer_probability": 0.0}],
     [{"answers": {"answer_start": [97], "text": ["1976"]}, "id": "x"}], {},
     {"exact": 100.0, "f1": 100.0, "total": 1, "HasAns_exact": 100.0, "HasAns_f1": 100.0, "HasAns_total": 1,
      "best_exact": 100.0, "best_exact_thresh": 0.0, "best_f1": 100.0, "best_f1_thresh": 0.0}),
]  # fmt: skip

NEEDS = {"rouge": "rouge_score", **dict.fromkeys(("accuracy", "f1", "precision", "recall"), "sklearn")}


def compute(name: str, predictions: Any, references: Any, **options: Any) -> Any:
    metric = hf_metric(name)
    assert metric is not None
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    return metric.compute(predictions=predictions, references=references, **options)


@pytest.mark.parametrize(("name", "predictions", "references", "options", "documented"), DOCUMENTED)
def test_documented_examples(
    name: str, predictions: Any, references: Any, options: dict[str, Any], documented: Any
) -> None:
    assert compute(name, predictions, references, **options) == documented


def test_scores_over_a_corpus_of_translations() -> None:
    found = compute("sacrebleu", KENOBI, MORPORK)
    assert list(found) == ["score", "counts", "totals", "precisions", "bp", "sys_len", "ref_len"]
    assert found["score"] == pytest.approx(39.8, abs=0.05)
    found = compute("bleu", KENOBI, MORPORK)
    # 6 of 10 words, 4 of 8 pairs, 2 of 6 and 1 of 4 longer ones; 10 words where 2 + 2 are the shortest
    assert found["precisions"] == [6 / 10, 4 / 8, 2 / 6, 1 / 4]
    assert found["bleu"] == pytest.approx((6 / 10 * 4 / 8 * 2 / 6 * 1 / 4) ** 0.25)
    assert (found["brevity_penalty"], found["translation_length"], found["reference_length"]) == (1.0, 10, 5)


def test_bleu_is_smoothed_and_shortened_as_asked() -> None:
    found = compute("bleu", ["the cat"], ["the cat sat"], max_order=2)
    assert found["bleu"] == pytest.approx(np.exp(1 - 3 / 2))
    assert compute("bleu", ["the cat"], ["the dog sat"], max_order=2)["bleu"] == 0.0
    smooth = compute("bleu", ["the cat"], ["the dog sat"], max_order=2, smooth=True)
    assert smooth["precisions"] == [2 / 3, 1 / 2]
    assert compute("bleu", ["a.b"], ["a.b"], tokenizer=str.split)["translation_length"] == 1
    assert compute("bleu", ["a.b"], ["a.b"])["translation_length"] == 3
    assert compute("bleu", [""], ["a"])["bleu"] == 0.0


def test_rouge_over_a_corpus_does_not_depend_on_what_was_drawn_before() -> None:
    corpus = [f"{word} is what is said" for word in "abcdefgh"]
    meant = [f"{word} is said" for word in "abcdxyzw"]
    np.random.seed(7)
    first = compute("rouge", corpus, meant, rouge_types=["rouge1"])
    state = np.random.get_state(legacy=False)["state"]["key"]
    np.random.seed(8)
    assert compute("rouge", corpus, meant, rouge_types=["rouge1"]) == first
    np.random.seed(7)
    assert (np.random.get_state(legacy=False)["state"]["key"] == state).all()
    each = compute("rouge", corpus, meant, rouge_types=["rouge1"], use_aggregator=False)["rouge1"]
    assert len(each) == 8
    assert first["rouge1"] == pytest.approx(np.mean(each), abs=0.02)


def test_squad_knows_questions_without_an_answer() -> None:
    predictions = [
        {"id": "right", "prediction_text": "The cat!", "no_answer_probability": 0.1},
        {"id": "part", "prediction_text": "a black cat", "no_answer_probability": 0.2},
        {"id": "none", "prediction_text": "", "no_answer_probability": 0.9},
        {"id": "made up", "prediction_text": "dog", "no_answer_probability": 0.95},
    ]
    golds = {"right": ["dog", "cat"], "part": ["cat"], "none": [], "made up": []}
    references = [{"id": key, "answers": {"text": texts}} for key, texts in golds.items()]
    found = compute("squad_v2", predictions, references)
    assert found["exact"] == 50.0
    assert found["f1"] == pytest.approx((1 + 2 / 3 + 1 + 0) / 4 * 100)
    assert (found["HasAns_exact"], found["NoAns_exact"], found["NoAns_total"]) == (50.0, 50.0, 2)
    # above 0.1 "no answer" is better taken for an answer
    assert (found["best_exact"], found["best_exact_thresh"]) == (75.0, pytest.approx(0.1))
    assert (found["best_f1"], found["best_f1_thresh"]) == (
        pytest.approx((2 + 1 + 2 / 3) / 4 * 100),
        pytest.approx(0.2),
    )


def test_labels_may_be_numbers_in_texts_and_nothing_else() -> None:
    assert compute("accuracy", ["1", 0, 2.0], [1, "0", 2]) == {"accuracy": 1.0}
    with pytest.raises(MetricError, match="accuracy compares labels, which are integers: invalid literal"):
        compute("accuracy", ["yes"], ["yes"])


@pytest.mark.parametrize(
    ("name", "predictions", "references", "options", "message"),
    [
        ("wer", ["a"], ["a", "b"], {}, "two lists of one length"),
        ("wer", [["a"]], ["a"], {}, r"wer compares texts, not \['a'\]; a `take_first` filter"),
        ("wer", ["a"], [" "], {}, "the references are empty"),
        ("f1", [1], [1], {"averge": "macro"}, "Unknown option of f1: 'averge': did you mean 'average'?"),
        ("f1", [0, 1, 2], [0, 1, 2], {}, "f1 cannot use these values: Target is multiclass"),
        ("chrf", DOGS, [["a"], ["a", "b"]], {}, "the same number of references"),
        (
            "squad",
            [{"id": "x", "prediction_text": ""}],
            [{"id": "x", "answers": {"text": []}}],
            {},
            "squad_v2",
        ),
        ("squad_v2", [{"id": "x"}], [{"id": "x"}], {}, "squad_v2 cannot use these values: 'prediction_text'"),
    ],
)
def test_what_a_metric_cannot_use_is_an_error(
    name: str, predictions: Any, references: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(MetricError, match=message):
        compute(name, predictions, references, **options)


def test_a_metric_that_is_nowhere_is_an_error_with_the_nearest_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert load_hf_metric("wer", [])(predictions=["a"], references=["b"]) == 1.0
    with pytest.raises(MetricError, match="Unknown metric 'rogue': did you mean 'rouge'"):
        load_hf_metric("rogue", [])


def test_no_code_of_others_is_loaded_by_a_metrics_name() -> None:
    for name in ("someone/metric", "./metric", "metric.py", "../x"):
        with pytest.raises(MetricError, match="is no metric of Hugging Face evaluate"):
            load_hf_metric(name, [])


def test_no_script_of_the_current_folder_is_run_by_a_metrics_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "nicely" / "nicely.py"
    script.parent.mkdir()
    script.write_text("raise SystemExit('it ran')")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MetricError, match=r"nicely\.py of the current folder"):
        load_hf_metric("nicely", [])


@pytest.mark.skipif(importlib.util.find_spec("evaluate") is None, reason="evaluate is not installed")
def test_values_pass_through_evaluate_unchanged() -> None:
    """What evaluate makes of inputs before a script sees them is what is made of them here."""
    import datasets

    for name, kind, values in (("wer", "string", ["a", 3, 2.5, True]), ("f1", "int32", ["3", 2, 1.0, True])):
        cast = datasets.Value(kind)
        assert HF_METRICS[name].inputs(name, values) == [cast.encode_example(value) for value in values]
