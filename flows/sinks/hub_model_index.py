"""Scores as a model's card on the Hugging Face Hub has them: its `model-index`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flows.common.json_object import JsonObject
from flows.results.evaluation_result import EvaluationResult
from flows.results.score_table import numbers

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

# The Hub groups results by what a model does; all that is asked here is answered with text.
_TASK_TYPE = "text-generation"


def model_index(result: EvaluationResult, model: str, source: str) -> list[JsonObject]:
    """The `model-index` of a run. model: what the model is called. source: address of the whole results."""
    from huggingface_hub.repocard_data import eval_results_to_model_index

    index: list[JsonObject] = eval_results_to_model_index(model, list(_entries(result, source)))
    return index


def _entries(result: EvaluationResult, source: str) -> Iterator["EvalResult"]:
    """A result for each number of a task; groups have no dataset of their own."""
    from huggingface_hub import EvalResult

    record = result.record
    for one, score in numbers(record):
        if one.name not in record.configs:
            continue
        dataset = record.dataset(one.name)
        yield EvalResult(
            task_type=_TASK_TYPE,
            dataset_type=str(dataset.path or one.name),
            dataset_name=one.name,
            dataset_config=dataset.configuration,
            dataset_split=dataset.split,
            dataset_args={"num_few_shot": one.num_fewshot},
            metric_type=score.metric,
            metric_name=f"{score.metric} ({one.name}, {score.filter})",
            metric_value=score.value,
            source_name="Assay",
            source_url=source,
        )
