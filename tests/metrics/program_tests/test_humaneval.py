"""HumanEval's own solutions pass in the sandbox, and wrong ones do not."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from metrics.program_tests.verdict import verdict_of
from metrics.sandbox.program import Sandbox

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def problems(shared_data: Path) -> list[dict[str, Any]]:
    from pyarrow import parquet

    (file,) = shared_data.glob("openai/openai_humaneval/openai_humaneval/test.parquet")
    rows: list[dict[str, Any]] = parquet.read_table(file).to_pylist()
    return rows


def results(sandbox: Sandbox, problems: list[dict[str, Any]], bodies: list[str]) -> dict[str, str]:
    def result(problem: dict[str, Any], body: str) -> str:
        tests = f"{problem['test']}\ncheck({problem['entry_point']})"
        return verdict_of(sandbox, problem["prompt"] + body, tests, 3.0)

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(result, problems, bodies))
    return {problem["task_id"]: said for problem, said in zip(problems, found, strict=True)}


def test_all_solutions_pass(bwrap: Sandbox, problems: list[dict[str, Any]]) -> None:
    found = results(bwrap, problems, [problem["canonical_solution"] for problem in problems])
    assert len(found) == 164
    assert {task: said for task, said in found.items() if said != "passed"} == {}


def test_what_is_no_solution_does_not(bwrap: Sandbox, problems: list[dict[str, Any]]) -> None:
    found = results(bwrap, problems[:40], ["    return None\n"] * 40)
    assert all(said.startswith("failed: ") for said in found.values())
