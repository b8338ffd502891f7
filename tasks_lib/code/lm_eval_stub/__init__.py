"""What lm-eval's task files import from `lm_eval`, for machines where lm-eval is not installed.

The names that task code uses of lm-eval are few: bases of filters and samplers, a registry, some functions.
`provide` puts them on the import path, behind everything else there, so that a real lm-eval always counts.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

FOLDER = Path(__file__).parent


def provide(task_roots: Sequence[Path]) -> None:
    """Make `lm_eval` importable; `lm_eval.tasks.<folder>` is looked for in these folders of task files.

    To be called where lm-eval is not installed, and only then.
    """
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))
    import_module("lm_eval.tasks").__path__[:] = [str(root) for root in task_roots]


def are_in_use() -> bool:
    """Whether `lm_eval` is these names here."""
    return str(FOLDER) in sys.path
