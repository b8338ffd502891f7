"""What steps give back is kept as JSON, and read from it as what it was."""

from collections.abc import Sequence

import pytest
from prefect.serializers import JSONSerializer

from flows.planning.prepared_requests import Piece, PreparedTask, cut_pieces
from flows.steps.records import LoadedModel, Prepared, Scored, ScoredTask, ShardResult, TaskShare

FILE = {"path": "prepared/a.parquet", "sha256": "0f"}


def task(name: str, requests: int) -> PreparedTask:
    kinds = {"generate_until": requests}
    return PreparedTask(name, "key", {"requests": FILE}, "digest", requests, kinds, 2, 9, "", 5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "result",
    [
        LoadedModel({"model_dtype": "float32", "model_num_parameters": 3}, "key", {"backend": "hf"}),
        Prepared({"sums": task("sums", 3)}, {"facts": "facts: no data"}),
        ShardResult(
            {"sums": TaskShare(3, 2, 0.5, [FILE]), "facts": TaskShare(1, 0, 0.0, [])}, {"sums": "away"}
        ),
        ShardResult({"sums": TaskShare(3, 2, 0.5, [FILE])}, {"sums": "spent"}, "budget"),
        Scored({"sums": ScoredTask({"scores": FILE})}),
    ],
)
def test_a_result_is_kept_as_json_and_read_as_what_it_was(result: object) -> None:
    serializer: JSONSerializer[object] = JSONSerializer()
    assert serializer.loads(serializer.dumps(result)) == result


@pytest.mark.parametrize(
    ("shard", "expected"),
    [
        (range(2), [("a", 0, 2)]),
        (range(2, 6), [("a", 2, 3), ("b", 0, 3)]),
        (range(6, 9), [("b", 3, 4), ("d", 0, 2)]),
    ],
)
def test_a_shard_has_a_piece_of_each_task_that_it_has_requests_of(
    shard: range, expected: Sequence[tuple[str, int, int]]
) -> None:
    prepared = [task("a", 3), task("b", 4), task("c", 0), task("d", 2)]
    pieces = cut_pieces(prepared, shard)
    assert pieces == [Piece(name, {"requests": FILE}, start, stop) for name, start, stop in expected]
