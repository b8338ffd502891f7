"""Documents come from the first data root that has them, whole, or not at all."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pyarrow import parquet

from tasks_lib.data.allowed_data import check_of_hub
from tasks_lib.data.datasets import FunctionSource, HubSource, LocalSource, Source, find_source
from tasks_lib.errors import TaskError
from tasks_lib.files.config import TaskConfig

ROWS = [{"q": "one", "n": 1}, {"q": "two", "n": 2}]


def lines(file: Path, rows: Sequence[Any]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return file


def table(file: Path, rows: list[dict[str, Any]]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.Table.from_pylist(rows), file)
    return file


def source(*roots: Path, path: str = "org/data", name: str | None = None, **keys: Any) -> Source:
    config = TaskConfig(task="made", dataset_path=path, dataset_name=name, **keys)
    return find_source(config, roots)


@pytest.mark.parametrize("write", [lines, table])
def test_a_split_is_a_file_of_its_configuration(tmp_path: Path, write: Any) -> None:
    suffix = "jsonl" if write is lines else "parquet"
    write(tmp_path / f"org/data/main/test.{suffix}", ROWS)
    found = source(tmp_path, name="main")
    assert found.rows("test") == ROWS
    assert found.dataset("test").column_names == ["q", "n"]
    assert list(found.dataset("test")) == ROWS


def test_without_a_name_the_only_configuration_is_meant(tmp_path: Path) -> None:
    lines(tmp_path / "org/data/main/test.jsonl", [{"from": "main"}])
    (tmp_path / "org/data/notes").mkdir()
    assert source(tmp_path).rows("test") == [{"from": "main"}]
    lines(tmp_path / "org/data/other/test.jsonl", [{"from": "other"}])
    assert isinstance(source(tmp_path), HubSource)
    lines(tmp_path / "org/data/default/test.jsonl", [{"from": "default"}])
    assert source(tmp_path).rows("test") == [{"from": "default"}]


def test_parquet_comes_before_json_lines(tmp_path: Path) -> None:
    lines(tmp_path / "org/data/default/test.jsonl", [{"from": "jsonl"}])
    table(tmp_path / "org/data/default/test.parquet", [{"from": "parquet"}])
    assert source(tmp_path).rows("test") == [{"from": "parquet"}]


def test_the_first_root_that_has_the_dataset_wins(tmp_path: Path) -> None:
    for root in ("a", "b"):
        lines(tmp_path / root / "org/data/default/test.jsonl", [{"from": root}])
    (tmp_path / "empty").mkdir()
    roots = [tmp_path / name for name in ("missing", "empty", "b", "a")]
    assert source(*roots).rows("test") == [{"from": "b"}]


def test_a_root_that_lacks_the_configuration_is_passed_over(tmp_path: Path) -> None:
    lines(tmp_path / "a/org/data/other/test.jsonl", [{"from": "a"}])
    lines(tmp_path / "b/org/data/default/test.jsonl", [{"from": "b"}])
    assert source(tmp_path / "a", tmp_path / "b").rows("test") == [{"from": "b"}]


def test_what_is_in_no_root_is_looked_for_on_the_hub(tmp_path: Path) -> None:
    options = {"data_dir": "x", "trust_remote_code": True}
    found = source(tmp_path, name="main", dataset_kwargs=options)
    assert found == HubSource("made", "org/data", "main", {"data_dir": "x"})


def test_the_starter_data_is_found_without_any_root() -> None:
    assert len(source(path="starter_choices").rows("test")) > 10


def test_a_missing_split_is_an_error_that_names_those_that_are_there(tmp_path: Path) -> None:
    lines(tmp_path / "org/data/default/train.jsonl", ROWS)
    table(tmp_path / "org/data/default/dev.parquet", ROWS)
    with pytest.raises(
        TaskError, match=r"made: no split 'test' in .*org/data/default; there are: dev, train"
    ):
        source(tmp_path).rows("test")
    with pytest.raises(TaskError, match="no split 'test'"):
        source(tmp_path).dataset("test")


def test_a_column_that_a_row_lacks_is_null(tmp_path: Path) -> None:
    lines(tmp_path / "org/data/default/test.jsonl", [{"a": 1}, {"b": 2}, {"a": None, "c": []}])
    rows = source(tmp_path).rows("test")
    assert rows == [
        {"a": 1, "b": None, "c": None},
        {"a": None, "b": 2, "c": None},
        {"a": None, "b": None, "c": []},
    ]
    assert all(list(row) == ["a", "b", "c"] for row in rows)


def test_empty_lines_are_no_documents(tmp_path: Path) -> None:
    file = lines(tmp_path / "org/data/default/test.jsonl", ROWS)
    file.write_text("\n" + file.read_text() + "\n  \n")
    assert source(tmp_path).rows("test") == ROWS


def test_a_byte_order_mark_is_no_part_of_the_first_document(tmp_path: Path) -> None:
    file = lines(tmp_path / "org/data/default/test.jsonl", ROWS)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert source(tmp_path).rows("test") == ROWS


@given(st.lists(st.dictionaries(st.sampled_from("ab"), st.text()), max_size=3))
def test_any_text_comes_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str]]
) -> None:
    root = tmp_path_factory.mktemp("data")
    file = lines(root / "org/data/default/test.jsonl", ())
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    columns = dict.fromkeys(key for row in rows for key in row)
    assert source(root).rows("test") == [{key: row.get(key) for key in columns} for row in rows]


@pytest.mark.parametrize("path", ["../outside", "inner/../../outside", "/{root}/../outside"])
def test_a_dataset_path_does_not_leave_the_data_root(tmp_path: Path, path: str) -> None:
    lines(tmp_path / "outside/default/test.jsonl", [{"secret": 1}])
    root = tmp_path / "root"
    (root / "inner").mkdir(parents=True)
    assert isinstance(source(root, path=path.format(root=root)), HubSource)


@pytest.mark.parametrize("name", ["../../../outside", "../../../outside/default", "/{outside}"])
def test_a_dataset_name_does_not_leave_the_data_root(tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    lines(outside / "default/test.jsonl", [{"secret": 1}])
    lines(outside / "test.jsonl", [{"secret": 1}])
    base = tmp_path / "root" / "org/data"
    base.mkdir(parents=True)
    found = source(tmp_path / "root", name=name.format(outside=outside))
    assert isinstance(found, HubSource)


def not_trusted(own: Path, path: str, *roots: Path, **options: Any) -> Source:
    """The source of a task file in `own` whose folder the user has not trusted."""
    config = TaskConfig(task="made", dataset_path=path, dataset_kwargs=options)
    return find_source(config, roots, own)


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("text", {"data_files": {"test": "{outside}/secret.txt"}}),
        ("json", {"data_files": ["own.jsonl", "../outside/secret.txt"]}),
        ("csv", {"data_files": "secret.txt", "data_dir": "{outside}"}),
        ("text", {"data_files": "{own}/link/secret.txt"}),
        ("text", {"data_files": "{own}/*/secret.txt"}),
        ("text", {"data_files": "zip://secret.txt::{own}/a.zip"}),
        ("text", {"data_files": "https://127.0.0.1:1/secret.txt"}),
        ("text", {"data_files": "file://{outside}/secret.txt"}),
        ("imagefolder", {}),
        ("{outside}", {}),
        ("{own}/link", {}),
        ("{own}", {"data_files": "{outside}/secret.txt"}),
        ("org/of-the-hub", {"data_files": "{outside}/secret.txt"}),
        ("org/of-the-hub", {"data_files": "../../secret.txt"}),
        ("pandas", {"data_files": "{own}/a.pkl"}),
        ("org/of-the-hub", {"cache_dir": "{outside}"}),
        ("org/of-the-hub", {"token": "mine"}),
    ],
)
def test_a_task_file_that_is_not_trusted_names_no_data_elsewhere(
    tmp_path: Path, path: str, options: dict[str, Any]
) -> None:
    own, outside = tmp_path / "own", tmp_path / "outside"
    own.mkdir()
    outside.mkdir()
    (outside / "secret.txt").write_text("secret")
    (own / "link").symlink_to(outside)

    def placed(value: Any) -> Any:
        if isinstance(value, str):
            return value.format(own=own, outside=outside)
        if isinstance(value, list):
            return [placed(one) for one in value]
        return {key: placed(one) for key, one in value.items()}

    with pytest.raises(TaskError, match=r"--trust-task-code|wants `data_files`"):
        not_trusted(own, placed(path), tmp_path / "root", **placed(options))


@pytest.mark.parametrize("leads", ["link", "description", "set"])
def test_nor_does_what_its_folder_holds_lead_elsewhere(
    tmp_path: Path, leads: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, secret = tmp_path / "own", tmp_path / "secret.txt"
    data = own / "data"
    data.mkdir(parents=True)
    secret.write_text("secret")
    (data / "own.txt").write_text("own")
    monkeypatch.chdir(own)
    path, options = str(data), {}
    match leads:
        case "link":
            (data / "test.txt").symlink_to(secret)
        case "description":
            files = f"  data_files:\n  - split: test\n    path: {secret}\n"
            (data / "README.md").write_text(f"---\nconfigs:\n- config_name: default\n{files}---\n")
        case "set":  # `!!set` in YAML
            path, options = "text", {"data_files": {str(secret)}}
    with pytest.raises(TaskError, match=r"--trust-task-code|is not the name of a file"):
        not_trusted(own, path, **options).rows("test" if leads != "set" else "train")


def test_a_dataset_of_the_hub_is_in_no_file_of_this_machine() -> None:
    with pytest.raises(TaskError, match="names a file of this machine"):
        check_of_hub("made", "org/of-the-hub", ["hf://datasets/org/of-the-hub/a.txt", "/etc/hosts.txt"])


def test_a_row_of_a_task_that_is_not_trusted_names_no_picture_elsewhere(tmp_path: Path) -> None:
    from datasets import Dataset, Features
    from datasets import Image as Pictures

    own, elsewhere = tmp_path / "own", tmp_path / "picture.png"
    own.mkdir()
    Image.new("RGB", (1, 1)).save(elsewhere)
    for name, picture in (("theirs", elsewhere), ("mine", own / "picture.png")):
        shutil.copyfile(elsewhere, own / "picture.png")
        rows = {"image": [{"bytes": None, "path": str(picture)}]}
        told = Dataset.from_dict(rows, features=Features({"image": Pictures()})).data.table
        parquet.write_table(told, own / f"{name}.parquet")
    there = not_trusted(own, "parquet", data_files={"test": str(own / "mine.parquet")})
    assert there.rows("test")[0]["image"].size == (1, 1)
    with pytest.raises(TaskError, match=r"picture\.png is neither of the hub"):
        not_trusted(own, "parquet", data_files={"test": str(own / "theirs.parquet")}).rows("test")


def test_a_task_file_that_is_not_trusted_names_its_own_data_that_of_roots_and_of_the_hub(
    tmp_path: Path,
) -> None:
    own, root = tmp_path / "own", tmp_path / "root"
    mine = lines(own / "data/test.jsonl", ROWS)
    theirs = lines(root / "test.jsonl", ROWS)
    for file in (mine, theirs):
        found = not_trusted(own, "json", root, data_files={"test": str(file)})
        assert [dict(row) for row in found.rows("test")] == ROWS
    assert not_trusted(own, str(own / "data"), root).rows("test") == ROWS
    for options in (
        {},
        {"data_files": {"test": "part/*.parquet"}},
        {"data_files": "hf://datasets/o/n/x.json"},
    ):
        assert isinstance(not_trusted(own, "org/of-the-hub", root, **options), HubSource)


def test_a_link_in_the_data_root_is_followed(tmp_path: Path) -> None:
    lines(tmp_path / "elsewhere/default/test.jsonl", ROWS)
    (tmp_path / "root/org").mkdir(parents=True)
    (tmp_path / "root/org/data").symlink_to(tmp_path / "elsewhere")
    assert source(tmp_path / "root").rows("test") == ROWS


@pytest.mark.parametrize("split", ["../../../../outside/test", "../other/test"])
def test_a_split_does_not_leave_its_folder(tmp_path: Path, split: str) -> None:
    lines(tmp_path / "outside/test.jsonl", [{"secret": 1}])
    lines(tmp_path / "root/org/data/other/test.jsonl", [{"secret": 1}])
    lines(tmp_path / "root/org/data/default/train.jsonl", ROWS)
    with pytest.raises(TaskError, match="no split"):
        source(tmp_path / "root").rows(split)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (b'{"q": 1}\n{"q": \n', "line 2 is not JSON"),
        (b'{"q": 1}\n[1]\n', "line 2 is not a JSON object"),
        (b'{"q": 1}\n\n{"q": "\xff"}\n', "decode"),
        (b'{"q": ' + b"[" * 100_000, "recursion"),
        (b'{"q": ' + b"9" * 5_000 + b"}\n", "4300 digits"),
    ],
)
def test_damaged_json_lines_are_an_error_with_file_and_line(
    tmp_path: Path, damage: bytes, message: str
) -> None:
    file = lines(tmp_path / "org/data/default/test.jsonl", ())
    file.write_bytes(damage)
    for read in (source(tmp_path).rows, source(tmp_path).dataset):
        with pytest.raises(TaskError, match=f"made: cannot read {file}: .*{message}"):
            read("test")


@pytest.mark.parametrize("keep", [0, 5, -20])
def test_damaged_parquet_is_an_error_with_its_file(tmp_path: Path, keep: int) -> None:
    file = table(tmp_path / "org/data/default/test.parquet", ROWS)
    file.write_bytes(file.read_bytes()[:keep])
    for read in (source(tmp_path).rows, source(tmp_path).dataset):
        with pytest.raises(TaskError, match=f"made: cannot read {file}"):
            read("test")


@pytest.mark.parametrize("rows", [[{"a": 1}, {"a": "x"}], [{"a": "x"}, {"a": 1}]])
def test_a_column_of_two_types_is_an_error_only_where_a_dataset_is_wanted(
    tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    file = lines(tmp_path / "org/data/default/test.jsonl", rows)
    assert source(tmp_path).rows("test") == rows
    with pytest.raises(TaskError, match=f"made: cannot read {file}"):
        source(tmp_path).dataset("test")


def test_a_task_without_dataset_path_is_an_error() -> None:
    with pytest.raises(TaskError, match="made: the task file has no dataset_path"):
        find_source(TaskConfig(task="made"), ())


def test_the_digest_changes_with_one_byte_of_a_named_split_and_nothing_else(tmp_path: Path) -> None:
    test = lines(tmp_path / "org/data/default/test.jsonl", ROWS)
    train = lines(tmp_path / "org/data/default/train.jsonl", ROWS)
    before = source(tmp_path).digest(["test"])
    assert source(tmp_path).digest(["test", "test"]) == before
    train.write_text(train.read_text().replace("one", "won"))
    assert source(tmp_path).digest(["test"]) == before
    test.write_text(test.read_text().replace("one", "onE"))
    assert source(tmp_path).digest(["test"]) != before


def test_the_digest_knows_which_split_has_which_content_and_which_is_missing(tmp_path: Path) -> None:
    test = lines(tmp_path / "org/data/default/test.jsonl", ROWS)
    train = lines(tmp_path / "org/data/default/train.jsonl", ROWS[:1])
    found = source(tmp_path)
    assert isinstance(found, LocalSource)
    both = found.digest(["test", "train"])
    assert found.digest(["train", "test"]) == both != found.digest(["test"])
    test.rename(tmp_path / "moved")
    train.rename(test)
    (tmp_path / "moved").rename(train)
    assert found.digest(["test", "train"]) != both
    train.unlink()
    assert found.digest(["test", "train"]) != found.digest(["test"])


def test_the_splits_of_a_function_are_what_it_made() -> None:
    found = FunctionSource("made", {"test": ROWS})
    assert found.rows("test") == ROWS
    with pytest.raises(TaskError, match=r"made: custom_dataset makes no split 'train', only \['test'\]"):
        found.rows("train")
    assert found.digest(["test"]) == FunctionSource("made", {"test": list(ROWS)}).digest(["test"])
    assert found.digest(["test"]) != FunctionSource("made", {"test": ROWS[::-1]}).digest(["test"])
