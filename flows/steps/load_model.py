"""The first step: say what the model is. Its weights load with the first question."""

from typing import Any

from flows.planning.plan import plan_for
from flows.specs.evaluation import EvaluationSpec
from flows.steps.step import step


@step("load_model", retries=2)
def load_model(spec: EvaluationSpec, key: str) -> dict[str, Any]:
    """What results say of the model (`Backend.describe`), its key and its fingerprint by name."""
    plan = plan_for(spec)
    return {
        "described": dict(plan.backend.describe()),
        "model_key": plan.model_key,
        "fingerprint": dict(plan.backend.fingerprint),
    }
