"""Texts that are drawn: each document has one of its own, which depends on nothing but itself."""

from pathlib import Path
from typing import Any

import pytest

from flows.rescore import rescore
from flows.results.evaluation_result import EvaluationResult
from flows.specs.rescoring import RescoreSpec
from tests.support.lab import Lab
from tests.support.packages import needed
from tests.support.paths import STORIES

DRAWN = {"do_sample": True, "temperature": 0.9, "until": ["\n"], "max_gen_toks": 6}
EQUAL = [{"question": "Once upon a time there was a", "answer": "1"}] * 4
ROWS = [*EQUAL, {"question": "Lily and her mom went to", "answer": "2"}]


@pytest.fixture
def lab(
    tmp_path: Path, prefect_server: str, no_installed_catalog: None, monkeypatch: pytest.MonkeyPatch
) -> Lab:
    monkeypatch.delenv("ASSAY_DATA_ROOT", raising=False)
    lab = Lab(tmp_path)
    monkeypatch.setenv("ASSAY_HOME", str(lab.home))
    lab.add_texts("drawn", 1, generation_kwargs=DRAWN, doc_to_text="{{question}}")
    lab.write_data("drawn", ROWS)
    return lab


def texts(result: EvaluationResult) -> dict[int, list[str]]:
    samples = result.samples("drawn")
    return {doc_id: answers[0] for doc_id, answers in zip(samples["doc_id"], samples["resps"], strict=True)}


def test_equal_documents_have_texts_of_their_own_which_are_asked_once(lab: Lab) -> None:
    some = texts(lab.evaluate("drawn", limit=2))
    assert lab.asked == 2
    found = texts(lab.evaluate("drawn"))
    assert lab.asked == len(ROWS)
    assert len({text for own in found.values() for text in own}) == len(ROWS)
    assert some == {doc_id: found[doc_id] for doc_id in range(2)}
    assert texts(lab.evaluate("drawn", samples={"drawn": [3]})) == {3: found[3]}
    assert lab.asked == len(ROWS)


def test_repeats_of_equal_documents_are_all_different(lab: Lab) -> None:
    found = texts(lab.evaluate("drawn", repeats=3))
    assert len({text for own in found.values() for text in own}) > len(ROWS)
    assert lab.asked == 3 * len(ROWS)


def test_at_a_temperature_of_0_equal_documents_have_one_answer_whatever_the_seed(lab: Lab) -> None:
    for seed in (1, 2):
        lab.evaluate("drawn", gen_kwargs={"temperature": 0}, seed=seed)
    assert lab.asked == 2


@pytest.mark.slow
@pytest.mark.skipif(not STORIES.is_dir(), reason="needs the stories260k model beside the repository")
def test_a_local_models_text_depends_on_no_batch_and_no_earlier_answer(lab: Lab, tmp_path: Path) -> None:
    needed("torch", "transformers")

    def drawn(**keys: Any) -> EvaluationResult:
        return lab.evaluate("drawn", f"hf:{STORIES}?dtype=float32&device=cpu", **keys)

    whole = drawn(batch_size=8)
    parameters = whole.results["assay"]["generation"]["drawn"]
    assert parameters["temperature"] == {"value": 0.9, "from": "task file"}
    assert parameters["top_k"] == {"value": 50, "from": "transformers' default"}
    expected = texts(whole)
    assert len({text for own in expected.values() for text in own}) > 3
    assert texts(rescore(RescoreSpec.model_validate({"run": whole.folder}))) == expected
    other = tmp_path / "other.sqlite"
    drawn(batch_size=8, store=str(other), samples={"drawn": [1, 4]})
    resumed = drawn(batch_size=2, store=str(other))
    assert texts(resumed) == expected
    assert resumed.results["assay"]["requests_asked"] == len(ROWS) - 2
