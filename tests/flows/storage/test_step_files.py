"""Files that steps leave for others: known by name and content, on one machine or on several."""

import json
from pathlib import Path

import pytest

from flows.storage.files import write_text
from flows.storage.home import Home
from flows.storage.step_files import StepFiles, step_files


@pytest.fixture
def steps(tmp_path: Path) -> StepFiles:
    return step_files(Home(tmp_path / "home"), tmp_path / "results")


def test_a_referenced_file_is_intact_until_it_changes_or_goes(steps: StepFiles) -> None:
    file = steps.prepared / "file"
    write_text(file, "content")
    written = json.loads(json.dumps(steps.add(file)))
    assert steps.fetch(written) == file
    assert steps.are_intact([written])
    write_text(file, "Content")
    assert not steps.are_intact([written])
    write_text(file, "content")
    assert steps.are_intact([written, written])
    file.unlink()
    assert not steps.are_intact([written])


def test_nothing_is_made_before_it_is_written(steps: StepFiles) -> None:
    assert steps.prepared.is_relative_to(steps.root)
    assert not steps.root.exists()
