"""The first step: say what the model is. Its weights load with the first question."""

from flows.planning.plan import plan_for
from flows.specs.evaluation import EvaluationSpec
from flows.steps.records import LoadedModel
from flows.steps.step import step


@step("load_model", retries=2)
def load_model(spec: EvaluationSpec, key: str) -> LoadedModel:
    """What the model is."""
    plan = plan_for(spec)
    return LoadedModel(dict(plan.backend.describe()), plan.model_key, dict(plan.backend.fingerprint))
