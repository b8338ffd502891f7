"""Samples come back from their file as they were scored, whatever is in them."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backends.requests import Request, Response
from flows import compare
from flows.common.errors import ResultError
from flows.results.samples_file import doc_hash, read_samples, write_samples
from tasks_lib.prompts.request_builder import DocRequests
from tasks_lib.scoring.scorer import Answered, Sample
from tests.support.lab import Lab

# With lone surrogates, of which no two make one character.
ANY_TEXT = st.text(st.characters() | st.sampled_from("\ud800\udbff"), max_size=20)
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**53), 2**53),
        st.floats(allow_nan=False, allow_infinity=False),
        ANY_TEXT,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(ANY_TEXT, inner, max_size=3)),
    max_leaves=6,
)
ASKED = Request("generate_until", "Q: why?\nA:", generation={"until": ["\n"]})
SAID = Response(text="because", tokens_in=7, tokens_out=2, seconds=0.5)


def sample(
    doc_id: int = 0,
    *,
    doc: Any = None,
    target: Any = "because",
    requests: tuple[Request, ...] = (ASKED,),
    responses: tuple[tuple[Response, ...], ...] = ((SAID,),),
    filtered: tuple[Any, ...] = ("because",),
    **scores: Any,
) -> Sample:
    asked = DocRequests(doc_id, {"q": "why?"} if doc is None else doc, list(requests))
    return Sample(Answered(asked, responses), target, "none", filtered, scores)


def again(folder: Path, *samples: Sample) -> list[dict[str, Any]]:
    """The samples written and read back."""
    write_samples(folder / "samples.parquet", samples)
    return read_samples(folder / "samples.parquet")


def test_a_row_says_what_was_asked_answered_read_and_scored(tmp_path: Path) -> None:
    (row,) = again(tmp_path, sample(3, exact_match=1.0))
    hashes = {name: row.pop(name) for name in ("doc_hash", "prompt_hash", "target_hash")}
    assert row == {
        "doc_id": 3,
        "doc": {"q": "why?"},
        "target": "because",
        "arguments": [["Q: why?\nA:", {"until": ["\n"]}]],
        "resps": [["because"]],
        "filtered_resps": ["because"],
        "filter": "none",
        "status": "answer",
        "tokens_in": 7,
        "tokens_out": 2,
        "seconds": 0.5,
        "exact_match": 1.0,
    }
    assert {len(value) for value in hashes.values()} == {64}


def test_each_choice_and_each_repeat_has_its_response(tmp_path: Path) -> None:
    requests = tuple(Request("loglikelihood", "Q", choice) for choice in (" a", " b"))
    responses = tuple(
        tuple(Response(logprob=-float(i + j), is_greedy=j == 0, tokens_in=1) for j in range(2))
        for i in range(2)
    )
    (row,) = again(tmp_path, sample(requests=requests, responses=responses, filtered=((-0.0, True),)))
    assert row["arguments"] == [["Q", " a"], ["Q", " b"]]
    assert row["resps"] == [[[0.0, True], [-1.0, False]], [[-1.0, True], [-2.0, False]]]
    assert row["tokens_in"] == 4


def test_a_rolling_request_has_its_text_and_its_log_probability(tmp_path: Path) -> None:
    asked = Request("loglikelihood_rolling", "text")
    (row,) = again(tmp_path, sample(requests=(asked,), responses=((Response(logprob=-2.5),),)))
    assert (row["arguments"], row["resps"]) == ([["text"]], [[-2.5]])


def test_one_cut_off_response_makes_a_document_truncated(tmp_path: Path) -> None:
    cut = Response("truncated", text="bec")
    assert again(tmp_path, sample(responses=((SAID, cut),)))[0]["status"] == "truncated"


def test_a_metric_that_is_a_number_everywhere_is_a_column_of_numbers(tmp_path: Path) -> None:
    values = [1, 0.5, True, np.float32(0.25), np.int64(3), np.bool_(False), math.inf]
    rows = again(tmp_path, *(sample(i, score=value) for i, value in enumerate(values)))
    assert [row["score"] for row in rows] == [1.0, 0.5, 1.0, 0.25, 3.0, 0.0, math.inf]


def test_a_nested_metric_is_json_text_numpy_values_as_pythons(tmp_path: Path) -> None:
    pair = [np.int64(1), (np.float64(0.5), {"s"})]
    rows = again(tmp_path, sample(0, pair=pair, other=1), sample(1, pair=2.0, other=None))
    assert [json.loads(row["pair"]) for row in rows] == [[1, [0.5, ["s"]]], 2.0]
    assert [json.loads(row["other"]) for row in rows] == [1, None]


def test_a_metric_that_only_some_documents_have_is_null_for_the_others(tmp_path: Path) -> None:
    rows = again(tmp_path, sample(0, one=1.0), sample(1, two=[1, 2]))
    assert [(row["one"], row["two"]) for row in rows] == [(1.0, None), (None, "[1, 2]")]


@given(doc=st.dictionaries(ANY_TEXT, JSON, max_size=3), text=ANY_TEXT)
@example({"\ud800": ["\udfff"]}, "a\ud800b\\ud800")
def test_any_text_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, doc: dict[str, Any], text: str
) -> None:
    asked, said = Request("generate_until", text), Response(text=text)
    one = sample(doc=doc, target=text, requests=(asked,), responses=((said,),), filtered=(text,), note=text)
    (row,) = again(tmp_path_factory.mktemp("samples"), one)
    assert (row["doc"], row["target"], row["filtered_resps"]) == (doc, text, [text])
    assert (row["arguments"], row["resps"]) == ([[text, {}]], [[text]])
    assert json.loads(row["note"]) == text


def test_numpy_values_and_sets_of_a_document_are_written_as_plain_ones(tmp_path: Path) -> None:
    doc = {"n": np.int64(3), "set": {1}, "path": Path("x")}
    assert again(tmp_path, sample(doc=doc))[0]["doc"] == {"n": 3, "set": [1], "path": "x"}


def test_equal_documents_have_equal_hashes_and_others_others() -> None:
    assert doc_hash({"q": "why?"}) == doc_hash({"q": "why?"})
    assert doc_hash({"q": "why?"}) != doc_hash({"q": "how?"})


def test_more_documents_than_a_row_group_holds_stay_in_order(tmp_path: Path) -> None:
    rows = again(tmp_path, *(sample(i, score=i) for i in range(2500)))
    assert [row["doc_id"] for row in rows] == [row["score"] for row in rows] == list(range(2500))


def test_no_samples_are_an_empty_file(tmp_path: Path) -> None:
    assert again(tmp_path) == []


def test_samples_that_cannot_be_written_leave_no_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ResultError, match="cannot write"):
        write_samples(tmp_path / "file" / "samples.parquet", [sample()])
    with pytest.raises((TypeError, ValueError)):
        write_samples(tmp_path / "samples.parquet", [sample(0, n=1.0), sample("three", n=1.0)])  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_metrics_that_are_named_like_columns_of_samples_are_scored_and_compared(lab: Lab) -> None:
    lab.add_texts("sums", 3)
    names = ["status", "target", "filter", "seconds", "tokens_out", "doc", "doc_id", "thinking"]
    (lab.tasks / "code.py").write_text(
        f"def process(doc, results):\n    return {{name: float(doc['answer']) for name in {names}}}\n"
    )
    file = lab.tasks / "sums.yaml"
    file.write_text(f"{file.read_text()}process_results: !function code.process\n")
    result = lab.evaluate("sums", trust_task_code=True)
    row = result.results["results"]["sums"]
    assert {name: row[f"{name},number"] for name in names} == dict.fromkeys(names, 1.0)
    samples = result.samples("sums")
    assert list(samples["doc_id"]) == [0, 1, 2]
    assert list(samples["doc_id (score)"]) == [0.0, 1.0, 2.0]
    (compared,) = compare([result, result.folder])
    assert {one.metric for one in compared.differences} >= set(names)
