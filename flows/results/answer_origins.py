"""Where the answers of a run are from: earlier runs, and models by the names that they give themselves."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from backends.requests import SCORABLE

if TYPE_CHECKING:
    import pyarrow as pa

# Of a run's calls, which `AnswerOrigins.of` reads.
COLUMNS = ["status", "enqueued", "finished", "model"]
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class AnswerOrigins:
    """answers: how many a run has. earlier: those that were there before it began; since, until: when the
    first and the last of them came, in ISO 8601, None where that is not known. models: what the endpoints'
    models call themselves, and how many answers each gave. system_fingerprints: the providers' names of the
    configurations behind all stored answers of the model, and how many each gave, since they are noted."""

    answers: int = 0
    earlier: int = 0
    since: str | None = None
    until: str | None = None
    models: Mapping[str, int] = field(default_factory=dict)
    system_fingerprints: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, calls: Iterable["pa.Table"], started: float, system_fingerprints: Mapping[str, int]) -> Self:
        """Of the calls of a run's tasks. started: when it began, in seconds since 1970."""
        answers, untimed, times, models = 0, 0, list[float](), Counter[str]()
        for table in calls:
            columns = [table[name].to_pylist() for name in COLUMNS]
            for status, enqueued, finished, model in zip(*columns, strict=True):
                if status not in SCORABLE:
                    continue
                answers += 1
                if model:
                    models[model] += 1
                if not enqueued:
                    untimed += 1
                elif (ended := enqueued + (finished or 0.0)) < started:
                    times.append(ended)
        return cls(
            answers=answers,
            earlier=untimed + len(times),
            since=_iso(min(times)) if times else None,
            until=_iso(max(times)) if times else None,
            models=dict(models.most_common()),
            system_fingerprints=dict(system_fingerprints),
        )

    def about_earlier(self) -> str:
        """How many answers are of earlier runs, and from when; empty where none is."""
        if not self.earlier:
            return ""
        said = f"{self.earlier:,} of {self.answers:,} answers are of earlier runs"
        if self.since is None or self.until is None:
            return said
        first, last = _minute(self.since), _minute(self.until)
        return f"{said}, of {first} UTC" if first == last else f"{said}, from {first} to {last} UTC"

    def about_changes(self) -> list[str]:
        """What says that the answers may be of several models."""
        lines = []
        if len(self.models) > 1:
            lines.append(f"The models that answered call themselves {_counted(self.models)}")
        if len(self.system_fingerprints) > 1:
            lines.append(
                "The endpoint's system_fingerprint has changed between the stored answers: "
                f"{_counted(self.system_fingerprints)}"
            )
        return lines


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _minute(iso: str) -> str:
    return iso[:16].replace("T", " ")


def _counted(names: Mapping[str, int]) -> str:
    first = [f"{name} ({count:,} answers)" for name, count in Counter(names).most_common(_SHOWN)]
    more = len(names) - len(first)
    return ", ".join(first) + (f" and {more:,} more" if more else "")
