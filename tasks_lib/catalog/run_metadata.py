"""What a run adds to the `metadata` of its tasks, which `custom_dataset` gets as arguments.

Source of the rule: lm-evaluation-harness 0.4.13, `lm_eval/tasks/_factory.py`: the task file's, then the
model's arguments, then the run's own. Different here: the model's arguments reach only tasks with a
`custom_dataset`, so that the requests of all others are the same for every model, and the version of a model
is not the task's.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tasks_lib.catalog.selection import Selection, TaskFile, digest_of
from tasks_lib.files.config import TaskConfig


def with_metadata(selection: Selection, given: Mapping[str, Any], model: Mapping[str, Any]) -> Selection:
    """The same tasks, where something is added with other digests.

    given: what the run says, JSON values. model: the model's arguments, under lm-eval's names.
    """
    tasks = {name: _with_metadata(file, given, model) for name, file in selection.tasks.items()}
    return replace(selection, tasks=tasks)


def _with_metadata(file: TaskFile, given: Mapping[str, Any], model: Mapping[str, Any]) -> TaskFile:
    config = file.config
    makes_data = isinstance(config, TaskConfig) and config.custom_dataset is not None
    added = {**_without_version(model), **given} if makes_data else given
    if not added:
        return file
    merged = config.model_copy(update={"metadata": {**config.metadata, **added}})
    return replace(file, config=merged, digest=digest_of([file.digest, added]))


def _without_version(model: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in model.items() if key != "version"}
