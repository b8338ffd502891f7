"""The Prefect flow of a comparison, for deployments; `flows/compare.py` needs no Prefect."""

from prefect import State, flow
from prefect.artifacts import create_table_artifact
from prefect.states import Failed

from flows.common.json_object import JsonObject
from flows.comparing.comparison import Comparison, compare_all
from flows.comparing.comparison_file import write
from flows.policy.check import check_runs
from flows.specs.comparison import ComparisonSpec

COLUMNS = (
    "task",
    "filter",
    "metric",
    "first",
    "second",
    "difference",
    "low",
    "high",
    "permutation_p",
    "verdict",
)


@flow(name="compare", flow_run_name="compare {spec.runs[0].name}")
def compare_flow(spec: ComparisonSpec) -> list[JsonObject] | State[list[JsonObject]]:
    """Compare each run with the first: a table artifact for each, and all of it as JSON values. Ends as
    failed where a task was refused.

    Raises what `flows.comparing.comparison.compare` raises.
    """
    check_runs(spec)
    comparisons = compare_all(spec.runs, tasks=spec.tasks)
    for one in comparisons:
        _show(one, spec.flips)
    if spec.output is not None:
        write(spec.output, comparisons)
    found = [one.to_json() for one in comparisons]
    refused = dict.fromkeys(task for one in comparisons for task in one.refused)
    return Failed(message=f"not compared: {', '.join(refused)}", data=found) if refused else found


def _show(comparison: Comparison, flips: int) -> None:
    """The numbers as an artifact, with the text that the command prints below them."""
    numbers = [one.numbers() for one in comparison.differences]
    rows = [{name: row[name] for name in COLUMNS} for row in numbers]
    create_table_artifact(key="comparison", table=rows, description=f"```\n{comparison.table(flips)}\n```")
