"""`evaluate.load` of task code: the metrics that are here (`metrics.hf_evaluate.metrics`) without the hub.

Hugging Face evaluate's metrics are scripts of the hub, which `evaluate.load` downloads and runs, in most task
code at import. For the names that are known here task code gets the same numbers without network, whether or
not there is any. All other code, and all other names, get the real function.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from metrics.hf_evaluate.metrics import HfMetric, hf_metric, refuse_script_of_current_folder

# Set in the globals of modules of task code.
TASK_CODE = "__task_file__"

_IMPORTS_EVALUATE = re.compile(r"^\s*(import|from)\s+evaluate\b", re.MULTILINE)
# Options of `evaluate.load` that do not change what is computed.
_HARMLESS = frozenset(
    {"cache_dir", "download_config", "download_mode", "experiment_id", "keep_in_memory", "trust_remote_code"}
)


def prepare_for(source: str) -> None:
    """To be called before task code of this source is run; does something where it imports evaluate."""
    if not _IMPORTS_EVALUATE.search(source):
        return
    try:
        evaluate = import_module("evaluate")
    except ImportError:
        return  # the task code says it better
    if not hasattr(evaluate.load, "real"):
        evaluate.load = _replacement(evaluate.load)  # type: ignore[attr-defined]


def load_for_task_code(path: str, *args: Any, **options: Any) -> Any:
    """`evaluate.load` as task code has it."""
    if found := _known(path, args, options):
        return found
    return import_module("evaluate").load(path, *args, **options)


def _replacement(real: Any) -> Any:
    def load(path: str, *args: Any, **options: Any) -> Any:
        is_task_code = TASK_CODE in sys._getframe(1).f_globals
        return (is_task_code and _known(path, args, options)) or real(path, *args, **options)

    load.real = real  # type: ignore[attr-defined]
    return load


def _known(path: str, args: Sequence[Any], options: Mapping[str, Any]) -> HfMetric | None:
    if not args and not options.keys() - _HARMLESS and (found := hf_metric(path)):
        return found
    refuse_script_of_current_folder(path)
    return None
