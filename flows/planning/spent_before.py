"""What a run's answers have cost before it started: of a run with a budget that counts too.

So a run that is started again, by a person or by a scheduler, does not spend its budget again.
"""

from collections.abc import Iterable
from typing import Any

from backends.identity import request_key
from backends.money.budget import Budget
from backends.money.purse import Purse
from flows.planning import requests_file
from flows.planning.plan import Plan

# Answers that are in memory at once.
_CHUNK = 2000


def count_stored(plan: Plan, budget: Budget, prepared: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Count the stored answers of prepared tasks as spent; one that several tasks share, for the first."""
    counted: set[str] = set()
    for task, reference in prepared:
        rows = range(reference["requests"])
        digests = requests_file.digests(plan.steps.fetch(reference["files"]["requests"]), rows)
        keys = dict.fromkeys(request_key(plan.model_key, digest) for digest in digests)
        own = [key for key in keys if key not in counted]
        counted.update(own)
        for start in range(0, len(own), _CHUNK):
            found = plan.store.get_many(own[start : start + _CHUNK])
            purse = Purse(budget, plan.prices, [task] * len(found))
            for position, response in enumerate(found.values()):
                purse.note(position, response)
