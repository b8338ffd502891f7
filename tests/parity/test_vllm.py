"""vLLM in its own process, vLLM's server and transformers give real documents the same log-likelihoods."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.parity.ask_model import scores
from tests.support.paths import ROOT, TINY
from tests.support.servers.vllm import ENVIRONMENT, VARIABLE, vllm_python

TOLERANCE = 1e-4
# Per token, where thousands of float32 numbers are added.
ROLLING_TOLERANCE = 1e-6
DOCUMENTS = 40
# Short enough that some contexts and all long texts are cut.
MAX_LENGTH = 64

pytestmark = [pytest.mark.vllm, pytest.mark.parity, pytest.mark.slow]

# A context and a continuation for each choice.
Document = list[list[str]]
Scores = list[tuple[float | None, bool | None]]


def arc_easy(data: Path) -> list[Document]:
    rows = _rows(data / "allenai/ai2_arc/ARC-Easy/test.parquet")
    return [_document(f"Question: {row['question']}", row["choices"]["text"]) for row in rows]


def piqa(data: Path) -> list[Document]:
    rows = _rows(data / "baber/piqa/default/validation.parquet")
    return [_document(f"Question: {row['goal']}", [row["sol1"], row["sol2"]]) for row in rows]


def _document(question: str, choices: Sequence[str]) -> Document:
    return [[f"{question}\nAnswer:", f" {choice}"] for choice in choices]


def _rows(file: Path) -> list[dict[str, Any]]:
    from pyarrow import parquet

    if not file.is_file():
        pytest.skip(f"no documents at {file}")
    rows: list[dict[str, Any]] = parquet.read_table(file).slice(0, DOCUMENTS).to_pylist()
    return rows


@pytest.fixture(scope="module")
def documents(shared_data: Path) -> list[Document]:
    return [*arc_easy(shared_data), *piqa(shared_data)]


@pytest.fixture(scope="module")
def asked(documents: list[Document]) -> list[list[str]]:
    choices = [choice for document in documents for choice in document]
    odd = [["", " A text without a context"], ["A context that ends in space ", "and goes on"]]
    known = [["Question: What is 3 + 4?\nAnswer:", " 3 + 4 = 7."]]
    return [*choices, *odd, *known, *([context * 8] for context, _ in choices[:8])]


@pytest.fixture(scope="module")
def given(asked: list[list[str]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scores]:
    """The scores by backend. vLLM has an environment of its own, where it is asked in its own process."""
    python = vllm_python()
    if python is None:
        pytest.skip(f"no environment with vLLM: `make venv-vllm`, or name its interpreter in {VARIABLE}")
    folder = tmp_path_factory.mktemp("vllm")
    options = f"max_length={MAX_LENGTH}&enforce_eager=true"
    (folder / "requests.json").write_text(json.dumps(asked))
    arguments = [f"vllm:{TINY}?{options}", folder / "home", folder / "requests.json", folder / "answers.json"]
    command = [str(python), "-m", "tests.parity.ask_model", *map(str, arguments)]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        subprocess.run(command, cwd=ROOT, env={**os.environ}, check=True)
        served = scores(f"vllm-server:{TINY}?{options}&python={python}", folder / "home", asked)
    return {
        "hf": scores(f"hf:{TINY}?max_length={MAX_LENGTH}&device=cpu", folder / "home", asked),
        "vllm": json.loads((folder / "answers.json").read_text()),
        "vllm-server": served,
    }


@pytest.mark.parametrize("backend", ["vllm", "vllm-server"])
def test_each_request_has_the_log_likelihood_of_transformers(
    backend: str, asked: list[list[str]], given: dict[str, Scores]
) -> None:
    assert len(given[backend]) == len(asked)
    for texts, (ours, greedy), (theirs, greedy_there) in zip(asked, given[backend], given["hf"], strict=True):
        tolerance = TOLERANCE if len(texts) == 2 else max(TOLERANCE, ROLLING_TOLERANCE * len(texts[0]))
        assert ours == pytest.approx(theirs, abs=tolerance), texts
        assert greedy == greedy_there, texts


def test_all_three_choose_the_same_answers(documents: list[Document], given: dict[str, Scores]) -> None:
    """By log-likelihood, and by that for each byte: lm-eval's acc and acc_norm."""
    chosen: dict[str, list[tuple[int, int]]] = {}
    for backend, said in given.items():
        numbers = iter([logprob or 0.0 for logprob, _ in said])
        chosen[backend] = []
        for document in documents:
            own = [next(numbers) for _ in document]
            by_byte = [value / len(text.encode()) for value, (_, text) in zip(own, document, strict=True)]
            chosen[backend].append((own.index(max(own)), by_byte.index(max(by_byte))))
    assert chosen["vllm"] == chosen["hf"] == chosen["vllm-server"]


def test_the_documents_reach_what_can_go_wrong(given: dict[str, Scores], asked: list[list[str]]) -> None:
    """Continuations that are the likeliest and that are not, too long ones, and texts of several windows."""
    assert {True, False} <= {is_greedy for _, is_greedy in given["hf"]}
    assert 0 < sum(logprob is None for logprob, _ in given["hf"]) < len(asked) / 10
    assert any(len(texts) == 1 and len(texts[0]) > 8 * MAX_LENGTH for texts in asked)
