"""Runs in Weights & Biases, offline: what would be sent is read from the file that is kept for it."""

import struct
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.common.errors import PublishError
from flows.results.evaluation_result import EvaluationResult
from flows.sinks.registry import open_sink
from tests.support.finished_run import TASKS
from tests.support.packages import needed

needed("wandb", reason="needs the extra `wandb`")
BLOCK, HEADER = 32768, 7


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A client of the test's own, that sends nothing."""
    import wandb

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANDB_MODE", "offline")
    for name in ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    wandb.teardown()
    yield
    wandb.teardown()


def records(file: Path) -> dict[str, list[Any]]:
    """The records of a W&B file by kind; they lie in blocks of chunks, as in LevelDB's log."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, found, record = file.read_bytes(), defaultdict(list), b""
    position = HEADER
    while position < len(content):
        if BLOCK - position % BLOCK < HEADER:
            position += BLOCK - position % BLOCK
        _, length, place = struct.unpack("<IHB", content[position : position + HEADER])
        position += HEADER
        record += content[position : position + length]
        position += length
        if place in (1, 4):  # whole, or the last chunk
            read = Record.FromString(record)
            found[read.WhichOneof("record_type")].append(read)
            record = b""
    return found


def test_a_run_has_scores_spec_samples_and_files(finished: EvaluationResult, tmp_path: Path) -> None:
    import wandb

    open_sink("wandb:team/project").publish(finished)
    wandb.teardown()  # until then the file is not whole
    (file,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    found = records(file)
    run = found["run"][0].run
    assert (run.entity, run.project, run.run_id) == ("team", "project", finished.folder.name)
    config = {item.key: item.value_json for item in run.config.update}
    assert config["model"] == '"scripted:hash"'
    summary = {
        item.key or "/".join(item.nested_key): item.value_json
        for one in found["summary"]
        for item in one.summary.update
    }
    score = finished.results["results"]["starter_choices"]["acc,none"]
    assert float(summary["starter_choices/acc/none"]) == pytest.approx(score)
    assert f"samples/{TASKS[0]}" in summary
    assert any(finished.folder.name in one.artifact.name for one in found["artifact"])


def test_a_missing_key_is_said_in_a_line(finished: EvaluationResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_API_KEY", "too short")
    with pytest.raises(PublishError, match="wandb:project: ") as error:
        open_sink("wandb:project").publish(finished)
    assert "\n" not in str(error.value)
