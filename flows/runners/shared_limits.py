"""What an endpoint may be asked at once is the user's bound for all processes: each gets its share."""

from sys import maxsize

from backends.model_string import ModelSpec
from backends.registry import open_backend
from flows.planning.plan import Plan
from flows.specs.evaluation import EvaluationSpec

# The limit that has no fractions: the calls in flight.
CALLS = "max_concurrency"


def shared_limits(plan: Plan, processes: int) -> tuple[EvaluationSpec, int]:
    """The spec of a run as each of so many processes has it, and how many of them may ask at a time.

    Nobody can have less than one call in flight: where there are more processes than calls, some wait.
    """
    spec, most = plan.spec, maxsize
    models = []
    for model in (spec.model, *spec.fallback):
        limits = open_backend(model, plan.backend_context).capabilities.limits
        most = min(most, int(limits.get(CALLS, maxsize)))
        models.append(_with_share(model, dict(limits), processes))
    return spec.model_copy(update={"model": models[0], "fallback": models[1:]}), most


def _with_share(model: ModelSpec, limits: dict[str, float], processes: int) -> ModelSpec:
    shares = {name: limit / processes for name, limit in limits.items()}
    whole = {CALLS: max(1, int(shares[CALLS]))} if CALLS in shares else {}
    return model.model_copy(update={"options": {**model.options, **shares, **whole}})
