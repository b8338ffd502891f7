"""How a number was made, where its run does not say: what gives its value is tried.

Runs of format 1 say nothing (`flows.results.results_json.FORMAT`), and no run knows what a function of a
task's own does; often that is a mean.
"""

import math
from collections.abc import Sequence

from flows.comparing.matched_samples import MatchedSamples
from flows.results.results_json import Score
from metrics.aggregates.aggregation import AGGREGATIONS
from metrics.aggregates.groups import weighted_mean
from metrics.statistics.document_means import AS_MEANS

Values = tuple[float, float]


def guessed_aggregation(score: Score, values: Values, samples: MatchedSamples) -> str | None:
    """The aggregation that gives these values of the documents' scores, if there is one.

    values: in the two runs.
    """
    kind = samples.kind(score.metric)
    everything = samples.all_scores(score.metric, score.filter)
    for name in AS_MEANS[kind] if kind else ():
        if all(map(_is_close, map(AGGREGATIONS[name], everything), values)):
            return name
    return None


def guessed_weighing(
    values: Values, tasks: Sequence[Values], sizes: Sequence[tuple[int, int]], times: Sequence[int]
) -> bool | None:
    """Whether a group's values are its tasks' means by size (True) or not (False); None where by neither.

    tasks, sizes, times: of each task its values and numbers of documents in the two runs, and how often it is
    in the group.
    """
    if not tasks:
        return None
    for by_size in (True, False):
        means = (
            weighted_mean(
                [own[run] for own in tasks],
                [count * (own[run] if by_size else 1) for count, own in zip(times, sizes, strict=True)],
            )
            for run in (0, 1)
        )
        if all(map(_is_close, means, values)):
            return by_size
    return None


def _is_close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
