"""Scores as a model's card on the Hugging Face Hub has them: its `model-index`."""

from collections.abc import Iterator
from typing import Any

from flows.results import score_table
from flows.results.evaluation_result import EvaluationResult

# The Hub groups results by what a model does; all that is asked here is answered with text.
_TASK_TYPE = "text-generation"


def model_index(result: EvaluationResult, model: str, source: str) -> list[dict[str, Any]]:
    """The `model-index` of a run. model: what the model is called. source: address of the whole results."""
    from huggingface_hub.repocard_data import eval_results_to_model_index

    index: list[dict[str, Any]] = eval_results_to_model_index(model, list(_entries(result, source)))
    return index


def _entries(result: EvaluationResult, source: str) -> Iterator[Any]:
    """A result for each number of a task; groups have no dataset of their own."""
    from huggingface_hub import EvalResult

    for row in score_table.rows(result.results):
        task = result.results["configs"].get(row["task"])
        if task is None:
            continue
        dataset = str(task.get("dataset_path") or row["task"])
        yield EvalResult(
            task_type=_TASK_TYPE,
            dataset_type=dataset,
            dataset_name=row["task"],
            dataset_config=task.get("dataset_name"),
            dataset_split=task.get("test_split") or task.get("validation_split"),
            dataset_args={"num_few_shot": row["n-shot"]},
            metric_type=row["metric"],
            metric_name=f"{row['metric']} ({row['task']}, {row['filter']})",
            metric_value=row["value"],
            source_name="Assay",
            source_url=source,
        )
