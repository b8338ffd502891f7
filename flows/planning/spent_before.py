"""What a run's answers have cost before it started: of a run with a budget that counts too.

So a run that is started again, by a person or by a scheduler, does not spend its budget again.
"""

from collections.abc import Iterable

from backends.money.budget import Budget
from backends.money.purse import Purse
from flows.planning.plan import Plan
from flows.planning.prepared_requests import PreparedRequests, PreparedTask


def count_stored(plan: Plan, budget: Budget, prepared: Iterable[PreparedTask]) -> None:
    """Count the stored answers of prepared tasks as spent; one that several tasks share, for the first."""
    counted: set[str] = set()
    for one in prepared:
        requests = PreparedRequests.of(plan, one.whole)
        own = [key for key in dict.fromkeys(requests.keys) if key not in counted]
        counted.update(own)
        for found in requests.answers(own):
            purse = Purse(budget, plan.prices, [one.task] * len(found))
            for position, response in enumerate(found.values()):
                purse.note(position, response)
