"""One number of two runs, and how they differ in it."""

from dataclasses import asdict, dataclass
from typing import Literal

from flows.common.json_object import JsonObject
from metrics.statistics.paired import Paired

Verdict = Literal["better", "worse", "undecided"]
LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Flip:
    """A document whose score of 0 or 1 is the other one in the second run."""

    doc_id: int
    doc_hash: str
    first: float
    second: float


@dataclass(frozen=True, slots=True)
class Difference:
    """A metric of a task or group in two runs.

    alias, depth: its name in tables, and in how many groups it stands. first, second: its values over the
    documents of both runs; where `paired` is None, those of the runs' own tables. paired: their difference;
    None where the value is not the mean of its samples' scores, as of perplexities. flips: only for scores of
    0 and 1 of a task.
    """

    task: str
    alias: str
    depth: int
    filter: str
    metric: str
    higher_is_better: bool | None
    first: float
    second: float
    paired: Paired | None
    flips: tuple[Flip, ...] = ()

    @property
    def gain(self) -> float | None:
        """By how much the second run is better; None without a difference, or where it is not known which
        way is better."""
        if self.paired is None or self.higher_is_better is None:
            return None
        return self.paired.difference if self.higher_is_better else -self.paired.difference

    def verdict(self, *, tolerance: float = 0.0) -> Verdict | None:
        """Whether the second run is shown to be better or worse: the permutation test's p value is below
        `LEVEL`, and the difference larger than `tolerance`. None where there is no `gain`."""
        if self.paired is None or self.gain is None:
            return None
        if self.paired.permutation_p >= LEVEL or abs(self.gain) <= tolerance:
            return "undecided"
        return "better" if self.gain > 0 else "worse"

    def numbers(self) -> JsonObject:
        """All but the flips, flat: a row of a data frame."""
        own = asdict(self)
        found = own.pop("paired") or dict.fromkeys(Paired.__slots__)
        low, high = found.pop("interval") or (None, None)
        return {
            **{name: value for name, value in own.items() if name not in ("alias", "depth", "flips")},
            **found,
            "low": low,
            "high": high,
            "flipped": len(self.flips),
            "verdict": self.verdict(),
        }
