"""What the metric scripts of Hugging Face evaluate compute, by the names and options of those scripts.

Each function takes predictions and references, one each a document, and gives what the script gives.
Packages that do the counting are imported when they are needed.
Source: https://github.com/huggingface/evaluate, folder `metrics`.
"""

import functools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from metrics.errors import MetricError
from metrics.scores.text import exact_match as share_equal

# What evaluate seeds numpy with for a metric that is loaded in a run of lm-eval: lm-eval's own seed.
SEED = 1234

# Labels


def accuracy(
    predictions: Sequence[int], references: Sequence[int], normalize: bool = True, sample_weight: Any = None
) -> dict[str, float]:
    from sklearn.metrics import accuracy_score

    score = accuracy_score(references, predictions, normalize=normalize, sample_weight=sample_weight)
    return {"accuracy": float(score)}


def f1(
    predictions: Sequence[int],
    references: Sequence[int],
    labels: Any = None,
    pos_label: int = 1,
    average: str | None = "binary",
    sample_weight: Any = None,
) -> dict[str, Any]:
    how = {"labels": labels, "pos_label": pos_label, "average": average, "sample_weight": sample_weight}
    return _label_score("f1", predictions, references, **how)


def _label_score(
    name: str,
    predictions: Sequence[int],
    references: Sequence[int],
    labels: Any = None,
    pos_label: int = 1,
    average: str | None = "binary",
    sample_weight: Any = None,
    zero_division: Any = "warn",
) -> dict[str, Any]:
    from sklearn import metrics

    score = getattr(metrics, f"{name}_score")(
        references,
        predictions,
        labels=labels,
        pos_label=pos_label,
        average=average,
        sample_weight=sample_weight,
        zero_division=zero_division,
    )
    return {name: _number(score)}


precision, recall = functools.partial(_label_score, "precision"), functools.partial(_label_score, "recall")


def matthews_correlation(
    predictions: Sequence[int], references: Sequence[int], sample_weight: Any = None
) -> dict[str, float]:
    from sklearn.metrics import matthews_corrcoef

    score = matthews_corrcoef(references, predictions, sample_weight=sample_weight)
    return {"matthews_correlation": float(score)}


def _number(score: Any) -> Any:
    """A single score as a float; with `average: null` there is one per class."""
    return float(score) if np.size(score) == 1 else score


# Texts


def exact_match(
    predictions: Sequence[str],
    references: Sequence[str],
    regexes_to_ignore: Sequence[str] | None = None,
    ignore_case: bool = False,
    ignore_punctuation: bool = False,
    ignore_numbers: bool = False,
) -> dict[str, float]:
    share = share_equal(
        references,
        predictions,
        regexes_to_ignore=regexes_to_ignore,
        ignore_case=ignore_case,
        ignore_punctuation=ignore_punctuation,
        ignore_numbers=ignore_numbers,
    )
    return {"exact_match": share}


def bleu(
    predictions: Sequence[str],
    references: Sequence[Any],
    tokenizer: Callable[[str], Sequence[str]] | None = None,
    max_order: int = 4,
    smooth: bool = False,
) -> dict[str, Any]:
    """BLEU with the shortest reference's length; smoothed as in Lin and Och (2004) where `smooth`.

    tokenizer: words of a text; without it those of the tokenizer 13a of WMT.
    """
    words = tokenizer or _words_of_13a()
    matches, possible = [0] * max_order, [0] * max_order
    wanted = given = 0
    for prediction, golds in zip(predictions, _as_lists(references), strict=True):
        answer, targets = words(prediction), [words(gold) for gold in golds]
        given += len(answer)
        wanted += min(len(target) for target in targets)
        best: Counter[tuple[str, ...]] = Counter()
        for target in targets:
            best |= _ngrams(target, max_order)
        for ngram, count in (_ngrams(answer, max_order) & best).items():
            matches[len(ngram) - 1] += count
        for order in range(max_order):
            possible[order] += max(len(answer) - order, 0)
    added = 1.0 if smooth else 0.0
    precisions = [
        (match + added) / (all_ + added) if all_ + added else 0.0
        for match, all_ in zip(matches, possible, strict=True)
    ]
    ratio = given / wanted if wanted and given else 0.0
    penalty = 0.0 if not ratio else 1.0 if ratio > 1.0 else math.exp(1 - 1.0 / ratio)
    mean = (
        math.exp(sum((1.0 / max_order) * math.log(one) for one in precisions)) if min(precisions) > 0 else 0.0
    )
    return {
        "bleu": mean * penalty,
        "precisions": precisions,
        "brevity_penalty": penalty,
        "length_ratio": ratio,
        "translation_length": given,
        "reference_length": wanted,
    }


def rouge(
    predictions: Sequence[str],
    references: Sequence[Any],
    rouge_types: Sequence[str] | None = None,
    use_aggregator: bool = True,
    use_stemmer: bool = False,
    tokenizer: Callable[[str], Sequence[str]] | None = None,
) -> dict[str, Any]:
    """ROUGE's F values: with `use_aggregator` the median of 1000 resampled means, else a list per text."""
    from rouge_score import rouge_scorer, scoring

    kinds = list(rouge_types or ("rouge1", "rouge2", "rougeL", "rougeLsum"))
    split = None if tokenizer is None else _Tokenizer(tokenizer)
    scorer = rouge_scorer.RougeScorer(kinds, use_stemmer=use_stemmer, tokenizer=split)
    several = isinstance(references[0], list)
    score = scorer.score_multi if several else scorer.score
    scores = [score(gold, said) for gold, said in zip(references, predictions, strict=True)]
    if not use_aggregator:
        return {kind: [one[kind].fmeasure for one in scores] for kind in scores[0]}
    aggregator = scoring.BootstrapAggregator()
    for one in scores:
        aggregator.add_scores(one)
    with _seeded():
        return {kind: value.mid.fmeasure for kind, value in aggregator.aggregate().items()}


def sacrebleu(
    predictions: Sequence[str],
    references: Sequence[Any],
    smooth_method: str = "exp",
    smooth_value: float | None = None,
    force: bool = False,
    lowercase: bool = False,
    tokenize: str | None = None,
    use_effective_order: bool = False,
) -> dict[str, Any]:
    import sacrebleu as package

    found = package.corpus_bleu(
        predictions,
        _streams(references),
        smooth_method=smooth_method,
        smooth_value=smooth_value,
        force=force,
        lowercase=lowercase,
        use_effective_order=use_effective_order,
        **({"tokenize": tokenize} if tokenize else {}),
    )
    names = ("score", "counts", "totals", "precisions", "bp", "sys_len", "ref_len")
    return {name: getattr(found, name) for name in names}


def chrf(
    predictions: Sequence[str],
    references: Sequence[Any],
    char_order: int = 6,
    word_order: int = 0,
    beta: int = 2,
    lowercase: bool = False,
    whitespace: bool = False,
    eps_smoothing: bool = False,
) -> dict[str, Any]:
    from sacrebleu import CHRF

    metric = CHRF(char_order, word_order, beta, lowercase, whitespace, eps_smoothing)
    found = metric.corpus_score(predictions, _streams(references))
    return {name: getattr(found, name) for name in ("score", "char_order", "word_order", "beta")}


def ter(
    predictions: Sequence[str],
    references: Sequence[Any],
    normalized: bool = False,
    ignore_punct: bool = False,
    support_zh_ja_chars: bool = False,
    case_sensitive: bool = False,
) -> dict[str, Any]:
    from sacrebleu import TER

    metric = TER(normalized, ignore_punct, support_zh_ja_chars, case_sensitive)
    found = metric.corpus_score(predictions, _streams(references))
    return {name: getattr(found, name) for name in ("score", "num_edits", "ref_length")}


class _Tokenizer:
    """A function as rouge_score wants it."""

    def __init__(self, function: Callable[[str], Sequence[str]]) -> None:
        self.tokenize = function


def _words_of_13a() -> Callable[[str], list[str]]:
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    tokenize: Callable[[str], str] = Tokenizer13a()
    return lambda text: tokenize(text).split()


def _ngrams(words: Sequence[str], longest: int) -> "Counter[tuple[str, ...]]":
    return Counter(
        tuple(words[start : start + order])
        for order in range(1, longest + 1)
        for start in range(len(words) - order + 1)
    )


def _as_lists(references: Sequence[Any]) -> list[list[str]]:
    return [[one] if isinstance(one, str) else one for one in references]


def _streams(references: Sequence[Any]) -> list[list[str]]:
    """References as sacrebleu wants them: first the first one of each text, then the second ones."""
    lists = _as_lists(references)
    if len({len(one) for one in lists}) > 1:
        raise MetricError("sacrebleu wants the same number of references for each text.")
    return [list(stream) for stream in zip(*lists, strict=True)]


@contextmanager
def _seeded() -> Iterator[None]:
    state = np.random.get_state()
    np.random.seed(SEED)
    try:
        yield
    finally:
        np.random.set_state(state)
