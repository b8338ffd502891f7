"""What people are told below the scores of a run: what of them is not whole, and what they cost."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice

from flows.results.cost import Cost, RunCost
from flows.results.results_json import RunRecord

_SHOWN_TASKS = 5


@dataclass(frozen=True, slots=True)
class Truncation:
    """Of one task. answers: how many there are. truncated: those that ended at their token limit, or before
    the answer itself began. while_thinking: the latter."""

    answers: int
    truncated: int
    while_thinking: int

    def __str__(self) -> str:
        said = f"{self.truncated} of {self.answers} answers were cut off"
        if self.while_thinking:
            return f"{said}, {self.while_thinking} of them while thinking"
        return f"{said} at their token limit"


def remarks(record: RunRecord) -> list[str]:
    """All of them, a line each."""
    cost = record.assay.cost
    costs = [] if cost is None else cost_lines(cost, record.assay.tasks)
    return [*about_scores(record), *about_earlier_runs(record), *costs]


def about_scores(record: RunRecord) -> list[str]:
    """What of the scores is not whole: documents that are left out, refusals, answers cut off, answers
    that no score depends on, and what says that they may be of several models."""
    return [
        *record.assay.notices,
        *_coverage(record),
        *_cut_prompts(record),
        *_truncation(record),
        *_out_of_turn(record),
        *_repeats(record),
        *_changes(record),
    ]


def about_earlier_runs(record: RunRecord) -> list[str]:
    """How many answers are of earlier runs, and from when."""
    origins = record.assay.answers
    said = origins.about_earlier() if origins else ""
    return [f"{said}; --ask-anew NAME asks for new ones"] if said else []


def truncations(record: RunRecord) -> dict[str, Truncation]:
    """How many answers were cut off at their token limit, by task, where there are any."""
    return {
        name: Truncation(one.requests, one.truncated, one.truncated_while_thinking)
        for name, one in record.assay.tasks.items()
        if one.truncated
    }


def _coverage(record: RunRecord) -> Iterator[str]:
    """A line for each task in which an answer is missing or was refused."""
    for name, one in record.assay.tasks.items():
        said = []
        if one.docs > one.docs_answered:
            counts = {"failed": one.failed, "skipped": one.skipped}
            missing = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
            said.append(f"{one.docs_answered} of {one.docs} documents are in its score (requests: {missing})")
        if one.refused:
            said.append(f"{one.refused} answers were refused and are scored as what was said, if anything")
        if said:
            yield f"{name}: {'; '.join(said)}"


def _cut_prompts(record: RunRecord) -> Iterator[str]:
    """A line for each task with prompts that were too long, and what helps."""
    found = {name: one for name, one in record.assay.tasks.items() if one.prompts_cut}
    for name, one in found.items():
        yield f"{name}: {one.prompts_cut} of {one.requests} prompts were longer than the model reads"
    if found:
        yield "Their beginnings were cut off; --truncate refuse fails them, --num-fewshot makes them shorter."


def _truncation(record: RunRecord) -> Iterator[str]:
    """A line for each task with answers that were cut off, and what helps."""
    found = truncations(record)
    for name, truncation in found.items():
        yield f"{name}: {truncation}"
    if found:
        more = "Only what there is of them is scored; --gen-kwargs max_gen_toks=N allows more tokens"
        is_thinking = any(truncation.while_thinking for truncation in found.values())
        stops = "; where stop sequences end thinking, --end-of-thinking '</think>' has none sent"
        yield f"{more}{stops if is_thinking else ''}."


def _out_of_turn(record: RunRecord) -> Iterator[str]:
    """A line for each task with programs that a person should look at: they may have tried to cheat."""
    for name, one in record.assay.tasks.items():
        if one.docs_out_of_turn:
            yield (
                f"{name}: programs for {one.docs_out_of_turn} of {one.docs} documents wrote what only their "
                "tests may; they count as failed (`programs` in the samples)"
            )


def _repeats(record: RunRecord) -> Iterator[str]:
    """A line for each task that asked for more answers than it scores, and one of what helps."""
    left = {name: one for name, one in record.assay.tasks.items() if one.repeats_scored < one.repeats}
    for name, one in left.items():
        yield f"{name}: of {one.repeats} answers to each document only {one.repeats_scored} counts"
    if left:
        yield "A `reduction` of its metrics scores them all (docs/tasks.md), --repeats 1 asks for one."


def _changes(record: RunRecord) -> list[str]:
    return record.assay.answers.about_changes() if record.assay.answers else []


def cost_lines(cost: RunCost, scored: Collection[str]) -> Iterator[str]:
    """What answers cost, and how much of it tasks without a score; nothing for a model of this machine that
    has no price. scored: the tasks with a score."""
    run = cost.run
    tokens = f"{run.tokens_in:,} tokens in ({run.tokens_cached:,} cached), {run.tokens_out:,} out"
    unknown = [asked for asked, source in cost.prices.items() if asked and source is None]
    if unknown:
        yield f"Cost: unknown, there is no price for {', '.join(unknown)} (--price in=..,out=..); {tokens}"
    elif run.usd is not None and any(cost.prices):
        yield f"Cost of all answers: ${run.usd:,.4f}; {tokens}"
    lost = {task: own for task, own in cost.tasks.items() if task not in scored and own != Cost()}
    if lost and any(cost.prices):
        shown = ", ".join(f"{task} {_price_of(own)}" for task, own in islice(lost.items(), _SHOWN_TASKS))
        more = f" and {len(lost) - _SHOWN_TASKS} more" if len(lost) > _SHOWN_TASKS else ""
        yield f"Of it, tasks without a score: {shown}{more}"
    if cost.machine_usd is not None:
        yield f"Cost of the time in which the model was asked: ${cost.machine_usd:,.4f}"


def _price_of(cost: Cost) -> str:
    if cost.usd is not None:
        return f"${cost.usd:,.4f}"
    return f"{cost.tokens_in:,} tokens in, {cost.tokens_out:,} out"
