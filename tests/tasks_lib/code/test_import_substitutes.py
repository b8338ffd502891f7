"""Task code that imports what a library no longer has gets what is known to stand for it, and no more."""

import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from tasks_lib.code.trusted_functions import TrustedRoots, resolve
from tasks_lib.errors import MissingPackage, TaskError
from tests.support.task_maker import TaskMaker


@pytest.fixture(autouse=True)
def as_installed() -> Iterator[None]:
    """Mends stay for a process; tests begin without them."""
    import datasets

    yield
    for name in [name for name in sys.modules if name.startswith("transformers.data.metrics")]:
        del sys.modules[name]
    vars(datasets).pop("load_metric", None)


@pytest.mark.parametrize(
    "line",
    [
        "import transformers.data.metrics.squad_metrics as squad_metrics",
        "from transformers.data.metrics import squad_metrics",
    ],
)
def test_squad_metrics_that_transformers_dropped_are_there(maker: TaskMaker, line: str) -> None:
    maker.function(line)
    ref = maker.function("def f1(gold, said): return squad_metrics.compute_f1(gold, said)")
    assert resolve(ref, TrustedRoots((maker.folder,)))("the cat sat", "A cat sat down") == 0.8


def test_load_metric_is_evaluates_load(maker: TaskMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    maker.function("from datasets import load_metric")
    ref = maker.function("def loaded(): return load_metric('f1', config_name='a')")
    loaded = resolve(ref, TrustedRoots((maker.folder,)))
    monkeypatch.setitem(sys.modules, "evaluate", ModuleType("evaluate"))
    sys.modules["evaluate"].load = lambda name, config_name: (name, config_name)  # type: ignore[attr-defined]
    assert loaded() == ("f1", "a")


def test_load_metric_knows_what_is_there_without_the_hub(maker: TaskMaker) -> None:
    maker.function("from datasets import load_metric")
    ref = maker.function("def rate(): return load_metric('wer').compute(predictions=['a'], references=['b'])")
    assert resolve(ref, TrustedRoots((maker.folder,)))() == 1.0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("from datasets import no_such_name", "cannot import name 'no_such_name'"),
        ("import transformers.no_such_part", "No module named 'transformers.no_such_part'"),
    ],
)
def test_what_nothing_stands_for_stays_missing(maker: TaskMaker, line: str, said: str) -> None:
    maker.function(line)
    ref = maker.function("def f(): ...")
    with pytest.raises(TaskError, match=said) as caught:
        resolve(ref, TrustedRoots((maker.folder,)))
    assert not isinstance(caught.value, MissingPackage)
