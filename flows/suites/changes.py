"""What is better or worse than in earlier runs of a suite, and which of it is a regression.

A task's main score is compared document by document (`flows.comparing.comparison`). It is said to have
changed where the p value, after Holm's correction over all comparisons of the suite's run, is below alpha,
and the difference is larger than the task's tolerance.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

from flows.common.json_object import JsonObject
from flows.common.text_tables import aligned
from flows.comparing.difference import Difference
from flows.specs.suite import SuiteSpec
from flows.suites.leaderboard import number
from metrics.shown_text import in_one_line
from metrics.statistics.holm import holm
from metrics.statistics.paired import RESAMPLES, Paired

# `first`: there is no earlier score. `not compared`: there is one, but it says nothing of this one.
Verdict = Literal["regression", "improvement", "same", "first", "not compared"]
HEADER = ("Model", "Task", "Metric", "Before", "Now", "Difference", "95% interval", "p", "Verdict")
RIGHT = {"Before", "Now", "Difference", "95% interval", "p"}


@dataclass(frozen=True, slots=True)
class Change:
    """A model's score of a task against that of an earlier run.

    since: the earlier run's stamp. before, now: the scores over the documents of both runs. difference: now
    minus before. low, high: its 95 % confidence interval. p: of the permutation test, or, where that can say
    no more than that it is tiny, of the t test; two-sided. p_holm: the same, corrected. reason: why there is
    nothing to compare.
    """

    model: str
    task: str
    verdict: Verdict
    metric: str = ""
    filter: str = ""
    since: str | None = None
    before: float | None = None
    now: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    higher_is_better: bool | None = None
    p: float | None = None
    p_holm: float | None = None
    reason: str | None = None

    @classmethod
    def between(cls, model: str, since: str, found: Difference) -> "Change":
        """What was found of a task, before it is judged among all others."""
        own = cls(
            model,
            found.task,
            "not compared",
            found.metric,
            found.filter,
            since,
            found.first,
            found.second,
            higher_is_better=found.higher_is_better,
        )
        if found.paired is None:
            return replace(own, reason=f"{found.metric} is no mean of the documents' scores")
        if found.higher_is_better is None:
            return replace(own, reason=f"the task does not say which way {found.metric} is better")
        low, high = found.paired.interval or (None, None)
        return replace(
            own,
            verdict="same",
            difference=found.paired.difference,
            low=low,
            high=high,
            p=_p_value(found.paired),
        )

    @property
    def gain(self) -> float:
        """By how much it is better now."""
        difference = self.difference or 0.0
        return difference if self.higher_is_better else -difference

    def judged(self, p_holm: float, spec: SuiteSpec) -> "Change":
        """The change with its verdict."""
        is_real = p_holm < spec.alpha and abs(self.gain) > spec.tolerance_of(self.task)
        changed: Verdict = "improvement" if self.gain > 0 else "regression"
        return replace(self, p_holm=p_holm, verdict=changed if is_real else "same")

    @property
    def interval(self) -> str:
        """In words; empty where there is none."""
        return (
            ""
            if self.low is None or self.high is None
            else f"{number(self.low, '+')} to {number(self.high, '+')}"
        )

    def cells(self) -> list[str]:
        numbers = [_shown(self.before), _shown(self.now), _shown(self.difference, "+")]
        p = "<0.0001" if self.p_holm is not None and self.p_holm < 0.0001 else _shown(self.p_holm)
        return [self.model, self.task, self.metric, *numbers, self.interval, p, self.verdict]

    def sentence(self) -> str:
        """The change in words."""
        interval = self.interval and f" (95% interval {self.interval})"
        return in_one_line(
            f"{self.model}: {self.task} {self.metric} {_shown(self.before)} -> {_shown(self.now)}, "
            f"{_shown(self.difference, '+')}{interval}"
        )


@dataclass(frozen=True, slots=True)
class Changes:
    """All changes of a suite's run; one for each model and task that has a score now."""

    changes: Sequence[Change]

    @classmethod
    def judge(cls, changes: Sequence[Change], spec: SuiteSpec) -> "Changes":
        """Changes with their verdicts, which depend on how many were compared."""
        p_values = {i: one.p for i, one in enumerate(changes) if one.p is not None}
        corrected = dict(zip(p_values, holm(list(p_values.values())), strict=True))
        return cls(
            [one.judged(corrected[i], spec) if i in corrected else one for i, one in enumerate(changes)]
        )

    @classmethod
    def read(cls, content: JsonObject) -> "Changes":
        """Those from what `content` gave."""
        return cls([Change(**one) for one in content["changes"]])

    def content(self) -> JsonObject:
        """As JSON has it."""
        return {"changes": [asdict(one) for one in self.changes]}

    @property
    def regressions(self) -> list[Change]:
        return [one for one in self.changes if one.verdict == "regression"]

    @property
    def is_first(self) -> bool:
        """Whether there is nothing earlier at all."""
        return all(one.verdict == "first" for one in self.changes)

    def text(self) -> str:
        """For people, in a fixed-width font."""
        if self.is_first:
            return "No earlier run of this suite to compare with."
        since = sorted({one.since for one in self.changes if one.since is not None})
        table = aligned(HEADER, [one.cells() for one in self.changes], RIGHT)
        return "\n".join([f"Against the run of {', '.join(since)}", "", table, *self._reasons()])

    def _reasons(self) -> Iterator[str]:
        for one in self.changes:
            if one.reason is not None:
                yield in_one_line(f"{one.model}: {one.task} is not compared: {one.reason}")


def _p_value(found: Paired) -> float:
    """The least that resampling can give, corrected for hundreds of comparisons, is not below alpha."""
    least = 1 / (1 + RESAMPLES)
    if found.permutation_p != least or found.t_p is None:
        return found.permutation_p
    return min(least, found.t_p)


def _shown(value: float | None, sign: str = "") -> str:
    return "" if value is None else number(value, sign)
