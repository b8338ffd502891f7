"""Files of the home that are gone, cut off or of another time: the next run does what is missing."""

import base64
import json
import os
import pickle
import shutil
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.common.errors import ResultError
from flows.storage.step_files import StepFiles
from tests.support.lab import Lab, finish
from tests.support.waiting import until


def delete(file: Path) -> None:
    file.unlink()


def cut_off(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def files(lab: Lab, folder: str) -> list[Path]:
    return [file for file in (lab.home / "steps" / folder).rglob("*") if file.is_file()]


@pytest.mark.parametrize("damage", [delete, cut_off], ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("folder", ["prepared", "scored", "finished"])
def test_a_damaged_step_is_done_again_without_the_model(
    lab: Lab, folder: str, damage: Callable[[Path], None]
) -> None:
    lab.add_choices("facts", 4)
    lab.add_texts("sums", 5)
    before = lab.evaluate("facts,sums")
    damaged = files(lab, folder)
    assert damaged
    for file in damaged:
        damage(file)
    after = lab.evaluate("facts,sums")
    assert after.failures == {}
    assert after.results["results"] == before.results["results"]
    assert lab.asked == 13
    assert len(after.samples("sums")) == 5


def call(mark: Path) -> str:
    """What Prefect's own decoder makes a call of."""
    return json.dumps({"__class__": "subprocess.getoutput", "data": {"cmd": f"touch {mark}"}})


def as_prefects_json(record: Any, mark: Path) -> None:
    record["metadata"]["serializer"] = {"type": "json"}
    record["result"] = call(mark)


def under_the_name_of_our_own_reader(record: Any, mark: Path) -> None:
    record["result"] = call(mark)


def as_pickle(record: Any, mark: Path) -> None:
    class Command:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
            return exec, (f"import os; os.system('touch {mark}')",)

    record["metadata"]["serializer"] = {"type": "pickle"}
    record["result"] = base64.encodebytes(pickle.dumps(Command())).decode()


@pytest.mark.parametrize("change", [as_prefects_json, under_the_name_of_our_own_reader, as_pickle])
def test_a_record_of_a_step_that_somebody_else_wrote_runs_nothing(
    lab: Lab, change: Callable[[Any, Path], None], tmp_path: Path
) -> None:
    lab.add_texts("sums", 3)
    before = lab.evaluate("sums")
    for file in files(lab, "finished"):
        record = json.loads(file.read_text())
        change(record, tmp_path / "mark")
        file.write_text(json.dumps(record))
    after = lab.evaluate("sums")
    assert not (tmp_path / "mark").exists()
    assert (after.failures, after.results["results"]) == ({}, before.results["results"])
    assert lab.asked == 3


SHAPES: dict[str, Callable[[Any], Any]] = {
    "a list": lambda record: [record],
    "a text": lambda record: "record",
    "null": lambda record: None,
    "nothing in it": lambda record: {},
    "metadata that is a list": lambda record: {**record, "metadata": []},
    "metadata alone": lambda record: {"metadata": record["metadata"]},
    "a result that is a list": lambda record: {**record, "result": "[]"},
    "a result that is a number": lambda record: {**record, "result": 5},
    "no kind": lambda record: {**record, "result": "{}"},
    "an unknown kind": lambda record: {**record, "result": '{"Sample": {}}'},
    "fields of another type": lambda record: {**record, "result": '{"Prepared": {"done": 5}}'},
    "the record of another step": lambda record: {
        **record,
        "result": '{"LoadedModel": {"described": {}, "key": "", "fingerprint": {}}}',
    },
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_record_of_another_shape_is_none_and_its_step_is_done_again(lab: Lab, shape: str) -> None:
    lab.add_texts("sums", 3)
    before = lab.evaluate("sums")
    for file in files(lab, "finished"):
        file.write_text(json.dumps(SHAPES[shape](json.loads(file.read_text()))))
    after = lab.evaluate("sums")
    assert (after.failures, after.results["results"]) == ({}, before.results["results"])
    assert lab.asked == 3


@pytest.mark.parametrize("path", ["../outside", "/etc/hostname", "prepared/../../outside"])
def test_a_reference_leads_to_no_file_outside_of_the_steps_folder(path: str, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("mine")
    with pytest.raises(ResultError, match="outside"):
        StepFiles(tmp_path / "steps").fetch({"path": path, "sha256": ""})


def test_what_a_killed_run_left_half_written_is_removed_by_the_next(lab: Lab) -> None:
    lab.add_texts("sums", 3)
    left = [lab.home / "steps" / name / ".x.parquet.0123abcd~" for name in ("prepared", "scored/deep")]
    for file in left:
        file.parent.mkdir(parents=True)
        file.write_text("half")
    lab.evaluate("sums")
    assert until(lambda: not any(file.exists() for file in left))


def test_a_deleted_store_is_asked_for_anew(lab: Lab) -> None:
    lab.add_texts("sums", 5)
    before = lab.evaluate("sums").results["results"]
    for file in lab.home.glob("responses.sqlite*"):
        file.unlink()
    assert lab.evaluate("sums").results["results"] == before
    assert lab.asked == 10


def stored_in_the_file_alone(lab: Lab, tmp_path: Path) -> int:
    shutil.copy(lab.home / "responses.sqlite", tmp_path / "alone")
    with sqlite3.connect(tmp_path / "alone") as copy:
        (count,) = copy.execute("SELECT count(*) FROM assay_responses").fetchone()
    copy.close()
    return int(count)


def test_the_store_is_whole_in_its_one_file_after_every_end(lab: Lab, tmp_path: Path) -> None:
    lab.add_texts("sums", 30)
    assert lab.run("--limit=5", tasks="sums").status == 0
    assert stored_in_the_file_alone(lab, tmp_path) == 5
    process = lab.start(tasks="sums", model="scripted:hash?batch_size=1&delay=0.2")
    assert until(lambda: lab.asked >= 10, process)
    process.send_signal(signal.SIGINT)
    assert finish(process).status == 130
    assert stored_in_the_file_alone(lab, tmp_path) >= lab.asked - 1


def test_an_emptied_store_is_said_and_filled_anew(lab: Lab) -> None:
    lab.add_texts("sums", 5)
    assert lab.run(tasks="sums").errors.strip() == ""
    (lab.home / "responses.sqlite").write_bytes(b"")
    ended = lab.run(tasks="sums")
    assert ended.status == 0
    assert "responses.sqlite was emptied since the last run: all is asked anew" in ended.errors
    assert lab.asked == 10


def test_an_answer_that_is_damaged_is_asked_anew_and_all_others_are_kept(lab: Lab) -> None:
    lab.add_texts("sums", 5)
    before = lab.evaluate("sums").results["results"]
    with sqlite3.connect(lab.home / "responses.sqlite") as store:
        store.execute(
            "UPDATE assay_responses SET payload = X'6a7b' WHERE key = (SELECT min(key) FROM assay_responses)"
        )
    store.close()
    shutil.rmtree(lab.home / "steps")
    ended = lab.run(tasks="sums")
    assert "stored answers that are damaged, and count as missing: 1" in ended.errors
    assert (ended.status, lab.asked, lab.last["results"]) == (0, 6, before)
    assert lab.run(tasks="sums").errors.strip() == ""


def test_an_earlier_copy_of_the_store_is_filled_up(lab: Lab, tmp_path: Path) -> None:
    lab.add_texts("sums", 5)
    lab.evaluate("sums", limit=2)
    store = lab.home / "responses.sqlite"
    sqlite3.connect(store).execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    shutil.copy(store, tmp_path / "copy")
    before = lab.evaluate("sums").results["results"]
    assert lab.asked == 5
    for file in lab.home.glob("responses.sqlite*"):
        file.unlink()
    shutil.copy(tmp_path / "copy", store)
    after = lab.evaluate("sums")
    assert after.failures == {}
    assert after.results["results"] == before
    assert lab.asked in (5, 8), "the scores were kept, or what was missing was asked"
    lab.edit_task("sums", metric_list=[{"metric": "bypass"}])
    assert lab.evaluate("sums").failures == {}
    assert lab.asked == 8


def test_a_store_that_is_none_is_refused_before_the_model_is_asked(lab: Lab) -> None:
    lab.add_texts("sums", 5)
    (lab.home / "responses.sqlite").write_bytes(b"something else entirely" * 100)
    ended = lab.run(tasks="sums")
    assert (ended.status, lab.asked) == (2, 0)
    assert "responses.sqlite: the file is not a response store" in ended.errors
    assert "Traceback" not in ended.errors
