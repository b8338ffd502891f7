"""Metrics of Hugging Face evaluate by name: those that are here without the hub, and the way to others."""

import importlib
import inspect
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metrics.errors import MetricError, cannot_use, unknown_name
from metrics.hf_evaluate import code_eval, functions
from metrics.hf_evaluate.error_rate import cer, wer
from metrics.hf_evaluate.squad import squad, squad_v2
from metrics.scores.registry import METRICS


class HfMetric:
    """A metric as task code has it from `evaluate.load`; only its `compute` is here."""

    def __init__(self, name: str, entry: "Entry") -> None:
        self.name = name
        self._entry = entry

    def check(self, options: Iterable[str]) -> None:
        """Raise MetricError for an option that the metric does not have."""
        known = list(inspect.signature(self._entry.function).parameters)[2:]
        for option in options:
            if option not in known:
                raise unknown_name(f"option of {self.name}:", option, known)

    def compute(
        self,
        *,
        predictions: Sequence[Any] | None = None,
        references: Sequence[Any] | None = None,
        **options: Any,
    ) -> Any:
        """What the metric's script gives for these lists.

        Errors: MetricError for values and options that the metric does not take, and for a package it needs.
        """
        if predictions is None or references is None or len(predictions) != len(references):
            raise MetricError(f"{self.name}: needs `predictions` and `references`, two lists of one length.")
        self.check(options)
        given = self._entry.inputs(self.name, predictions), self._entry.inputs(self.name, references)
        try:
            with cannot_use(f"{self.name} cannot use these values"):
                return self._entry.function(*given, **options)
        except ModuleNotFoundError as error:
            needed = f"needs the package {error.name}, which is not installed"
            raise MetricError(f"{self.name}: {needed}; it comes with lm-eval.") from error


@dataclass(frozen=True, slots=True)
class Entry:
    """inputs: what makes of predictions, and of references, what the function takes."""

    function: Callable[..., Any]
    inputs: Callable[[str, Sequence[Any]], list[Any]]


def hf_metric(name: str) -> HfMetric | None:
    """The metric of that name, where it is here."""
    return HfMetric(name, HF_METRICS[name]) if name in HF_METRICS else None


def load_hf_metric(name: str, options: Iterable[str]) -> Callable[..., Any]:
    """What computes the metric of that name: from here, else by `evaluate.load`, which wants network or its
    cache.

    options: the names of the options it will get. Errors: MetricError where neither has it, for an option it
    does not have, and for a name that is a path, a script of the current folder or a repository of others,
    whose code would run.
    """
    if found := hf_metric(name):
        found.check(options)
        return found.compute
    if not re.fullmatch(r"\w[\w-]*", name):
        raise MetricError(
            f"{name!r} is no metric of Hugging Face evaluate: its own have no '/' or '.' in them."
        )
    refuse_script_of_current_folder(name)
    try:
        evaluate = importlib.import_module("evaluate")
        # evaluate alone does not know the variable, and would try the hub again and again.
        offline = any(_is_set(variable) for variable in ("HF_EVALUATE_OFFLINE", "HF_HUB_OFFLINE"))
        evaluate.config.HF_EVALUATE_OFFLINE = offline
        compute: Callable[..., Any] = evaluate.load(name).compute
        return compute
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        unknown = unknown_name("metric", name, {*METRICS, *HF_METRICS})
        raise MetricError(f"{unknown} `evaluate.load` cannot load it either: {reason}") from error


def refuse_script_of_current_folder(name: str) -> None:
    """Raise MetricError where `evaluate.load` would run `./NAME/NAME.py` for what names its own metric."""
    script = Path(name, f"{name}.py")
    if "/" not in name and script.exists():
        raise MetricError(
            f"metric {name!r}: evaluate would run {script} of the current folder in place of its own metric; "
            "start from another folder."
        )


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "").upper() in {"1", "ON", "YES", "TRUE"}


# Inputs


def texts(name: str, values: Sequence[Any]) -> list[str]:
    """Each value as a text; a list is none."""
    return [_text(name, value) for value in values]


def texts_or_lists(name: str, values: Sequence[Any]) -> list[Any]:
    """Each value as a text, or, as the first one is, as a list of texts."""
    if len(values) and isinstance(values[0], list | tuple):
        return [[_text(name, text) for text in several] for several in values]
    return texts(name, values)


def labels(name: str, values: Sequence[Any]) -> list[int]:
    """Each value as an integer."""
    try:
        return [int(value) for value in values]
    except (TypeError, ValueError) as error:
        raise MetricError(f"{name} compares labels, which are integers: {error}.") from error


def items(name: str, values: Sequence[Any]) -> list[Any]:
    return list(values)


def _text(name: str, value: Any) -> str:
    if value is None or isinstance(value, list | tuple | Mapping):
        hint = "a `take_first` filter makes one text of several repeats"
        raise MetricError(f"{name} compares texts, not {value!r}; {hint}.")
    return str(value)


def _code_eval(
    predictions: Sequence[Sequence[str]],
    references: Sequence[str],
    k: int | Sequence[int] = (1, 10, 100),
    num_workers: int = 4,
    timeout: float = 3.0,
) -> Any:
    return code_eval.compute(references, predictions, k, num_workers, timeout)


HF_METRICS: Mapping[str, Entry] = {
    "accuracy": Entry(functions.accuracy, labels),
    "bleu": Entry(functions.bleu, texts_or_lists),
    "cer": Entry(cer, texts),
    "chrf": Entry(functions.chrf, texts_or_lists),
    "code_eval": Entry(_code_eval, items),
    "exact_match": Entry(functions.exact_match, texts),
    "f1": Entry(functions.f1, labels),
    "matthews_correlation": Entry(functions.matthews_correlation, labels),
    "precision": Entry(functions.precision, labels),
    "recall": Entry(functions.recall, labels),
    "rouge": Entry(functions.rouge, texts_or_lists),
    "sacrebleu": Entry(functions.sacrebleu, texts_or_lists),
    "squad": Entry(squad, items),
    "squad_v2": Entry(squad_v2, items),
    "ter": Entry(functions.ter, texts_or_lists),
    "wer": Entry(wer, texts),
}
