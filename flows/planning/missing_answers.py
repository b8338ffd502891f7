"""Whether a run that may not ask its model has the answers it needs."""

from flows.common.errors import SpecError
from flows.planning.plan import Plan
from flows.planning.prepared_requests import PreparedRequests
from flows.results.own_requests import caution
from flows.results.run_folder import RunFolder


def check_stored(plan: Plan) -> None:
    """Raise SpecError where more answers are missing than the run's coverage allows; nothing is written to
    the run's folder before.

    Raises TaskError, too, for a task that cannot be prepared.
    """
    allowed = 1 - plan.spec.min_coverage
    counts = {task: _missing(plan, task) for task in plan.selection.tasks}
    short = [
        f"{missing} of {total} of {task}"
        for task, (missing, total) in counts.items()
        if missing > allowed * total
    ]
    if short:
        folder = plan.spec.answers_from
        assert folder is not None, "only a run that asks nothing is checked"
        careful = caution(folder, RunFolder.at(folder).spec_keys())
        raise SpecError(
            f"{folder}: answers are not in the response store: {', '.join(short)}; their "
            "prompts, documents or generation parameters are not those of that run, the store is not, or "
            "the answers can be none by the rules of now (rescore.py --check).\n"
            f"To ask for them: python flows/evaluate.py --config {folder}/spec.yaml, with the same task files"
            + (careful and f"\n{careful}")
        )


def _missing(plan: Plan, task: str) -> tuple[int, int]:
    """How many of a task's requests have no answer in the store, and how many there are."""
    requests = PreparedRequests.before_run(plan, task)
    return len(requests.missing()), len(set(requests.keys))
