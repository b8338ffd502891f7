"""Scores of single documents: choices, log-likelihoods, generated texts."""

import math
from typing import Any

import pytest

from metrics.errors import MetricError
from metrics.scores.choices import resolve_gold
from metrics.scores.text import GeneratedText, exact_match, function_scores, match_type
from tests.support.scores import choice_scores, loglikelihood_scores, rolling_scores, text_scores

CHOICES = ("no", "certainly", "né")  # 2, 9 and 2 letters; 2, 9 and 3 bytes
LLS = (-3.0, -9.0, -3.4)


def scores(
    *names: str,
    lls: Any = LLS,
    greedy: Any = (False, True, False),
    gold: int | list[int] = 1,
    multiple: bool = False,
    unconditional: Any = None,
) -> Any:
    return choice_scores(
        lls, greedy, CHOICES, gold, multiple_targets=multiple, metrics=names, unconditional=unconditional
    )


def test_the_most_likely_choice_is_the_answer_and_length_can_change_it() -> None:
    assert scores("acc", "acc_norm", "acc_bytes", "exact_match") == {
        "acc": 0.0,
        "acc_norm": 1.0,
        "acc_bytes": 1.0,
        "exact_match": 1,
    }
    lls = (-3.0, -30.0, -3.9)
    assert scores("acc_norm", "acc_bytes", lls=lls, gold=2) == {"acc_norm": 0.0, "acc_bytes": 1.0}


def test_of_equally_likely_choices_the_first_is_the_answer() -> None:
    assert scores("acc", lls=(-1.0, -1.0, -1.0), gold=0) == {"acc": 1.0}


def test_mutual_information_takes_off_what_the_choice_has_without_the_prompt() -> None:
    assert scores("acc_mutual_info", unconditional=(-3.0, -12.0, -3.0)) == {"acc_mutual_info": 1.0}
    with pytest.raises(MetricError, match="without the prompt"):
        scores("acc_mutual_info")


def test_pairs_for_corpus_metrics_hold_gold_and_answer() -> None:
    assert scores("f1", "mcc", "likelihood") == {"f1": (1, 0), "mcc": (1, 0), "likelihood": (1, LLS)}


def test_brier_probabilities_are_the_softmax_of_the_log_likelihoods() -> None:
    gold, probabilities = scores("brier_score", lls=(math.log(0.2), math.log(0.6), math.log(0.2)))[
        "brier_score"
    ]
    assert gold == 1
    assert probabilities == pytest.approx([0.2, 0.6, 0.2])


SHARES = tuple(math.log(share / 2) for share in (0.2, 0.5, 0.3))  # half of the probability is elsewhere


def test_the_probability_of_the_right_choice_is_its_share_of_all_choices() -> None:
    found = scores("logprob", "choice_logprob", lls=SHARES, gold=2)
    assert found == pytest.approx({"logprob": math.log(0.15), "choice_logprob": math.log(0.3)})


def test_lengths_are_in_bytes_where_choices_are_compared_by_length() -> None:
    lls = tuple(size * math.log(share) for size, share in zip((2, 9, 3), (0.2, 0.1, 0.4), strict=True))
    found = scores("bpb", "choice_prob_norm", "choice_logprob_norm", lls=lls, gold=2)
    assert found == pytest.approx(
        {"bpb": math.log2(1 / 0.4), "choice_prob_norm": 4 / 7, "choice_logprob_norm": math.log(4 / 7)}
    )


def test_several_right_choices_count_together_or_by_the_best_of_them() -> None:
    lls = tuple(size * math.log(share) for size, share in zip((2, 9, 3), (0.2, 0.1, 0.4), strict=True))
    names = ("logprob", "bpb", "choice_logprob", "choice_prob_norm", "exact_match_mc")
    found = scores(*names, lls=lls, gold=[0, 2, -1], multiple=True)
    weights = [math.exp(ll) for ll in lls]
    assert found == pytest.approx(
        {
            "exact_match_mc": 0,
            "logprob": 3 * math.log(0.4),
            "bpb": math.log2(1 / 0.4),
            "choice_logprob": math.log((weights[0] + weights[2]) / sum(weights)),
            "choice_prob_norm": 6 / 7,
        }
    )


def test_greedy_decoding_would_say_the_right_choice() -> None:
    assert scores("exact_match_mc", gold=1) == {"exact_match_mc": 1}
    assert scores("exact_match_mc", gold=0) == {"exact_match_mc": 0}


def test_a_negative_label_counts_from_the_end_as_it_does_for_exact_match() -> None:
    assert scores("logprob", gold=-1) == {"logprob": -3.4}


@pytest.mark.parametrize(
    "name", ["logprob", "bpb", "choice_logprob", "choice_prob_norm", "choice_logprob_norm"]
)
def test_without_a_right_choice_it_has_no_probability(name: str) -> None:
    with pytest.raises(MetricError, match=f"{name} needs a right choice"):
        scores(name, gold=-100)


@pytest.mark.parametrize("name", ["bpb", "choice_prob_norm", "choice_logprob_norm"])
def test_what_is_per_byte_has_no_value_where_a_choice_is_empty(name: str) -> None:
    with pytest.raises(MetricError, match="choice 1 is empty"):
        choice_scores((-1.0, 0.0), (True, False), ("a", ""), 0, multiple_targets=False, metrics=[name])


def test_any_of_several_right_choices_is_right() -> None:
    assert scores("acc", "exact_match", gold=[0, 2], multiple=True) == {"acc": 1.0, "exact_match": 0}
    with pytest.raises(MetricError, match="one right choice"):
        scores("acc", gold=[0, 2])


def test_a_label_that_is_no_choice_is_wrong() -> None:
    assert scores("acc", "exact_match", gold=-100) == {"acc": 0.0, "exact_match": 0}


@pytest.mark.parametrize(
    ("gold", "index"), [(1, 1), (3, -100), (-1, -1), ("né", 2), ("yes", -100), ([0, 7], [0, -100]), (True, 1)]
)
def test_a_label_is_resolved_to_an_index(gold: Any, index: Any) -> None:
    assert resolve_gold(gold, CHOICES) == index


def test_a_label_that_cannot_be_an_index_is_a_metric_error() -> None:
    with pytest.raises(MetricError, match="None"):
        resolve_gold(None, CHOICES)


def test_an_empty_choice_does_not_break_the_normalised_accuracy() -> None:
    values = choice_scores(
        (-1.0, -2.0), (True, False), ("", "b"), 0, multiple_targets=False, metrics=["acc_norm"]
    )
    assert values == {"acc_norm": 0.0}


def test_missing_log_likelihoods_are_a_metric_error() -> None:
    with pytest.raises(MetricError, match="2 log-likelihoods"):
        scores("acc", lls=(-1.0, -2.0))


def test_loglikelihood_scores() -> None:
    assert loglikelihood_scores(-2.5, True, ["acc", "perplexity"]) == {"perplexity": -2.5, "acc": 1}
    assert loglikelihood_scores(-2.5, False, ["acc"]) == {"acc": 0}


def test_loglikelihoods_in_nats_and_in_bits_per_byte_of_the_target() -> None:
    found = loglikelihood_scores(-10 * math.log(2), True, ["logprob", "bpb"], target=" né né")
    assert found == pytest.approx({"logprob": -10 * math.log(2), "bpb": 10 / 8})


@pytest.mark.parametrize("target", [None, ""])
def test_without_a_target_there_are_no_bits_per_byte(target: Any) -> None:
    with pytest.raises(MetricError, match="bpb"):
        loglikelihood_scores(-2.5, True, ["bpb"], target=target)


@pytest.mark.parametrize(
    ("prediction", "score"), [("Paris", 1.0), (" the  PARIS\n", 0.0), ("  new\nYORK ", 1.0), ("Paris.", 0.0)]
)
def test_a_text_is_the_right_choice_whatever_its_case_and_white_space(prediction: str, score: Any) -> None:
    golds = ["paris", "New York"]
    assert text_scores("exact_match_mc", golds, prediction, {}, multiple_targets=True) == score


def test_the_right_choice_as_a_text_takes_no_options() -> None:
    with pytest.raises(MetricError, match="Unknown option of exact_match_mc"):
        text_scores("exact_match_mc", "a", "a", {"ignore_case": True})


def test_rolling_scores_count_words_and_bytes() -> None:
    expected = {"word_perplexity": (-7.0, 3), "byte_perplexity": (-7.0, 10), "bits_per_byte": (-7.0, 10)}
    assert rolling_scores(-7.0, "zwei Äpfe ", list(expected)) == {
        **expected,
        "byte_perplexity": (-7.0, 11),
        "bits_per_byte": (-7.0, 11),
    }


@pytest.mark.parametrize(
    ("gold", "prediction", "options", "score"),
    [
        ("Paris", "Paris", {}, 1.0),
        ("Paris", "paris", {}, 0.0),
        ("Paris", "paris", {"ignore_case": True}, 1.0),
        ("Paris", "Paris!", {"ignore_punctuation": True}, 1.0),
        ("Paris", "Paris 7", {"ignore_numbers": True}, 0.0),
        ("1,234", "$1,234.", {"regexes_to_ignore": [",", r"\$", r"\.$"]}, 1.0),
        ("a", "a ", {}, 0.0),
        ("a", "a\0", {}, 1.0),
        (3, 3, {}, 1.0),
        ("a", ["a", "b"], {}, 0.5),
    ],
)
def test_exact_match(gold: Any, prediction: str, options: dict[str, Any], score: Any) -> None:
    assert text_scores("exact_match", gold, prediction, options) == score


def test_exact_match_of_several_targets_is_right_if_one_is() -> None:
    assert text_scores("exact_match", ["a", "b"], "b", {}, multiple_targets=True) == 1.0
    assert text_scores("exact_match", ["a", "b"], "c", {}, multiple_targets=True) == 0.0
    assert text_scores("exact_match", "c", "c", {}, multiple_targets=True) == 1.0
    assert exact_match(["a", "b"], ["b", "b"]) == 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ignore_cases": True}, "did you mean 'ignore_case'"),
        ({"regexes_to_ignore": ["("]}, "no regular expression"),
        ({"regexes_to_ignore": ","}, "list of texts"),
        ({"regexes_to_ignore": 5}, "list of texts"),
    ],
)
def test_a_wrong_option_of_exact_match_is_a_metric_error(options: dict[str, Any], message: str) -> None:
    with pytest.raises(MetricError, match=message):
        text_scores("exact_match", "a", "a", options)


def test_corpus_metrics_get_the_pair() -> None:
    assert text_scores("bleu", "gold", "said", {}) == ["gold", "said"]
    assert text_scores("bleu", ["one", "two"], "said", {}, multiple_targets=True) == [["one", "two"], "said"]
    assert text_scores("bypass", "gold", "said", {}) is None
    with pytest.raises(MetricError, match="did you mean 'bleu'"):
        text_scores("bleau", "gold", "said", {})


def test_a_function_of_task_code_is_called_as_its_signature_asks() -> None:
    def by_name(references: Any, predictions: Any, scale: Any) -> Any:
        return scale * float(references == predictions)

    def by_pair(items: Any) -> Any:
        return {"same": items[0] == items[1], "size": len(items[1])}

    assert function_scores("m", by_name, GeneratedText("a", "a"), {"scale": 2}) == {"m": 2.0}
    assert function_scores("m", by_pair, GeneratedText("a", "b"), {}) == {"same": False, "size": 1}
    assert function_scores("same", by_pair, GeneratedText(["x", "b"], "b", True), {}) == {"same": 1.0}


def test_a_target_is_written_as_the_prediction_is() -> None:
    assert match_type(7, "7") == "7"
    assert match_type("a", ["a", "b"]) == "a"
    with pytest.raises(MetricError, match="target 'a' cannot be compared with None"):
        match_type("a", None)


def test_exact_match_of_nothing_is_a_metric_error() -> None:
    with pytest.raises(MetricError, match="the document has none"):
        text_scores("exact_match", [], "a", {}, multiple_targets=True)
    with pytest.raises(MetricError, match="an empty list"):
        text_scores("exact_match", "a", [], {})
