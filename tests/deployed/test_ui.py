"""What people see in Prefect's UI, with a real browser: the form, and a run that it started."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flows.specs.evaluation import DEFAULT_MODEL, DEFAULT_TASKS, EvaluationSpec
from flows.specs.form import TITLES
from tests.deployed.service import Service

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


def open_form(deployed: Service, page: "Page") -> None:
    made = deployed.call("deployments/name/evaluate/manual")["id"]
    page.goto(f"{deployed.ui}/deployments/deployment/{made}/run")
    page.get_by_text("Output: only estimate").wait_for(timeout=60_000)


def field(page: "Page", title: str) -> "Locator":
    """What is typed into for a field of one line."""
    header = page.locator(".schema-form-property__header", has_text=f"{title} (Optional)")
    own = page.locator(".schema-form-property").filter(has=header)
    return own.last.locator("textarea, input").first


def tab(page: "Page", title: str, line: str) -> list[str]:
    """The lines of a tab of a run's page, once one of them is there."""
    page.get_by_text(title, exact=True).first.click()
    page.get_by_text(line, exact=True).first.wait_for(timeout=60_000)
    return page.locator("body").inner_text().splitlines()


def test_the_form_has_a_field_for_each_key_with_its_help_and_default(
    deployed: Service, page: "Page", pictures: Path
) -> None:
    open_form(deployed, page)
    page.screenshot(path=pictures / "form.png")
    text = page.locator("body").inner_text()
    schema = EvaluationSpec.model_json_schema()["properties"]
    titles = re.findall(r"^(.+) \(Optional\)$", text, re.MULTILINE)
    assert titles == [one["title"] for one in schema.values()]
    assert titles[: len(TITLES)] == list(TITLES.values())
    for one in schema.values():
        assert re.sub(r"\\(.)", r"\1", one["description"]) in text
    values = [box.input_value() for box in page.locator("textarea").all()]
    assert values.count(DEFAULT_MODEL) == 1
    assert [value for value in values if value in DEFAULT_TASKS] == list(DEFAULT_TASKS)


@pytest.mark.slow
def test_a_run_started_from_the_form_is_the_one_that_was_filled_in(
    deployed: Service, page: "Page", pictures: Path
) -> None:
    open_form(deployed, page)
    field(page, "Model").fill("scripted:hash")
    field(page, "Tasks: limit").fill("5")
    field(page, "Output: folder").fill(str(deployed.results))
    with page.expect_response(re.compile("create_flow_run$")) as answer:
        page.get_by_role("button", name="Submit").click()
    run = deployed.ended(answer.value.json()["id"])
    assert run["state_type"] == "COMPLETED", run["state"]["message"]
    spec = EvaluationSpec.model_validate(run["parameters"]["spec"])
    assert spec == EvaluationSpec.model_validate(
        {"model": "scripted:hash", "limit": 5, "output": deployed.results}
    )
    page.goto(f"{deployed.ui}/runs/flow-run/{run['id']}")
    page.get_by_text("3 of 3 tasks scored in").wait_for(timeout=60_000)
    page.wait_for_timeout(2000)  # the graph moves into its place
    page.screenshot(path=pictures / "run.png")
    text = page.locator("body").inner_text()
    for said in ("evaluating scripted:hash on 3 tasks", "scored starter_math: exact_match", "Completed"):
        assert said in text
    assert page.locator("canvas").first.is_visible(), "the graph of its steps"
    steps = tab(page, "Task Runs", "score starter_math")
    assert "infer starter_math 1/1" in steps
    shown = tab(page, "Artifacts", "summary-scripted-hash")
    assert {"scores-scripted-hash", "progress-scripted-hash", "30 of 30 requests answered"} <= set(shown)
    page.screenshot(path=pictures / "artifacts.png")
    page.get_by_text("summary-scripted-hash").click()
    page.get_by_text("3 tasks scored").wait_for(timeout=60_000)


@pytest.mark.slow
def test_the_form_refuses_a_wrong_value_and_names_its_field(deployed: Service, page: "Page") -> None:
    open_form(deployed, page)
    field(page, "Model").fill("openai-chat:m?api_key=sk-123")
    page.get_by_role("button", name="Submit").click()
    page.get_by_text("Validation failed for field 'spec.model'").first.wait_for()
    assert "write api_key=env:VARIABLE or api_key=secret:NAME" in page.locator("body").inner_text()
    assert page.url.endswith("/run")
