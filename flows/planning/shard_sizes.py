"""How much one step takes: bundles of tasks, and shards of their requests."""

import itertools
import math
from collections.abc import Sequence

# Prefect loses records of runs with many steps (docs/design.md, "The flow"): a run stays under this many.
MAX_STEPS = 300
# A shard: long enough that a step's overhead does not show, short enough to be told apart in a UI.
SHARD_REQUESTS = 512
# Where several processes ask: at the end one is idle for no more than an eighth of the time, the last shard
# of another, unless shards would be so small that what a step costs shows.
SHARDS_EACH = 8
LEAST_REQUESTS = 64


def cut_bundles(tasks: Sequence[str]) -> list[tuple[str, ...]]:
    """Tasks in order, in at most a quarter as many bundles as there may be steps."""
    size = max(1, math.ceil(len(tasks) / (MAX_STEPS // 4)))
    return [tuple(tasks[start : start + size]) for start in range(0, len(tasks), size)]


def cut_shards(requests: int, bundles: int, processes: int = 1, scale: int = 1) -> list[range]:
    """The requests of one bundle in equal shards, so few that all steps of the run stay within `MAX_STEPS`.

    processes: that ask; of several each gets some shards, so that none is idle while another has many left.
    scale: how many times the usual size a shard is.
    Every bundle has a prepare and a score step besides its shards; loading and persisting are two more.
    """
    allowed = max(1, (MAX_STEPS - 2) // bundles - 2)
    wanted = math.ceil(requests / (scale * SHARD_REQUESTS))
    if processes > 1:
        wanted = max(wanted, min(SHARDS_EACH * processes, requests // (scale * LEAST_REQUESTS)))
    count = min(max(1, wanted), allowed)
    bounds = [requests * part // count for part in range(count + 1)]
    return [range(start, stop) for start, stop in itertools.pairwise(bounds)]
