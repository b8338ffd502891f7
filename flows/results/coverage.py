"""What a run's scores leave out: documents without an answer, and answers that the model refused."""

from collections.abc import Iterator, Mapping
from typing import Any


def lines(results: Mapping[str, Any]) -> Iterator[str]:
    """A line for each task in which an answer is missing or was refused. results: of `results.json`."""
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
