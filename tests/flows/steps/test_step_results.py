"""What steps give back is kept as JSON, and read from it as what it was; with failures it is not kept."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from flows.planning.prepared_requests import Piece, PreparedTask, cut_pieces
from flows.steps.record_serializer import RecordSerializer
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
    kept = RecordSerializer().dumps(result)
    assert RecordSerializer().loads(kept) == result
    assert "__class__" not in kept.decode()


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


@pytest.mark.usefixtures("prefect_server")
def test_a_step_with_failures_shows_as_failed_gives_what_worked_and_runs_again(tmp_path: Path) -> None:
    from prefect import State, flow

    from flows.prefect_api.step_records import result_storage
    from flows.steps.step import ended, step

    failures = [{"facts": "no data"}, {}]

    @step("prepare")
    def prepare(key: str) -> Prepared | State[Prepared]:
        return ended(Prepared({"sums": task("sums", 3)}, failures.pop(0)))

    @flow
    def called() -> list[tuple[str, object]]:
        own = prepare.with_options(result_storage=result_storage(tmp_path))
        states = [own(key="key", return_state=True) for _ in range(3)]
        return [(str(state.name), state.result(raise_on_failure=False)) for state in states]

    (first, partial), (second, whole), (third, found) = called()
    assert (first, second, third) == ("Failed", "Completed", "Cached")
    assert partial == Prepared({"sums": task("sums", 3)}, {"facts": "no data"})
    assert whole == found == Prepared({"sums": task("sums", 3)})
