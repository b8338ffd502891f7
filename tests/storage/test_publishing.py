"""What is published of a run in a bucket is what is published of the same run on disk."""

import pytest

from flows.publish import publish
from flows.results.evaluation_result import EvaluationResult
from tests.support.hub.server import Hub
from tests.support.servers.seaweedfs import SeaweedFS


def test_the_hub_gets_the_same_files_of_a_run_in_a_bucket(
    finished: EvaluationResult, hub: Hub, prefix: str, seaweedfs: SeaweedFS
) -> None:
    pytest.importorskip("huggingface_hub")
    folder = finished.folder
    copy = f"{prefix}/{folder.parent.name}/{folder.name}"
    seaweedfs.files().put(f"{folder}/", f"{copy.removeprefix('s3://')}/", recursive=True)
    publish(str(folder), "hub:org/of-disk")
    publish(copy, "hub:org/of-bucket")
    ours, theirs = hub.dataset("org/of-disk").files, hub.dataset("org/of-bucket").files
    assert b"dataset_info" in ours["README.md"]
    assert theirs.keys() == ours.keys()
    assert {name: file.replace(b"of-bucket", b"of-disk") for name, file in theirs.items()} == dict(ours)
