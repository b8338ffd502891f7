"""Whether what a task's file says can be used: all of it is read and resolved, and no document looked at."""

from dataclasses import replace

from tasks_lib.ask_options import AskOptions
from tasks_lib.catalog.selection import TaskFile
from tasks_lib.checks.resources import check_resources
from tasks_lib.context import TaskContext
from tasks_lib.data.datasets import LocalSource
from tasks_lib.data.documents import Documents, HandedDocuments, Split
from tasks_lib.errors import TaskError
from tasks_lib.files.config import TaskConfig, function_refs
from tasks_lib.prompts.request_builder import RequestBuilder
from tasks_lib.scope import Config, TaskScope
from tasks_lib.scoring.scorer import Scorer


def check_task(file: TaskFile, context: TaskContext) -> None:
    """Raise what keeps a run from using a task, as far as that is seen without a document.

    TaskError for what its file says, MissingPackage and MissingResource for what it needs and is not here.
    Its Python is imported.
    """
    if isinstance(file.config, TaskConfig):
        scope = context.scope(file.config, file.path)
        _resolve_all(scope)
        check_configuration(scope)
        _check_splits(scope)
    else:  # what else there is to a class is in its own code
        _resolve_all(context.scope(file.config, file.path))
    check_resources(file.config.task, function_refs(file.config))


def _resolve_all(scope: TaskScope[Config]) -> None:
    for key, value in scope.config:
        for ref in function_refs(value):
            with scope.errors.on(key):
                scope.resolve(ref)


def check_configuration(scope: TaskScope[TaskConfig]) -> None:
    """Raise TaskError for a key of the task's file that could not be used later."""
    own = AskOptions(
        num_fewshot=scope.options.num_fewshot,
        seed=scope.options.seed,
        generation=scope.options.generation,
        end_of_thinking=scope.options.end_of_thinking,
        compat=scope.options.compat,
    )
    without_documents = replace(scope, options=own)
    # There are no columns, so that a field's name is read as a template, which it is too.
    builder = RequestBuilder(without_documents, HandedDocuments(without_documents, Split([], ())))
    builder.check()
    Scorer(without_documents, builder).check()


def _check_splits(scope: TaskScope[TaskConfig]) -> None:
    """Raise TaskError where a data root has the dataset, and not the split that is asked for."""
    documents = Documents(scope)
    if scope.config.custom_dataset is not None or scope.config.dataset_path is None:
        return
    source = documents.source
    if not isinstance(source, LocalSource) or not source.splits:
        return
    config = scope.config
    asked = {"test_split" if config.test_split else "validation_split": documents.evaluated_split}
    if scope.options.fewshot(config.num_fewshot) and documents.fewshot_split is not None:
        asked["fewshot_config.split" if config.fewshot_config.split else "fewshot_split"] = (
            documents.fewshot_split
        )
    for key, split in asked.items():
        with scope.errors.on(key):
            if source.file(split) is None:
                raise TaskError(source.no_split(split))
