"""What stands in for downloads while parity is compared, in every process: Python imports this module by its
name when it starts, where its folder is on PYTHONPATH.

A metric of `evaluate` that Assay has is Assay's; another one, whose code is a download, gives numbers of the
same shape, fixed by what it gets. So does `code_eval`: programs take long, and made-up answers are none.
"""

import json
import os
import socket
import sys
import zlib
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

STAND_INS = os.path.dirname(__file__)
_LOCAL = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "", None)


class MadeUpMetric:
    """A metric of `evaluate`, whose code is a download."""

    def __init__(self, name: str) -> None:
        self._name = name

    def compute(self, *given: Any, **named: Any) -> Any:
        said = json.dumps([given, named], sort_keys=True, default=lambda one: one.tolist())
        number = zlib.crc32(said.encode()) % 1000 / 1000
        match self._name:
            case "code_eval":
                return {f"pass@{k}": number for k in named.get("k", [1])}, {}
            case "bertscore":
                return {key: [number] for key in ("precision", "recall", "f1")}
        return {self._name: number, "score": number, "scores": [number]}


def loaded(name: str, *_: Any, **__: Any) -> Any:
    """What `evaluate.load` gives."""
    from metrics.hf_evaluate.metrics import HF_METRICS, hf_metric

    return hf_metric(name) if name in HF_METRICS else MadeUpMetric(name)


def refuse_network() -> None:
    """No address but this machine's is found."""
    found = socket.getaddrinfo

    def refuse(host: Any, *given: Any, **named: Any) -> Any:
        if host not in _LOCAL:
            raise OSError("no network")
        return found(host, *given, **named)

    socket.getaddrinfo = refuse


def leave_code_to_stand_in(metrics: Any) -> None:
    """metrics: the module of those that Assay has."""
    metrics.HF_METRICS = {name: one for name, one in metrics.HF_METRICS.items() if name != "code_eval"}


class _After(MetaPathFinder, Loader):
    """Changes a module when it is imported."""

    def __init__(self, name: str, change: Callable[[Any], None]) -> None:
        self._name, self._change = name, change

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path) if name == self._name else None
        if spec is None or spec.loader is None:
            return None
        self._real, spec.loader = spec.loader, self
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._real.exec_module(module)
        self._change(module)


def _set_load(evaluate: Any) -> None:
    evaluate.load = loaded


if __name__ == "sitecustomize":
    sys.meta_path.insert(0, _After("evaluate", _set_load))
    sys.meta_path.insert(0, _After("metrics.hf_evaluate.metrics", leave_code_to_stand_in))
    refuse_network()
