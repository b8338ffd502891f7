"""Whole runs whose results are in a bucket."""

from flows.results.result import EvaluationResult
from tests.faults.lab import Lab


def test_a_run_is_written_to_a_bucket_and_read_back(lab: Lab, prefix: str) -> None:
    lab.add_choices("facts", 4)
    lab.add_texts("sums", 5)
    result = lab.evaluate("facts,sums", output=prefix)
    again = EvaluationResult.open(str(result.folder))
    assert str(again.folder).startswith(f"{prefix}/scripted_hash/")
    assert again.results == result.results
    assert len(again.samples("sums")) == 5
    assert len(again.calls("facts")) == 8
