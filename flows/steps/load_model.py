"""The first step: say what the model is. Its weights load with the first question."""

from flows.steps.records import LoadedModel
from flows.steps.run import Run
from flows.steps.step import step


@step("load_model", retries=2)
def load_model(run: Run, key: str) -> LoadedModel:
    """What the model is."""
    plan = run.plan
    return LoadedModel(dict(plan.backend.describe()), plan.model_key, dict(plan.fingerprint))
