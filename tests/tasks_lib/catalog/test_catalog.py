"""From names to tasks and groups: what is found, what a group means, and what is said when it is wrong."""

import importlib.util
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks_lib.catalog.catalog import Catalog
from tasks_lib.catalog.selection import Selection, TaskFile
from tasks_lib.code.trusted_functions import installed_catalog
from tasks_lib.errors import TaskError
from tasks_lib.files.config import ClassConfig, TaskConfig

needs_lm_eval = pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is None, reason="lm-eval is not installed"
)
anywhere = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)

Write = Callable[[str, str], Path]


def own(file: TaskFile) -> TaskConfig:
    """What the file of a task that is no class says."""
    assert isinstance(file.config, TaskConfig)
    return file.config


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "tasks"
    folder.mkdir()
    return folder


@pytest.fixture
def write(root: Path) -> Write:
    def written(name: str, text: str) -> Path:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
        return path

    return written


@pytest.fixture
def catalog(root: Path, tmp_path: Path) -> Callable[[], Catalog]:
    """A catalog that starts afresh, as the next process would."""
    return lambda: Catalog([root], tmp_path / "home")


@pytest.fixture
def select(catalog: Callable[[], Catalog]) -> Callable[..., Selection]:
    return lambda *names: catalog().select(names)


@pytest.fixture
def letters(write: Write) -> None:
    """Tasks a, b and c; a and b are tagged ab."""
    write("c.yaml", "task: c\ndataset_path: d\n")
    write("b.yaml", "task: b\ndataset_path: d\ntag: ab\n")
    write("a.yaml", "task: a\ndataset_path: d\ntag: [ab]\n")


def names(catalog: Catalog, pattern: str | None = None) -> list[tuple[str, str]]:
    return [(entry.name, entry.kind) for entry in catalog.entries(pattern)]


# What there is


@pytest.mark.usefixtures("letters")
def test_entries_are_the_tasks_groups_and_tags_by_name(write: Write, catalog: Callable[[], Catalog]) -> None:
    group = write("deep/group.yaml", "group: all\ntask: [a, b, c]\n")
    assert names(catalog()) == [("a", "task"), ("ab", "tag"), ("all", "group"), ("b", "task"), ("c", "task")]
    assert names(catalog(), "a*") == [("a", "task"), ("ab", "tag"), ("all", "group")]
    assert catalog().entries("all")[0].path == group


def test_a_file_that_cannot_be_used_is_kept_with_the_reason(
    write: Write, catalog: Callable[[], Catalog]
) -> None:
    write("good.yaml", "task: good\n")
    write("syntax.yaml", "task: [\n")
    write("template.yaml", "dataset_path: d\n")
    write("name.yaml", "task: [a]\n")
    reasons = {file.path.name: file.reason for file in catalog().broken}
    assert names(catalog()) == [("good", "task")]
    assert "syntax.yaml:2: not readable" in reasons["syntax.yaml"]
    assert "names neither a `task` nor a `group`" in reasons["template.yaml"]
    assert "`task` wants a name" in reasons["name.yaml"]
    with pytest.raises(TaskError, match=r"'syntax' cannot be used: .*not readable"):
        catalog().select(["syntax"])


def test_a_name_that_a_broken_file_was_to_define_is_said_with_what_is_wrong_there(
    write: Write, catalog: Callable[[], Catalog]
) -> None:
    write("file.yaml", "task: mine\nx: [\n")
    for name, said in (
        ("mine", r"'mine' cannot be used: .*file\.yaml:3: not readable"),
        ("min", "there is no"),
    ):
        with pytest.raises(TaskError, match=said):
            catalog().select([name])


def test_tags_and_kinds_may_come_from_an_included_file(write: Write, catalog: Callable[[], Catalog]) -> None:
    template = write("_template", "tag: old\n")
    write("a.yaml", "task: a\ninclude: _template\n")
    assert names(catalog()) == [("a", "task"), ("old", "tag")]
    template.write_text("tag: newer\n")
    assert names(catalog()) == [("a", "task"), ("newer", "tag")]


@pytest.mark.usefixtures("letters")
def test_changed_added_and_removed_files_are_noticed(
    root: Path, write: Write, catalog: Callable[[], Catalog]
) -> None:
    catalog().entries()
    write("a.yaml", "task: renamed\n")
    write("new/d.yaml", "task: d\n")
    (root / "b.yaml").unlink()
    assert names(catalog()) == [("c", "task"), ("d", "task"), ("renamed", "task")]


def test_a_file_broken_by_its_include_works_once_the_include_is_there(
    write: Write, catalog: Callable[[], Catalog]
) -> None:
    write("a.yaml", "task: a\ninclude: template\n")
    assert len(catalog().broken) == 1
    template = write("template", "dataset_path: d\n")
    assert names(catalog()) == [("a", "task")]
    template.unlink()
    assert len(catalog().broken) == 1


def test_an_unchanged_file_is_not_read_again(
    root: Path, write: Write, catalog: Callable[[], Catalog]
) -> None:
    file = write("a.yaml", "task: a\n")
    catalog().entries()
    status = file.stat()
    write("a.yaml", "task: b\n")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert names(catalog()) == [("a", "task")]


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"format": 0}', '{"format": 1, "stamps": 3, "files": []}']
)
def test_a_damaged_index_is_built_anew(
    tmp_path: Path, write: Write, catalog: Callable[[], Catalog], damage: str
) -> None:
    write("a.yaml", "task: a\n")
    catalog().entries()
    (index,) = (tmp_path / "home/catalog").glob("*.json")
    index.write_text(damage)
    assert names(catalog()) == [("a", "task")]
    assert json.loads(index.read_text())["format"] == 1


def test_of_two_files_of_one_name_the_first_path_counts_and_a_warning_says_so(
    write: Write, catalog: Callable[[], Catalog]
) -> None:
    first = write("a/x.yaml", "task: x\n")
    second = write("b/x.yaml", "task: x\n")
    assert catalog().entries()[0].path == first
    assert catalog().warnings == (f"x: {first} counts, {second} defines it once more",)
    write("c/group.yaml", "group: g\ntask: [{task: x, repeats: 2}]\n")
    for asked in (["x"], ["g"], ["g", "x"]):
        assert catalog().select(asked).warnings == catalog().warnings


def test_a_key_that_is_there_twice_is_a_warning_where_its_file_is_asked_for(
    write: Write, select: Callable[..., Selection]
) -> None:
    template = write("_template", "dataset_path: c\ndataset_path: d\n")
    file = write("a.yaml", "task: a\nrepeats: 1\ninclude: _template\nrepeats: 2\n")
    write("b.yaml", "base: &b {repeats: 2}\ntask: b\n")
    selection = select("a")
    assert selection.warnings == (
        f"{file}:4: `repeats` is there twice; the last one counts",
        f"{template}:2: `dataset_path` is there twice; the last one counts",
    )
    assert (own(selection.tasks["a"]).repeats, own(selection.tasks["a"]).dataset_path) == (2, "d")


def test_a_merged_key_is_not_there_twice(write: Write, select: Callable[..., Selection]) -> None:
    write("a.yaml", "metadata: &more {repeats: 2}\n<<: *more\nrepeats: 3\ntask: a\n")
    selection = select("a")
    assert (own(selection.tasks["a"]).repeats, selection.warnings) == (3, ())


def test_a_later_root_replaces_what_an_earlier_one_defines(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.yaml").write_text(f"task: x\ntag: t\ndataset_path: {folder}\n")
    (tmp_path / "one/y.yaml").write_text("task: y\ntag: t\n")
    catalog = Catalog([tmp_path / "one", tmp_path / "two"], tmp_path / "home")
    assert catalog.select(["y"]).warnings == ()
    assert catalog.select(["x"]).warnings == catalog.warnings
    assert own(catalog.select(["x"]).tasks["x"]).dataset_path == "two"
    assert list(catalog.select(["t"]).tasks) == ["x", "y"]
    assert len(catalog.warnings) == 1


def test_a_root_that_is_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"gone is not a folder; --include-path"):
        Catalog([tmp_path / "gone"], tmp_path / "home").entries()


# What is asked for


@pytest.mark.usefixtures("letters")
def test_tasks_come_in_the_order_of_the_request_and_a_tags_by_name(select: Callable[..., Selection]) -> None:
    assert list(select("c", "ab").tasks) == ["c", "a", "b"]
    assert select("c", "ab", "c").roots == ("c", "a", "b")


@pytest.mark.usefixtures("letters")
def test_a_pattern_means_all_names_it_matches(write: Write, select: Callable[..., Selection]) -> None:
    write("group.yaml", "group: bg\ntask: [c]\n")
    selection = select("b*")
    assert (list(selection.tasks), list(selection.groups), selection.roots) == (
        ["b", "c"],
        ["bg"],
        ("b", "bg"),
    )


@pytest.mark.usefixtures("letters")
def test_a_path_means_the_task_or_group_in_that_file(
    tmp_path: Path, select: Callable[..., Selection]
) -> None:
    task, group = tmp_path / "own.yaml", tmp_path / "own_group.yaml"
    task.write_text("task: own\ndataset_path: d\n")
    group.write_text("group: ours\ntask: [a, c]\n")
    selection = select(str(task), str(group))
    assert selection.tasks["own"].path == task
    assert selection.groups["ours"].children == ("a", "c")
    assert selection.roots == ("own", "ours")


@pytest.mark.usefixtures("letters")
def test_all_unknown_names_are_said_at_once_with_the_nearest(select: Callable[..., Selection]) -> None:
    with pytest.raises(TaskError) as caught:
        select("a", "abb", "nothing/like.yaml")
    assert str(caught.value).splitlines() == [
        "there is no task, group, tag or file 'abb'; did you mean 'ab'?",
        "there is no task, group, tag or file 'nothing/like.yaml'",
    ]


def test_a_folder_is_no_task(root: Path, select: Callable[..., Selection]) -> None:
    with pytest.raises(TaskError, match="--include-path"):
        select(str(root))


def test_a_python_task_is_known_by_its_class_and_that_classes_code(
    write: Write, catalog: Callable[[], Catalog]
) -> None:
    pytest.importorskip("lm_eval")
    write("py.yaml", "task: py\nclass: !function task.Py\ntag: t\nspice: salt\n")
    code = write("task.py", "class Py: ...")
    assert names(catalog()) == [("py", "task"), ("t", "tag")]
    before = catalog().select(["py"]).tasks["py"]
    assert isinstance(before.config, ClassConfig)
    assert (before.config.class_.name, before.config.model_extra) == ("task.Py", {"spice": "salt"})
    code.write_text("class Py: VERSION = 2")
    assert catalog().select(["py"]).tasks["py"].digest != before.digest


def test_every_wrong_key_is_a_line_with_file_and_nearest_key(
    write: Write, select: Callable[..., Selection]
) -> None:
    file = write(
        "a.yaml",
        """
        task: a
        doc_to_txt: x
        num_fewshot: many
        repeats: 0
        process_docs: utils.f
        filter_list: [{filter: [], nam: x}]
        """,
    )
    with pytest.raises(TaskError) as caught:
        select("a")
    where = f"{file}, task a: "
    assert sorted(line.removeprefix(where) for line in str(caught.value).splitlines()) == [
        "`doc_to_txt`: unknown key; did you mean 'doc_to_text', 'doc_to_target', 'doc_to_image'?",
        "`filter_list.0.nam`: unknown key; did you mean 'name'?",
        "`filter_list.0.name`: missing",
        "`num_fewshot`: wants a whole number, not 'many'",
        "`process_docs`: wants a `!function`, not 'utils.f'",
        "`repeats`: wants a number greater than or equal to 1, not 0",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("metric_list: acc", "`metric_list`: wants a list, not 'acc'"),
        ("metric_list: [acc]", "`metric_list.0`: wants a mapping, not 'acc'"),
        ("metric_list: [{aggregation: mean}]", "`metric_list.0.metric`: missing"),
        ("metric_list: [{metric: 3}]", "`metric_list.0.metric`: wants a text or a `!function`, not 3"),
        ("filter_list: [regex]", "`filter_list.0`: wants a mapping, not 'regex'"),
        (
            "filter_list: [{name: a, filter: [regex]}]",
            "`filter_list.0.filter.0`: wants a mapping, not 'regex'",
        ),
        ("num_fewshot: -1", "`num_fewshot`: wants a number greater than or equal to 0, not -1"),
        ("num_fewshot: .nan", "`num_fewshot`: wants a whole number, not nan"),
        ("doc_to_choice: 5", "`doc_to_choice`: wants a text or a `!function` or a list or a mapping, not 5"),
        ("generation_kwargs: {5: x}", "`generation_kwargs.5`: wants a text as key, not 5"),
        ("unsafe_code: perhaps", "`unsafe_code`: wants true or false, not 'perhaps'"),
        ("5: x", "`5`: wants a text as key, not 5"),
        ("null: x", "`None`: wants a text as key, not None"),
        (
            "description: 2001-01-01",
            "`description`: wants a text or a `!function`, not datetime.date(2001, 1, 1)",
        ),
        (
            "output_type: x",
            "`output_type`: wants 'loglikelihood', 'loglikelihood_rolling', 'multiple_choice' or",
        ),
        ("process_docs: !function", "`process_docs`: !function  in {folder}: write it as `module.name`"),
        ("process_docs: !function f", "`process_docs`: !function f in {folder}: write it as `module.name`"),
        (
            "metadata: {a: [!function gone.f]}",
            "`metadata`: !function gone.f in {folder}: there is no gone.py there and no installed package",
        ),
    ],
)
def test_a_value_that_cannot_be_is_one_line_with_file_key_and_what_it_may_be(
    root: Path, write: Write, select: Callable[..., Selection], text: str, said: str
) -> None:
    file = write("a.yaml", f"task: a\n{text}\n")
    with pytest.raises(TaskError) as caught:
        select("a")
    assert str(caught.value).startswith(f"{file}, task a: {said.replace('{folder}', str(root))}")
    assert len(str(caught.value).splitlines()) == 1


def test_a_value_is_shown_by_its_beginning_however_large_it_is(
    write: Write, select: Callable[..., Selection]
) -> None:
    write("a.yaml", f"task: a\nnum_fewshot: [{'[' * 50}{']' * 50}{', x' * 1000}]\nrepeats: {'x' * 1000}\n")
    with pytest.raises(TaskError) as caught:
        select("a")
    assert [len(line) < 250 for line in str(caught.value).splitlines()] == [True, True]


def test_a_name_of_more_than_one_line_is_none(write: Write, catalog: Callable[[], Catalog]) -> None:
    file = write("a.yaml", 'task: "a\\nb"\n')
    assert catalog().broken[0].reason == f"{file}: `task` wants a name, not 'a\\nb'"
    with pytest.raises(TaskError, match="wants a name"):
        catalog().select([str(file)])


def test_only_the_yaml_tag_makes_a_function(write: Write, select: Callable[..., Selection]) -> None:
    write("a.yaml", "task: a\nprocess_docs: {folder: /, name: os.system}\n")
    with pytest.raises(TaskError, match=r"`process_docs`: wants a `!function`, not \{"):
        select("a")


# Groups


@pytest.mark.usefixtures("letters")
def test_a_group_holds_tasks_tags_and_groups_in_the_order_of_its_file(
    write: Write, select: Callable[..., Selection]
) -> None:
    write("inner.yaml", "group: inner\ntask: [c]\nmetadata: {version: 2}\n")
    write("outer.yaml", "group: outer\ntask: [inner, ab]\naggregate_metric_list: {metric: acc}\n")
    selection = select("outer")
    assert list(selection.tasks) == ["c", "a", "b"]
    assert list(selection.groups) == ["inner", "outer"]
    assert selection.groups["outer"].children == ("inner", "a", "b")
    assert selection.groups["outer"].aggregate_metric_list[0].metric == "acc"
    assert selection.groups["inner"].version == "2"


@pytest.mark.usefixtures("letters")
def test_a_groups_own_keys_go_to_its_tasks_and_the_nearer_caller_wins(
    write: Write, select: Callable[..., Selection]
) -> None:
    write("inner.yaml", "group: inner\ntask: [a, {task: b, repeats: 5}]\nnum_fewshot: 1\nrepeats: 2\n")
    write("outer.yaml", "group: outer\ntask: [inner]\nnum_fewshot: 3\ntag: ignored\n")
    tasks = select("outer").tasks
    assert [(own(task).num_fewshot, own(task).repeats) for task in tasks.values()] == [(3, 2), (3, 5)]


@pytest.mark.usefixtures("letters")
def test_members_written_inside_a_group_are_named_after_it(
    write: Write, select: Callable[..., Selection]
) -> None:
    write("_shared", "dataset_path: shared\nprocess_docs: !function utils.f\n")
    write("utils.py", "def f(docs): return docs\n")
    file = write(
        "top.yaml",
        """
        group: top
        task:
          - group: part
            group_alias: Part
            task: [a, {task: own, dataset_path: d}]
          - task: other
            include: _shared
        """,
    )
    selection = select("top")
    assert selection.groups["top"].children == ("top::part", "top::other")
    assert selection.groups["top::part"].children == ("a", "top::part::own")
    assert selection.groups["top::part"].group_alias == "Part"
    assert own(selection.tasks["top::other"]).dataset_path == "shared"
    assert selection.tasks["top::other"].path == file


@pytest.mark.usefixtures("letters")
def test_a_group_may_call_a_known_group_with_overrides(
    write: Write, select: Callable[..., Selection]
) -> None:
    write("inner.yaml", "group: inner\ntask: [a]\n")
    write("outer.yaml", "group: outer\ntask: [{group: inner, group_alias: In, num_fewshot: 2}]\n")
    selection = select("outer")
    assert own(selection.tasks["a"]).num_fewshot == 2
    assert selection.groups["inner"].group_alias == "In"


@pytest.mark.usefixtures("letters")
def test_the_same_task_in_two_groups_is_evaluated_once(
    write: Write, select: Callable[..., Selection]
) -> None:
    write("g.yaml", "group: g\ntask: [a, b]\n")
    write("h.yaml", "group: h\ntask: [b, c]\n")
    selection = select("g", "h", "b")
    assert list(selection.tasks) == ["a", "b", "c"]
    assert selection.groups["h"].children == ("b", "c")


@pytest.mark.usefixtures("letters")
def test_a_task_with_other_overrides_is_another_one_under_the_groups_name(
    write: Write, select: Callable[..., Selection]
) -> None:
    write("g.yaml", "group: g\ntask: [a]\nnum_fewshot: 1\n")
    write("h.yaml", "group: h\ntask: [{task: a, num_fewshot: 2}]\n")
    selection = select("g", "h")
    assert {name: own(task).num_fewshot for name, task in selection.tasks.items()} == {"a": 1, "h::a": 2}
    assert selection.groups["h"].children == ("h::a",)
    assert selection.tasks["h::a"].config.task == "h::a"


@pytest.mark.usefixtures("letters")
@pytest.mark.parametrize("order", [("g", "a"), ("a", "g"), ("g", "ab")])
def test_a_task_asked_for_by_name_keeps_it(
    write: Write, select: Callable[..., Selection], order: Sequence[str]
) -> None:
    write("g.yaml", "group: g\ntask: [a]\nnum_fewshot: 1\n")
    selection = select(*order)
    assert own(selection.tasks["a"]).num_fewshot is None
    assert own(selection.tasks["g::a"]).num_fewshot == 1


@pytest.mark.usefixtures("letters")
def test_two_tasks_of_one_name_in_a_request_are_an_error(
    tmp_path: Path, select: Callable[..., Selection]
) -> None:
    (tmp_path / "mine.yaml").write_text("task: a\ndataset_path: other\n")
    with pytest.raises(TaskError, match="another task of this request is called a"):
        select("a", str(tmp_path / "mine.yaml"))


@pytest.mark.usefixtures("letters")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("task: [a, abb]", "group g: there is no task, group or tag 'abb'; did you mean"),
        ("task: [{task: abb, num_fewshot: 1}]", "'abb' and no `dataset_path` that would define it here; did"),
        ("task: [{dataset_path: d}]", "a member needs `task` or `group`; it has dataset_path"),
        ("task: [3]", "3 is no name of a task"),
        ("task: [g]", "group cycle g -> g"),
        ("task: [{group: new, include: g.yaml}]", r"g\.yaml: group g holds groups in more than 20 levels"),
        ("task: []", "group g: `task` wants a list of tasks and groups; it has none"),
        ("task:", "group g: `task` wants a list of tasks and groups; it has none"),
        ("", "group g: `task` wants a list of tasks and groups; it has none"),
        (
            "task: [a]\naggregate_metric_list: [{metric: acc, aggregation: median}]",
            r"`aggregate_metric_list.0.aggregation`: wants 'mean' or a `!function`, not 'median'",
        ),
        (
            "task: [a]\naggregate_metric_list: [{metrik: acc}]",
            r"`aggregate_metric_list.0.metrik`: unknown key",
        ),
        ("task: [a]\nnum_fewshots: 3", r"`num_fewshots`: unknown key; did you mean 'num_fewshot'"),
    ],
)
def test_what_is_wrong_in_a_group_is_said_with_its_file(
    write: Write, select: Callable[..., Selection], text: str, said: str
) -> None:
    write("g.yaml", f"group: g\n{text}\n")
    with pytest.raises(TaskError, match=said):
        select("g")


# Digests


def test_the_digest_of_a_task_changes_with_its_definition_and_its_code_only(
    root: Path, write: Write, select: Callable[..., Selection]
) -> None:
    def digest() -> str:
        return select("a").tasks["a"].digest

    write("_template", "dataset_path: d\nprocess_docs: !function utils.f\n")
    write("utils.py", "def f(docs): return docs\n")
    write("a.yaml", "task: a\ninclude: _template\ntag: x\nmetadata: {date: 2001-01-01, x: {1: null}}\n")
    digests = [digest()]
    write("a.yaml", "metadata: {x: {1: null}, date: 2001-01-01}\ntask: a\ninclude: [_template]\n")
    assert digest() == digests[0]
    write("_template", "dataset_path: e\nprocess_docs: !function utils.f\n")
    digests.append(digest())
    write("utils.py", "def f(docs): return list(docs)\n")
    digests.append(digest())
    assert len(set(digests)) == 3


json_like: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.dates()
    | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)
keys = st.sampled_from(
    [
        "task",
        "group",
        "class",
        "tag",
        "include",
        "metric_list",
        "filter_list",
        "fewshot_config",
        "doc_to_text",
    ]
) | st.text(max_size=5)


@anywhere
@given(st.dictionaries(keys, json_like, max_size=4), st.sampled_from(["task", "group"]))
def test_a_file_that_says_anything_is_a_selection_or_a_task_error(
    tmp_path: Path, content: dict[str, Any], key: str
) -> None:
    file = tmp_path / "any.yaml"
    file.write_text(yaml.safe_dump({key: "name"} | content, allow_unicode=True), encoding="utf-8")
    try:
        selection = Catalog([], tmp_path / "home").select([str(file)])
    except TaskError:
        return
    assert len(selection.tasks) + len(selection.groups) >= 1


# The catalog of lm-eval


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return Catalog.standard([], tmp_path_factory.mktemp("home"))


@needs_lm_eval
@pytest.mark.slow
@pytest.mark.parity
@pytest.mark.parametrize(
    ("tasks", "groups", "name"), [(57, 5, "mmlu"), (27, 1, "bbh_zeroshot"), (2, 0, "ai2_arc")]
)
def test_real_families_have_the_members_lm_eval_gives_them(
    installed: Catalog, tasks: int, groups: int, name: str
) -> None:
    from lm_eval.tasks._index import Kind, TaskIndex

    folder = installed_catalog()
    assert folder is not None
    families = {"mmlu": "mmlu/default", "bbh_zeroshot": "bbh/zeroshot", "ai2_arc": "arc"}
    index = TaskIndex.build([folder / families[name]])

    def members(asked: str) -> list[str]:
        match index[asked].kind:
            case Kind.TAG:
                return sorted(index[asked].tags)
            case Kind.GROUP:
                return [task for member in index[asked].cfg["task"] for task in members(member)]
            case _:
                return [asked]

    selection = installed.select([name])
    assert list(selection.tasks) == members(name)
    assert (len(selection.tasks), len(selection.groups)) == (tasks, groups)
    for task, file in selection.tasks.items():
        theirs = {key: value for key, value in index[task].cfg.items() if isinstance(value, str | int)}
        theirs = {
            key: value for key, value in theirs.items() if key != "tag" and not key.startswith("process")
        }
        assert file.config.model_dump(include=set(theirs)) == theirs
