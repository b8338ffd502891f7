"""Task files as text: includes, functions that are named and not run, and errors that say where."""

from contextlib import suppress
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks_lib.errors import TaskError
from tasks_lib.files.config import FunctionRef
from tasks_lib.files.yaml_files import YamlFiles

anywhere = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def content_of(file: Path) -> Any:
    return YamlFiles().read(file).content


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text), encoding="utf-8")
    return path


def test_a_files_own_keys_win_over_its_includes_and_later_includes_over_earlier(tmp_path: Path) -> None:
    write(tmp_path / "first", "a: 1\nb: 1\nc: 1\n")
    write(tmp_path / "second", "b: 2\nc: 2\n")
    file = write(tmp_path / "task.yaml", "include: [first, second]\nc: 3\n")
    assert content_of(file) == {"a": 1, "b": 2, "c": 3}


def test_an_included_file_includes_relative_to_its_own_folder(tmp_path: Path) -> None:
    write(tmp_path / "shared/deep/base", "a: 1\n")
    write(tmp_path / "shared/template", "include: deep/base\nb: 2\n")
    file = write(tmp_path / "family/task.yaml", "include: ../shared/template\n")
    assert content_of(file) == {"a": 1, "b": 2}


def test_a_function_belongs_to_the_folder_of_the_file_it_is_written_in(tmp_path: Path) -> None:
    write(tmp_path / "shared/template", "process_docs: !function utils.clean\n")
    file = write(
        tmp_path / "task.yaml", "include: shared/template\nmetric_list: [{metric: !function m.score}]\n"
    )
    content = content_of(file)
    assert content["process_docs"] == FunctionRef(tmp_path / "shared", "utils.clean")
    assert content["metric_list"][0]["metric"] == FunctionRef(tmp_path, "m.score")


def test_task_list_is_not_inherited(tmp_path: Path) -> None:
    write(tmp_path / "template", "task_list: [a]\nx: 1\n")
    file = write(tmp_path / "task.yaml", "include: template\n")
    assert content_of(file) == {"x": 1}
    assert "task_list" in content_of(tmp_path / "template")


def test_a_file_that_is_included_on_two_ways_is_no_cycle(tmp_path: Path) -> None:
    write(tmp_path / "base", "a: 1\n")
    write(tmp_path / "left", "include: base\nb: 1\n")
    write(tmp_path / "right", "include: base\nc: 1\n")
    file = write(tmp_path / "task.yaml", "include: [left, right]\n")
    assert content_of(file) == {"a": 1, "b": 1, "c": 1}


def test_a_cycle_is_an_error_that_names_its_files(tmp_path: Path) -> None:
    write(tmp_path / "a", "include: b\n")
    write(tmp_path / "b", "include: a\n")
    file = write(tmp_path / "task.yaml", "include: a\n")
    with pytest.raises(TaskError, match=r"include cycle: \S+/a -> \S+/b -> \S+/a$"):
        content_of(file)


def test_a_template_is_parsed_once_in_a_run(tmp_path: Path) -> None:
    template = write(tmp_path / "template", "a: 1\n")
    tasks = [write(tmp_path / f"{i}.yaml", f"include: template\ntask: t{i}\n") for i in range(3)]
    files = YamlFiles()
    _ = files.read(tasks[0])
    template.unlink()
    assert [files.read(task).content["a"] for task in tasks[1:]] == [1, 1]
    with pytest.raises(TaskError, match="template cannot be read"):
        content_of(tasks[0])


def test_a_file_knows_all_files_it_is_made_of(tmp_path: Path) -> None:
    write(tmp_path / "base", "a: 1\n")
    write(tmp_path / "template", "include: base\n")
    file = write(tmp_path / "task.yaml", "include: template\n")
    assert YamlFiles().read(file).includes == (tmp_path / "template", tmp_path / "base")


def test_a_linked_file_is_read_in_its_real_folder(tmp_path: Path) -> None:
    write(tmp_path / "real/template", "a: 1\n")
    real = write(tmp_path / "real/task.yaml", "include: template\nf: !function utils.f\n")
    link = tmp_path / "link.yaml"
    link.symlink_to(real)
    assert content_of(link) == {"a": 1, "f": FunctionRef(tmp_path / "real", "utils.f")}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("task: a\nx: [1, 2\n", r"task\.yaml:3: not readable as YAML"),
        ("task: a\nb: 2001-13-45\n", r"task\.yaml:2: not readable as YAML: month must be in 1\.\.12"),
        ("task: a\nb: !!python/object/apply:os.getcwd []\n", r"task\.yaml:2: .*could not determine"),
        ("task: a\nb: !function [x]\n", r"task\.yaml:2: .*expected a scalar"),
        ("b: &b [*b]\n", r"task\.yaml:1: .*recursive"),
        ("- a\n", "is a mapping of keys to values, here is sequence"),
        ("", "here is nothing"),
        ("include: 5\n", "`include` wants a file name"),
        ("include: missing\n", r"task\.yaml: `include`: \S+/missing cannot be read: No such file"),
        ("include: .\n", r"task\.yaml: `include`: \S+ cannot be read: Is a directory"),
        ("include: /dev/zero\n", r"task\.yaml: `include`: /dev/zero cannot be read: it is no file of text"),
        ("a: " + "b" * 16_000_000, r"task\.yaml cannot be read: it has more than 16,000,000 bytes"),
        ("a: 0x" + "f" * 5_000, r"task\.yaml:1: not readable as YAML: a whole number of too many digits"),
        ("a: " + "[" * 900 + "]" * 900, r"task\.yaml:1: not readable as YAML: nested too deeply"),
        ("a: 1\n\tb: 2\n", r"task\.yaml:2: .*tab character"),
        ("[a]: 1\n", r"task\.yaml:1: .*unhashable"),
        ('include: "a\\0b"\n', "null byte"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(TaskError, match=said):
        content_of(write(tmp_path / "task.yaml", text))


@pytest.mark.parametrize("text", ["[" * 60_000, "a: " + "- " * 60_000, "a: " + "[" * 900 + "]" * 900])
def test_a_file_nested_beyond_reason_is_an_error_and_no_crash(tmp_path: Path, text: str) -> None:
    with pytest.raises(TaskError, match=r"task\.yaml:1: "):
        content_of(write(tmp_path / "task.yaml", text))


def test_aliases_that_stand_for_more_than_fits_are_an_error(tmp_path: Path) -> None:
    doubling = "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
    file = write(tmp_path / "task.yaml", f"a0: &a0 [x]\n{doubling}")
    with pytest.raises(TaskError, match=r"task\.yaml: its aliases stand for more than 100,000 values"):
        content_of(file)


@anywhere
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_a_mapping_or_a_task_error(tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "task.yaml"
    file.write_bytes(raw)
    with suppress(TaskError):
        assert isinstance(content_of(file), dict)


@anywhere
@given(st.text(alphabet="abc: -[]{}&*!#|>'\"\n\t?,%@`~<=.0123456789e_+", max_size=60))
def test_arbitrary_yaml_signs_are_a_mapping_or_a_task_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "task.yaml"
    file.write_text(text)
    with suppress(TaskError):
        assert isinstance(content_of(file), dict)


@anywhere
@given(
    st.sampled_from(["int", "float", "bool", "timestamp", "binary", "set", "omap", "pairs", "null", "map"])
)
def test_a_value_that_is_not_what_its_tag_says_is_a_task_error(tmp_path: Path, tag: str) -> None:
    for value in ("", "x", "[a]", "{a: b}", "0x", "1:", ".", "[[a, b, c]]", "{a: {b: c}}"):
        file = write(tmp_path / "task.yaml", f"task: a\nb: !!{tag} {value}\n")
        with suppress(TaskError):
            assert content_of(file)["task"] == "a"


plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
values: st.SearchStrategy[Any] = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@anywhere
@given(st.dictionaries(st.text(max_size=5).filter(lambda key: key != "include"), values, min_size=1))
def test_what_safe_yaml_writes_is_read_back(tmp_path: Path, content: dict[str, Any]) -> None:
    file = tmp_path / "task.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    assert content_of(file) == content
