"""Whatever task and group files say, they are read as a simple model reads them, or a TaskError is raised."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks_lib.catalog.catalog import Catalog
from tasks_lib.catalog.selection import Selection
from tasks_lib.errors import TaskError
from tasks_lib.files.config import FewshotConfig, GroupConfig, TaskConfig
from tasks_lib.files.yaml_files import YamlFiles
from tests.support.anything import mostly, yaml_texts, yaml_values

# There is a test for each key.
few = settings(max_examples=max(10, settings().max_examples // 4))

PARTS = sorted(
    {
        *FewshotConfig.model_fields,
        "metric",
        "aggregation",
        "hf_evaluate",
        "higher_is_better",
        "name",
        "filter",
    }
    | {"function", "until", "temperature", "weight_by_size", "filter_list", "group", "task", "include"}
)
nested = st.recursive(
    yaml_values,
    lambda inner: (
        st.dictionaries(st.sampled_from(PARTS), inner, max_size=3)
        | st.lists(st.dictionaries(st.sampled_from(PARTS), inner, max_size=3), max_size=2)
    ),
    max_leaves=4,
)


def content_of(file: Path) -> Any:
    return YamlFiles().read(file).content


def written(file: Path, content: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return file


def selected(folder: Path, *names: str) -> Selection:
    return Catalog([folder], folder.parent / "home").select(names)


# Values


@few
@pytest.mark.parametrize("key", [*TaskConfig.model_fields, "class", "include", "tag", "group", "unknown"])
@given(value=nested)
def test_a_key_of_a_task_may_say_anything(tmp_path: Path, key: str, value: Any) -> None:
    file = written(tmp_path / "any.yaml", {"task": "name", "dataset_path": "d", key: value})
    catalog = Catalog([], tmp_path / "home")
    if said := refusal(lambda: catalog.select([str(file)])):
        assert all(str(file) in line for line in said)
        assert len(said) < 10
        assert max(map(len, said)) < 600
    else:
        assert catalog.select([str(file)]).roots


def refusal(select: Callable[[], object]) -> list[str]:
    """The lines of the TaskError, none where there is none."""
    try:
        select()
    except TaskError as error:
        return str(error).splitlines()
    return []


@few
@pytest.mark.parametrize("key", [*GroupConfig.model_fields, "task", "include", "num_fewshot", "unknown"])
@given(value=nested)
def test_a_key_of_a_group_may_say_anything(tmp_path: Path, key: str, value: Any) -> None:
    task = {"task": "inner", "dataset_path": "d"}
    file = written(tmp_path / "any.yaml", {"group": "name", "task": [task], key: value})
    with suppress(TaskError):
        assert len(Catalog([], tmp_path / "home").select([str(file)]).roots) == 1


@given(st.lists(st.binary(max_size=60) | yaml_texts.map(str.encode), max_size=3))
def test_files_of_any_bytes_are_in_the_catalog_or_broken(
    tmp_path_factory: pytest.TempPathFactory, files: list[bytes]
) -> None:
    root = tmp_path_factory.mktemp("any") / "tasks"
    root.mkdir()
    for number, content in enumerate(files):
        (root / f"{number}.yaml").write_bytes(content)
    catalog = Catalog([root], root.parent / "home")
    assert len(catalog.broken) + len({entry.file for entry in catalog.entries()} - {None}) <= len(files)
    assert all(str(file.path) in file.reason for file in catalog.broken)


# Includes

Graph = Sequence[Sequence[int]]
graphs = st.integers(1, 6).flatmap(
    lambda size: st.lists(
        st.lists(st.integers(0, size - 1), max_size=3, unique=True), min_size=size, max_size=size
    )
)


def include_files(folder: Path, graph: Graph) -> Path:
    """A file for each node, with the files that it includes."""
    for number, included in enumerate(graph):
        content = {"include": [f"{other}.yaml" for other in included], **own_keys(number)}
        written(folder / f"{number}.yaml", content)
    return folder / "0.yaml"


def own_keys(number: int) -> dict[str, int]:
    """What a file says itself: a key of its own, one of every second file, and one of all but the first."""
    return {f"own{number}": number, f"half{number % 2}": number, **({"some": number} if number else {})}


def merged(graph: Graph, number: int) -> dict[str, int]:
    """What a file says after its includes, by the rule: the later over the earlier, itself over all."""
    found: dict[str, int] = {}
    for other in graph[number]:
        found |= merged(graph, other)
    return {**found, **own_keys(number)}


def has_cycle(graph: Graph, number: int = 0, above: tuple[int, ...] = ()) -> bool:
    if number in above:
        return True
    return any(has_cycle(graph, other, (*above, number)) for other in graph[number])


@given(graphs)
def test_includes_are_merged_as_the_rule_says_and_a_cycle_is_named(
    tmp_path_factory: pytest.TempPathFactory, graph: Graph
) -> None:
    file = include_files(tmp_path_factory.mktemp("includes"), graph)
    if not has_cycle(graph):
        assert content_of(file) == merged(graph, 0)
        return
    with pytest.raises(TaskError, match=f"include cycle: {file.parent}") as caught:
        content_of(file)
    named = [int(Path(part).stem) for part in str(caught.value).partition(": ")[2].split(" -> ")]
    assert named[0] == named[-1]
    assert all(second in graph[first] for first, second in pairwise(named))


# Groups


@given(graphs, st.data())
def test_groups_have_the_tasks_below_them_each_once_and_a_cycle_is_named(
    tmp_path_factory: pytest.TempPathFactory, graph: Graph, data: st.DataObject
) -> None:
    """Group n holds the groups of the graph's node and some tasks; `ab` is a tag."""
    own = [data.draw(st.lists(st.sampled_from(["a", "b", "c", "ab"]), min_size=1, max_size=3)) for _ in graph]
    root = tmp_path_factory.mktemp("groups") / "tasks"
    for name, tags in (("a", ["ab"]), ("b", ["ab"]), ("c", [])):
        written(root / f"{name}.yaml", {"task": name, "dataset_path": "d", "tag": tags})
    for number, inner in enumerate(graph):
        members = [*(f"g{other}" for other in inner), *own[number]]
        written(root / f"g{number}.yaml", {"group": f"g{number}", "task": members})
    if has_cycle(graph):
        with pytest.raises(TaskError, match="group cycle g"):
            selected(root, "g0")
        return

    def leaves(number: int) -> Iterator[str]:
        for other in graph[number]:
            yield from leaves(other)
        for name in own[number]:
            yield from ("a", "b") if name == "ab" else (name,)

    selection = selected(root, "g0")
    assert list(selection.tasks) == list(dict.fromkeys(leaves(0)))
    assert selection.roots == ("g0",)


members: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(["a", "b", "c", "ab", "g", "gone"]),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "task": mostly(inner | st.lists(inner, max_size=3), yaml_values),
            "group": mostly(st.sampled_from(["g", "h", "new"]), yaml_values),
            "dataset_path": st.sampled_from(["d", "e"]),
            "num_fewshot": mostly(st.integers(0, 2), yaml_values),
            "include": mostly(st.sampled_from(["a.yaml", "gone.yaml", "g.yaml"]), yaml_values),
            "aggregate_metric_list": nested,
        },
    ),
    max_leaves=6,
)


@given(st.lists(members, max_size=4), st.lists(members, min_size=1, max_size=3), st.booleans())
def test_groups_with_any_members_load_or_a_task_error_says_why(
    tmp_path_factory: pytest.TempPathFactory, own: list[Any], other: list[Any], both: bool
) -> None:
    root = tmp_path_factory.mktemp("members") / "tasks"
    for name in ("a", "b", "c"):
        written(root / f"{name}.yaml", {"task": name, "dataset_path": "d", "tag": "ab"})
    written(root / "g.yaml", {"group": "g", "task": own})
    written(root / "h.yaml", {"group": "h", "task": other})
    with suppress(TaskError):
        selection = selected(root, *(("g", "h") if both else ("g",)))
        held = {child for group in selection.groups.values() for child in group.children}
        assert held <= selection.tasks.keys() | selection.groups.keys()
        assert {task.config.task for task in selection.tasks.values()} == selection.tasks.keys()


def test_the_model_of_includes_knows_a_diamond() -> None:
    """The model itself, by hand."""
    graph: Graph = [[1, 2], [3], [3], []]
    assert not has_cycle(graph)
    assert merged(graph, 0) == {"own3": 3, "own1": 1, "own2": 2, "own0": 0, "half1": 3, "half0": 0, "some": 2}
    assert has_cycle([[1], [0]])
    assert not has_cycle([[], [1]])
