"""What is written of a run is JSON that every reader reads, whatever its numbers are."""

import json
import math
from pathlib import Path
from typing import Any

from flows.results.run_folder import RunFolder
from flows.results.samples_file import as_json
from flows.results.strict_json import strict


def read_strictly(text: str) -> Any:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


RESULTS = {"a/b": {"acc,none": 0.5, "ppl,none": math.inf, "x~y,none": -math.inf, "list": [1.0, math.nan]}}


def test_a_number_that_is_none_is_null_and_a_word_in_the_file_and_itself_for_programs(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_results({"results": RESULTS, "assay": {"format": 2}})
    written = read_strictly(folder.results.read_text())
    assert written["results"]["a/b"]["ppl,none"] is None
    assert sorted(written["assay"]["not_numbers"].values()) == ["NaN", "infinite", "negative infinite"]
    read = folder.read_results()["results"]["a/b"]
    assert (read["acc,none"], read["ppl,none"], read["x~y,none"]) == (0.5, math.inf, -math.inf)
    assert math.isnan(read["list"][1])


def test_results_of_numbers_alone_say_nothing_of_others(tmp_path: Path) -> None:
    content = {"results": {"a": {"acc,none": 0.5}}, "assay": {"format": 2}}
    assert strict(content) == content
    RunFolder(tmp_path).write_results(content)
    assert RunFolder(tmp_path).read_results() == content


def test_a_document_with_a_number_that_is_none_is_json_in_its_sample() -> None:
    assert read_strictly(as_json({"x": math.nan, "y": [math.inf, 1.5]})) == {"x": None, "y": [None, 1.5]}
