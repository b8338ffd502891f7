"""A spec as a form: what Prefect makes of its schema takes every spec there is, and refuses what is none."""

from typing import Any

import pytest
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.validation import validate

from flows.pipeline.evaluate_flow import evaluate_flow
from flows.specs.evaluation import EvaluationSpec
from flows.specs.form import TITLES

SCHEMA: dict[str, Any] = parameter_schema(evaluate_flow).model_dump_for_openapi()
FIELDS: dict[str, dict[str, Any]] = SCHEMA["definitions"]["EvaluationSpec"]["properties"]


def refused(spec: dict[str, Any]) -> list[str]:
    """The fields that the server names."""
    return [str(error.json_path) for error in validate({"spec": spec}, SCHEMA)]


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"model": "openai-chat:m?api_key=secret:account", "fallback": "hf:a | hf:b", "tasks": "a,b*"},
        {"gen_kwargs": "temperature=0.5", "samples": '{"a": [1]}', "price": "in=1,out=2", "batch_size": 8},
        {"limit": 0.5, "num_fewshot": 3, "compat": "lm-eval", "data_root": "/x:/y", "budget_usd": 1},
    ],
    ids=lambda keys: ",".join(keys) or "defaults",
)
def test_a_spec_as_json_is_a_form_filled_in(keys: dict[str, Any]) -> None:
    spec = EvaluationSpec.model_validate(keys)
    written = spec.model_dump(mode="json")
    assert refused(written) == []
    assert EvaluationSpec.model_validate(written) == spec


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"limit": 0}, "$.spec.limit"),
        ({"num_fewshot": 1.5}, "$.spec.num_fewshot"),
        ({"compat": "other"}, "$.spec.compat"),
        ({"model": 3}, "$.spec.model"),
        ({"min_coverage": 2}, "$.spec.min_coverage"),
        ({"modle": "hf:m"}, "$.spec"),
    ],
)
def test_what_is_no_spec_is_refused_by_its_field(spec: dict[str, Any], field: str) -> None:
    assert field in refused(spec)


def test_the_fields_come_in_sections_and_none_is_left_out() -> None:
    assert [*TITLES] == sorted(FIELDS, key=lambda name: FIELDS[name]["position"])[: len(TITLES)]
    assert FIELDS.keys() == EvaluationSpec.model_fields.keys()


def test_help_texts_speak_of_fields_and_show_as_they_are_written() -> None:
    assert not [name for name, one in FIELDS.items() if "--" in one["description"]]
    assert "“Budget: tokens”" in FIELDS["task_budget_tokens"]["description"]
    assert r"\<dataset\>" in FIELDS["data_root"]["description"]
    assert "separated by" not in "".join(one["description"] for one in FIELDS.values())


def test_a_value_that_may_be_missing_is_an_empty_field_and_choices_are_choices() -> None:
    assert FIELDS["limit"]["type"] == "number"
    assert "default" not in FIELDS["limit"]
    assert FIELDS["compat"]["enum"] == ["lm-eval", None]
    assert [one for one in FIELDS if "anyOf" in FIELDS[one]] == ["batch_size"]
