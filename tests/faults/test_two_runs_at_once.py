"""Two runs at once in the threads of one process: each is as it is alone."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from threading import Barrier
from unittest.mock import patch

import pytest

from flows import evaluate
from flows.results.evaluation_result import EvaluationResult
from flows.specs.evaluation import EvaluationSpec
from tests.faults.test_endpoint_runs import chat
from tests.support.endpoints.endpoint import Endpoint
from tests.support.lab import Lab

CODED = """
task: coded
dataset_path: coded
test_split: test
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: answer
process_results: !function coded.passed
metric_list: [{metric: passed, aggregation: mean, higher_is_better: true}]
"""
# Gets at the metric that runs code by itself, which no task file says.
CODED_PYTHON = """
from metrics.hf_evaluate.code_eval import compute

def passed(doc, results):
    return {"passed": compute(["assert one == 1"], [["one = 1"]], k=1)[0]["pass@1"]}
"""


def add_tasks(lab: Lab) -> None:
    lab.add_texts("sums", 40)
    lab.write_data("coded", [{"question": f"{i}?", "answer": str(i)} for i in range(2)])
    (lab.tasks / "coded.yaml").write_text(CODED)
    (lab.tasks / "coded.py").write_text(CODED_PYTHON)


def specs(lab: Lab, endpoint: Endpoint, output: Path) -> tuple[EvaluationSpec, EvaluationSpec]:
    """Runs that differ in model, permission, budget and output."""
    model = chat(endpoint, max_concurrency=1, timeout=20)
    one = lab.spec(
        "coded,sums", allow_unsafe_code=True, sandbox="none", output=output / "one", trust_task_code=True
    )
    other = lab.spec(
        "coded,sums",
        model,
        task_budget_tokens=400,
        output=output / "other",
        trust_task_code=True,
        sandbox="docker",
    )
    return one, other


def found(result: EvaluationResult) -> object:
    """What of a run must not depend on another."""
    return result.results["results"], sorted(result.failures), result.record.assay.model_key


def taken(result: EvaluationResult) -> object:
    """What a run took; where a budget ends one, that depends on what was under way just then."""
    facts = result.record.assay
    return facts.requests_asked, facts.requests_reused, facts.cost and facts.cost.run


def test_runs_of_one_process_see_nothing_of_each_other(
    lab: Lab, tmp_path: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text("#!/bin/sh\nexit 1\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(docker.parent), prepend=os.pathsep)
    add_tasks(lab)
    endpoint.change(latency=0.05)
    with patch.dict(os.environ, ASSAY_HOME=str(tmp_path / "alone")):
        alone = [evaluate(spec) for spec in specs(lab, endpoint, tmp_path / "alone")]
    both_start = Barrier(2)

    def run(spec: EvaluationSpec) -> EvaluationResult:
        both_start.wait(60)
        return evaluate(spec)

    with patch.dict(os.environ, ASSAY_HOME=str(tmp_path / "together")), ThreadPoolExecutor(2) as threads:
        started = [  # with Prefect's settings, which are this thread's
            threads.submit(copy_context().run, run, spec)
            for spec in specs(lab, endpoint, tmp_path / "together")
        ]
        together = [one.result() for one in started]
    assert list(map(found, together)) == list(map(found, alone))
    one, other = together
    assert taken(one) == taken(alone[0])
    assert one.results["results"]["coded"]["passed,none"] == 1.0
    assert "docker does not run programs here" in other.failures["coded"]
    assert "budget" in other.failures["sums"]
    assert [result.folder.parts[-3] for result in together] == ["one", "other"]  # type: ignore[union-attr]
