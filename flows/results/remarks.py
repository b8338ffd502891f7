"""What people are told below the scores of a run: what of them is not whole, and what they cost."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Results = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Truncation:
    """Of one task. answers: how many there are. truncated: those that ended at their token limit.
    while_thinking: those of them that ended before the answer itself began."""

    answers: int
    truncated: int
    while_thinking: int

    def __str__(self) -> str:
        said = f"{self.truncated} of {self.answers} answers were cut off at their token limit"
        return f"{said}, {self.while_thinking} of them while thinking" if self.while_thinking else said


def remarks(results: Results) -> list[str]:
    """All of them, a line each. results: the content of `results.json`."""
    return [*about_scores(results), *_cost(results)]


def about_scores(results: Results) -> list[str]:
    """What of the scores is not whole: documents that are left out, refusals, and answers cut off."""
    return [*_coverage(results), *_truncation(results)]


def truncations(results: Results) -> dict[str, Truncation]:
    """How many answers were cut off at their token limit, by task, where there are any."""
    tasks: Mapping[str, Mapping[str, int]] = results["assay"]["tasks"]
    return {
        name: Truncation(one["requests"], one["truncated"], one.get("truncated_while_thinking", 0))
        for name, one in tasks.items()
        if one["truncated"]
    }


def _coverage(results: Results) -> Iterator[str]:
    """A line for each task in which an answer is missing or was refused."""
    tasks: Mapping[str, Mapping[str, int]] = results["assay"]["tasks"]
    for name, one in tasks.items():
        said = []
        if one.get("docs", 0) > one.get("docs_answered", 0):
            missing = ", ".join(f"{one[what]} {what}" for what in ("failed", "skipped") if one.get(what))
            said.append(
                f"{one['docs_answered']} of {one['docs']} documents are in its score (requests: {missing})"
            )
        if one.get("refused"):
            said.append(f"{one['refused']} answers were refused and are scored as what was said, if anything")
        if said:
            yield f"{name}: {'; '.join(said)}"


def _truncation(results: Results) -> Iterator[str]:
    """A line for each task with answers that were cut off, and what helps."""
    found = truncations(results)
    for name, truncation in found.items():
        yield f"{name}: {truncation}"
    if found:
        yield "Only what there is of them is scored; --gen-kwargs max_gen_toks=N allows more tokens."


def _cost(results: Results) -> Iterator[str]:
    """Nothing for a model of this machine without a price."""
    cost = results["assay"].get("cost")
    if cost is None:
        return
    run, machine = cost["run"], cost["machine_usd"]
    tokens = f"{run['tokens_in']:,} tokens in ({run['tokens_cached']:,} cached), {run['tokens_out']:,} out"
    unknown = [asked for asked, source in cost["prices"].items() if asked and source is None]
    if unknown:
        yield f"Cost: unknown, there is no price for {', '.join(unknown)} (--price in=..,out=..); {tokens}"
    elif run["usd"] is not None and any(cost["prices"]):
        yield f"Cost of all answers: ${run['usd']:,.4f}; {tokens}"
    if machine is not None:
        yield f"Cost of the time in which the model was asked: ${machine:,.4f}"
