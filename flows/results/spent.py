"""What a run cost, in a line or two for people."""

from collections.abc import Iterator, Mapping
from typing import Any


def lines(results: Mapping[str, Any]) -> Iterator[str]:
    """Nothing for a model of this machine without a price. results: of `results.json`."""
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
