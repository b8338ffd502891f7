"""How much two runs differ over the same documents, and whether that may be chance.

Scores of the same document go together, so the error of a difference is taken from the differences of single
documents, not from the errors of the two scores (Miller, 2024, "Adding Error Bars to Evals", section 4.2).

- The difference of several tasks is their weighted mean, and its variance the sum of theirs, since documents
  of different tasks are independent (Cochran, Sampling Techniques, 3rd edition, 1977, section 5.4).
- Documents in clusters: the variance of `metrics.statistics.clusters`, times c / (c - 1) for c clusters, so
  that where each document is its own cluster it is the usual one.
- Degrees of freedom: units - 1, units being documents or clusters; over several tasks those of Welch (1947),
  "The generalization of 'Student's' problem when several different population variances are involved".
- Permutation test: were the runs alike, the sign of each unit's difference would be chance (Fisher, The
  Design of Experiments, 1935, section 21). All signs are tried where they are few, or where the
  differences are of one size and follow a binomial distribution; else `RESAMPLES` of them, the p value being
  (1 + those at least as far off) / (1 + RESAMPLES) (Phipson and Smyth, 2010).
- McNemar's test for scores of 0 and 1, exact: of the documents whose score changed, as many would have become
  better as worse (McNemar, 1947).
"""

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import stats

from metrics.errors import MetricError
from metrics.statistics.clusters import cluster_numbers
from metrics.statistics.intervals import LEVEL, Interval

Floats = npt.NDArray[np.float64]

# So many units have 65,536 combinations of signs, which take a millisecond.
MOST_EXACT = 16
# The least p value is then 1 / 10,000, and one of 0.05 is off by 0.004 (two standard errors).
RESAMPLES = 9999
SEED = 1234
# Values held at once by the permutation test: some megabytes.
_BLOCK = 1 << 20
# A spread below this share of the difference is what rounding leaves of none.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Pairs:
    """Scores of the same documents of one task, in one order, by each of two runs.

    clusters: the cluster of each document, where they are not independent of each other. weight: how much the
    task counts beside others.
    """

    first: Sequence[float]
    second: Sequence[float]
    clusters: Sequence[Hashable] | None = None
    weight: float = 1.0

    @cached_property
    def differences(self) -> Floats:
        """Second minus first, by document. Raises MetricError where that cannot be had."""
        if len(self.first) != len(self.second) or not len(self.first):
            counts = f"{len(self.first)} and {len(self.second)}"
            raise MetricError(f"Paired scores are of the same documents: there are {counts}.")
        found: Floats = np.asarray(self.second, np.float64) - np.asarray(self.first, np.float64)
        if not np.isfinite(found).all():
            raise MetricError("Paired scores are finite numbers; leave out documents without one.")
        return found

    @property
    def are_shares(self) -> bool:
        """Whether all scores are 0 or 1."""
        return all(one in (0, 1) for scores in (self.first, self.second) for one in scores)

    def by_unit(self, values: Floats) -> Floats:
        """The sum of documents' values in each cluster, or as they are where there are none."""
        if self.clusters is None:
            return values
        numbers = cluster_numbers(self.clusters, len(values))
        return np.bincount(numbers, weights=values).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Paired:
    """The difference of two runs: second minus first, in the units of the score.

    documents: how many were compared. higher, lower: how many of them have a higher and a lower score in the
    second run. stderr, interval, t_p: the standard error of the difference, its 95 % confidence interval and
    the p value of the paired t test; None for a single document or cluster, and the latter two also where all
    documents differ by the same, which says nothing of chance. permutation_p: of the sign-flip test.
    mcnemar_p: None but for scores of 0 and 1 of one task without clusters. All p values are two-sided.
    """

    documents: int
    difference: float
    higher: int
    lower: int
    stderr: float | None
    interval: Interval | None
    t_p: float | None
    permutation_p: float
    mcnemar_p: float | None


def paired(tasks: Sequence[Pairs]) -> Paired:
    """Compare two runs over one task or, as a weighted mean, over several.

    Raises MetricError for scores that are not finite numbers of the same documents.
    """
    total = sum(task.weight for task in tasks)
    if not total > 0:
        raise MetricError("A comparison over tasks needs one with a weight above 0.")
    shares = [task.weight / total for task in tasks]
    everything = np.concatenate([task.differences for task in tasks])
    means = [float(task.differences.mean()) for task in tasks]
    difference = sum(share * own for share, own in zip(shares, means, strict=True))
    error, freedom = _error(tasks, shares)
    higher, lower = int((everything > 0).sum()), int((everything < 0).sum())
    units = [
        task.by_unit(share * task.differences / len(task.differences))
        for share, task in zip(shares, tasks, strict=True)
    ]
    is_single = len(tasks) == 1 and tasks[0].clusters is None and tasks[0].are_shares
    return Paired(
        documents=len(everything),
        difference=difference,
        higher=higher,
        lower=lower,
        stderr=error,
        interval=_interval(difference, error, freedom),
        t_p=_t_test(difference, error, freedom),
        permutation_p=sign_flip_p(np.concatenate(units)),
        mcnemar_p=mcnemar_p(higher, lower) if is_single else None,
    )


def mcnemar_p(higher: int, lower: int) -> float:
    """The two-sided p value of McNemar's exact test, from the documents that became better and worse."""
    return float(stats.binomtest(higher, higher + lower).pvalue) if higher + lower else 1.0


def sign_flip_p(differences: npt.ArrayLike) -> float:
    """The two-sided p value of the permutation test that flips the sign of each difference."""
    found = np.asarray(differences, np.float64)
    changed = found[found != 0]
    if not len(changed):
        return 1.0
    sizes = np.abs(changed)
    if np.allclose(sizes, sizes[0], rtol=_ROUNDING, atol=0):
        return mcnemar_p(int((changed > 0).sum()), int((changed < 0).sum()))
    least = abs(float(changed.sum())) * (1 - _ROUNDING)
    if len(sizes) <= MOST_EXACT:
        return float(np.mean(np.abs(_all_flipped(sizes)) >= least))
    as_far = sum(int((np.abs(sums) >= least).sum()) for sums in _randomly_flipped(sizes))
    return (1 + as_far) / (1 + RESAMPLES)


def _all_flipped(sizes: Floats) -> Floats:
    """The sums of the sizes under each combination of signs."""
    sums = np.zeros(1)
    for size in sizes:
        sums = np.concatenate([sums + size, sums - size])
    return sums


def _randomly_flipped(sizes: Floats) -> Iterator[Floats]:
    """The sums of the sizes under `RESAMPLES` random combinations of signs, block by block. (scipy's
    `permutation_test` takes half a minute for what this does in one second.)"""
    generator = np.random.default_rng(SEED)
    block, width = max(1, _BLOCK // len(sizes)), math.ceil(len(sizes) / 8)
    for start in range(0, RESAMPLES, block):
        rows = min(block, RESAMPLES - start)
        drawn = np.frombuffer(generator.bytes(rows * width), np.uint8).reshape(rows, width)
        is_plus = np.unpackbits(drawn, axis=1, count=len(sizes))
        yield 2 * (is_plus @ sizes) - sizes.sum()


def _error(tasks: Sequence[Pairs], shares: Sequence[float]) -> tuple[float | None, float]:
    """The standard error of the weighted mean of differences, and its degrees of freedom."""
    variances, freedoms = [], []
    for task, share in zip(tasks, shares, strict=True):
        own = task.differences
        residuals = task.by_unit(share * (own - own.mean()) / len(own))
        count = len(residuals)
        if count < 2:
            return None, 0.0
        variances.append(count / (count - 1) * float((residuals**2).sum()))
        freedoms.append(count - 1)
    total = sum(variances)
    terms = sum(variance**2 / freedom for variance, freedom in zip(variances, freedoms, strict=True))
    return math.sqrt(total), total**2 / terms if terms else float(sum(freedoms))


def _is_constant(difference: float, error: float) -> bool:
    """Whether all documents differ by the same, and by something."""
    return difference != 0 and error <= _ROUNDING * abs(difference)


def _interval(difference: float, error: float | None, freedom: float) -> Interval | None:
    if error is None or _is_constant(difference, error):
        return None
    half = float(stats.t.ppf((1 + LEVEL) / 2, freedom)) * error
    return Interval(difference - half, difference + half)


def _t_test(difference: float, error: float | None, freedom: float) -> float | None:
    if error is None or _is_constant(difference, error):
        return None
    return 2 * float(stats.t.sf(abs(difference) / error, freedom)) if error else 1.0
