"""What happens, in which order: Prefect flows, their steps, and the record of a run.

The Python calls and what they take, all of it imported when it is used, so that importing this costs nothing:

    from flows import EvaluationSpec, evaluate

    result = evaluate(EvaluationSpec(model="hf:./my-model", tasks=["gsm8k"], limit=100))
    print(result.table())
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from flows.common.version import __version__

if TYPE_CHECKING:
    from flows.benchmark import benchmark
    from flows.common.errors import PublishError, ResultError, SpecError
    from flows.compare import compare
    from flows.comparing.comparison import Comparison
    from flows.evaluate import evaluate
    from flows.publish import publish
    from flows.rescore import rescore
    from flows.results.evaluation_result import EvaluationResult
    from flows.specs.evaluation import EvaluationSpec
    from flows.specs.rescoring import RescoreSpec
    from flows.specs.suite import SuiteSpec, read_suite
    from flows.suites.result import SuiteResult

__all__ = [
    "Comparison",
    "EvaluationResult",
    "EvaluationSpec",
    "PublishError",
    "RescoreSpec",
    "ResultError",
    "SpecError",
    "SuiteResult",
    "SuiteSpec",
    "__version__",
    "benchmark",
    "compare",
    "evaluate",
    "publish",
    "read_suite",
    "rescore",
]

_HOMES = {
    "Comparison": "flows.comparing.comparison",
    "EvaluationResult": "flows.results.evaluation_result",
    "EvaluationSpec": "flows.specs.evaluation",
    "PublishError": "flows.common.errors",
    "RescoreSpec": "flows.specs.rescoring",
    "ResultError": "flows.common.errors",
    "SpecError": "flows.common.errors",
    "SuiteResult": "flows.suites.result",
    "SuiteSpec": "flows.specs.suite",
    "benchmark": "flows.benchmark",
    "compare": "flows.compare",
    "evaluate": "flows.evaluate",
    "publish": "flows.publish",
    "read_suite": "flows.specs.suite",
    "rescore": "flows.rescore",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """A package whose calls have the names of the modules that they are in.

    An import of `flows.evaluate` would otherwise put the module in the place of the function.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
