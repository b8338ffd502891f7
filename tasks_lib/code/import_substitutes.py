"""What lm-eval's task code imports and the libraries of today no longer have, with what stands for it.

Only what is beyond doubt: the same function under another name, or one whose definition is published. A
library that still has it is not touched. docs/lm-eval.md lists them.
"""

import importlib
import re
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from tasks_lib.code.evaluate_load import load_for_task_code

_MISSING_NAME = re.compile(r"cannot import name '(\w+)' from")


def substitute(error: ImportError) -> bool:
    """Put what an import did not find where it looks for it; False where nothing is known to stand for it."""
    wanted = error.name or ""
    if name := _MISSING_NAME.match(str(error)):
        wanted = f"{wanted}.{name[1]}"
    put = SUBSTITUTES.get(wanted)
    if put is None:
        return False
    put()
    return True


def _squad_metrics() -> None:
    """transformers 5 has no `data.metrics`; its `squad_metrics` were those of SQuAD 2.0."""
    from metrics.hf_evaluate import squad

    package = ModuleType("transformers.data.metrics")
    package.__dict__["squad_metrics"] = squad
    sys.modules |= {package.__name__: package, f"{package.__name__}.squad_metrics": squad}


def _load_metric() -> None:
    """datasets 3 dropped `load_metric`, which had become `evaluate.load` (`datasets` 2.5 said so)."""

    def load_metric(*arguments: Any, **options: Any) -> Any:
        return load_for_task_code(*arguments, **options)

    vars(importlib.import_module("datasets"))["load_metric"] = load_metric


# By the module, or module and name, that is asked for.
SUBSTITUTES: Mapping[str, Callable[[], None]] = {
    "transformers.data.metrics": _squad_metrics,
    "datasets.load_metric": _load_metric,
}
