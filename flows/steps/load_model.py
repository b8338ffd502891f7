"""The first step: open the model and say what it is. Its weights load with the first question."""

from typing import Any

from flows.plan import plan_for
from flows.spec import EvaluationSpec
from flows.steps.step import step


@step("load_model", retries=2)
def load_model(spec: EvaluationSpec, key: str) -> dict[str, Any]:
    """The model's fingerprint, by name."""
    plan = plan_for(spec)
    return {
        "model": str(spec.model),
        "model_key": plan.model_key,
        "fingerprint": dict(plan.backend.fingerprint),
    }
