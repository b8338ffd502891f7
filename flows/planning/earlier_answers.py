"""Who gave the answers that earlier runs have stored."""

from collections import Counter
from collections.abc import Iterable

from backends.store.answerers import Answerer, answerers_of
from flows.planning.plan import Plan
from flows.planning.prepared_requests import PreparedRequests, PreparedTask


def note_answerers(plan: Plan, prepared: Iterable[PreparedTask]) -> None:
    """Have the store know what an endpoint's model calls itself in the stored answers of prepared tasks,
    where they are of a version that took no note of it."""
    if not plan.backend.capabilities.offers or plan.store.answerers(plan.model_key):
        return
    found: Counter[Answerer] = Counter()
    for one in prepared:
        requests = PreparedRequests.of(plan, one.whole)
        for answers in requests.answers(list(dict.fromkeys(requests.keys))):
            found += answerers_of(answers.values())
    plan.store.note_answerers(plan.model_key, found)
