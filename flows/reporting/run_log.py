"""What a run leaves in its log when nobody watches it: its start, each score, what is odd, and its end.

Never a line a request or a shard: a run of 13,000 tasks, whose steps take a bundle of tasks each, writes a
hundred lines.
"""

from collections.abc import Collection, Mapping, Sequence
from logging import WARNING
from pathlib import Path

from flows.planning.plan import Plan
from flows.reporting.reporter import Reporter
from flows.results.evaluation_result import EvaluationResult
from flows.results.remarks import about_earlier_runs, about_scores
from flows.results.run_folder import RunFolder
from flows.results.task_scores import TaskScores
from flows.specs.evaluation import EvaluationSpec
from metrics.shown_text import in_one_line

_SHOWN_NAMES = 5
_LONGEST_REASON = 300


def note_start(reporter: Reporter, plan: Plan, folder: RunFolder) -> None:
    """Say what is evaluated on what, and where the results will be; and what is odd about the request."""
    tasks = list(plan.selection.tasks)
    reporter.note(f"evaluating {plan.spec.model} on {_counted(tasks)}: {_names(tasks)}")
    reporter.note(f"results: {folder.path}")
    for line in (*plan.selection.warnings, *plan.notices):
        reporter.note(line, WARNING)


def note_scores(reporter: Reporter, scores: Mapping[str, Path]) -> None:
    """Say the first metric of a task that was scored, given its file; of a bundle, which tasks were."""
    if len(scores) > 1:
        reporter.note(f"scored {_counted(scores)}: {_names(list(scores))}")
    else:
        for name, path in scores.items():
            reporter.note(_scored(name, TaskScores.read(path)))


def note_end(reporter: Reporter, spec: EvaluationSpec, folder: RunFolder) -> None:
    """Say how much was scored, asked and found, in which time, and what the scores leave out."""
    result = EvaluationResult.open(folder.path)
    facts = result.record.assay
    scored, failed = len(facts.tasks), len(facts.failed)
    for line in about_scores(result.record):
        reporter.note(line, WARNING)
    for line in about_earlier_runs(result.record):
        reporter.note(line)
    if spec.show_performance:
        reporter.note(result.performance())
    reporter.note(
        f"{scored} of {scored + failed} tasks scored in {facts.seconds:.1f} s; {facts.requests_asked:,} "
        f"requests asked, {facts.requests_reused:,} answers found in the store; results: {folder.path}"
    )


def failure(failed: Mapping[str, str]) -> str:
    """The message of a run's state: which tasks failed, and why the first did."""
    reason = next(iter(failed.values()))
    if len(reason) > _LONGEST_REASON:
        reason = f"{reason[:_LONGEST_REASON]}..."
    return in_one_line(f"failed tasks: {_names(list(failed))}. {reason}")


def _scored(name: str, found: TaskScores) -> str:
    first = found.scores[0]
    error = "" if first.stderr is None else f" ± {first.stderr:.4f}"
    return f"scored {name}: {first.metric} {first.value:.4f}{error}, {first.count:,} documents"


def _counted(tasks: Collection[str]) -> str:
    return f"{len(tasks):,} {'task' if len(tasks) == 1 else 'tasks'}"


def _names(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN_NAMES
    return ", ".join(names[:_SHOWN_NAMES]) + (f" and {more:,} more" if more > 0 else "")
