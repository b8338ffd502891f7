"""Runs for TensorBoard: the event file is read back."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.common.errors import PublishError
from flows.results.evaluation_result import EvaluationResult
from flows.sinks.registry import open_sink
from tests.support.packages import needed

needed("tensorboardX", reason="needs the extra `tensorboard`")


def values(folder: Path) -> Iterator[Any]:
    """What the only event file below a folder holds: records of length, checksum, event, checksum."""
    from tensorboardX.proto.event_pb2 import Event

    (file,) = folder.rglob("events.*")
    content = file.read_bytes()
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        yield from Event.FromString(content[12 : 12 + length]).summary.value
        content = content[16 + length :]


def test_scores_are_scalars_and_the_spec_a_text(finished: EvaluationResult, tmp_path: Path) -> None:
    sink = open_sink(f"tensorboard:{tmp_path}")
    folder = Path(sink.publish(finished))
    (folder / "events.out.tfevents.1.before").touch()
    sink.publish(finished)
    assert folder == tmp_path / finished.folder.parent.name / finished.folder.name
    found = {value.tag: value for value in values(tmp_path)}
    score = finished.results["results"]["starter_choices"]["acc,none"]
    assert found["starter_choices/acc/none"].simple_value == pytest.approx(score)
    assert "starter_choices/acc_stderr/none" in found
    texts = {
        tag: value.tensor.string_val[0].decode() for tag, value in found.items() if value.tensor.string_val
    }
    assert "scripted:hash" in texts["spec/text_summary"]
    assert texts["folder/text_summary"] == str(finished.folder)


def test_a_folder_that_cannot_be_written_is_said(finished: EvaluationResult, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PublishError, match="tensorboard:"):
        open_sink(f"tensorboard:{tmp_path}/file").publish(finished)
