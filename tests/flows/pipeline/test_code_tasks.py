"""Tasks that run what the model writes: only where that is allowed, and then as lm-eval's task files say."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from flows.common.errors import SpecError
from flows.evaluate import evaluate
from flows.results.evaluation_result import EvaluationResult
from flows.results.remarks import remarks
from flows.specs.evaluation import EvaluationSpec
from metrics.sandbox.pick import sandbox_of

pytestmark = pytest.mark.usefixtures("prefect_server", "home")


# It guesses at descriptors, as one would that knows how the tests ask.
OUT_OF_TURN = """
    import os
    for descriptor in range(256):
        try:
            os.write(descriptor, b"passed\\n")
        except OSError:
            pass
"""


@pytest.fixture
def run(tmp_path: Path, shared_data: Path) -> Any:
    """Runs HumanEval on a model that knows every second solution, as lm-eval's task file has it."""
    pytest.importorskip("lm_eval")
    answers = tmp_path / "answers.json"
    answers.write_text(json.dumps(_every_second(shared_data)))

    def evaluated(**keys: object) -> EvaluationResult:
        given = {
            "model": f"scripted:{answers}",
            "tasks": "humaneval",
            "data_root": str(shared_data),
            "output": str(tmp_path / "results"),
            "limit": 6,
        }
        return evaluate(EvaluationSpec.model_validate({**given, **keys}))

    return evaluated


def _every_second(data: Path) -> Mapping[str, str]:
    from pyarrow import parquet

    (file,) = data.glob("openai/openai_humaneval/openai_humaneval/test.parquet")
    rows = parquet.read_table(file).to_pylist()
    return {row["prompt"]: row["canonical_solution"] for row in rows[::2]} | {"*": "    pass"}


def test_without_a_sandbox_code_is_refused_before_anything_is_loaded_or_asked(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox_of.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        SpecError, match=r"^humaneval runs code that the model writes: .*apt install bubblewrap"
    ):
        run()
    assert not (tmp_path / "results").exists()
    sandbox_of.cache_clear()


def test_no_sandbox_has_to_be_allowed(run: Any) -> None:
    with pytest.raises(ValueError, match="it needs --allow-unsafe-code"):
        run(sandbox="none")


def test_humaneval_needs_no_flag_where_there_is_a_sandbox(bwrap: object, run: Any) -> None:
    result = run()
    assert result.failures == {}
    assert list(result.samples("humaneval")["pass@1"]) == [1.0, 0.0] * 3


def test_what_became_of_programs_is_in_their_samples_and_those_out_of_turn_are_counted(
    bwrap: object, run: Any, tmp_path: Path
) -> None:
    answers = tmp_path / "answers.json"
    answers.write_text(json.dumps({**json.loads(answers.read_text()), "*": OUT_OF_TURN}))
    result = run(limit=4)
    assert list(result.samples("humaneval")["pass@1"]) == [1.0, 0.0] * 2
    wrote = "failed: it wrote what nobody had asked it for"
    assert list(result.samples("humaneval")["programs"]) == [["passed"], [wrote]] * 2
    assert "humaneval: programs for 2 of 4 documents wrote what only their tests may" in "\n".join(
        remarks(result.record)
    )


def test_humaneval_counts_the_programs_that_pass_their_tests(run: Any) -> None:
    result = run(allow_unsafe_code=True, sandbox="none")
    assert result.failures == {}
    assert result.results["results"]["humaneval"]["pass@1,create_test"] == 0.5
    assert list(result.samples("humaneval")["pass@1"]) == [1.0, 0.0] * 3
