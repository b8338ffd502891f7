"""`task@format`: which tasks a request with a format stands for, and what they are called."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from tasks_lib.catalog.catalog import Catalog
from tasks_lib.catalog.selection import Selection
from tasks_lib.errors import TaskError

CHOICE = "dataset_path: d\noutput_type: multiple_choice\ndoc_to_text: q\ndoc_to_choice: c\ndoc_to_target: a\n"


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    def written(name: str, text: str) -> Path:
        path = tmp_path / "tasks" / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(dedent(text))
        return path

    return written


@pytest.fixture
def select(tmp_path: Path, write: Callable[[str, str], Path]) -> Callable[..., Selection]:
    write("one", f"task: one\ntask_alias: First\ntag: both\n{CHOICE}")
    write("two", f"task: two\ntag: both\n{CHOICE}")
    write("pair", "group: pair\ntask: [one, two]\naggregate_metric_list: [{metric: acc}, {metric: acc_norm}]")
    return lambda *names: Catalog([tmp_path / "tasks"], tmp_path / "home").select(names)


def types(selection: Selection) -> dict[str, str | None]:
    return {name: file.config.output_type for name, file in selection.tasks.items()}


def test_a_format_is_part_of_the_tasks_name(select: Callable[..., Selection]) -> None:
    selection = select("one", "one@generate", "one@mcqa")
    assert types(selection) == {
        "one": "multiple_choice",
        "one@generate": "generate_until",
        "one@mcqa": "multiple_choice",
    }
    assert selection.roots == ("one", "one@generate", "one@mcqa")
    assert selection.tasks["one@mcqa"].config.task == "one@mcqa"
    assert selection.tasks["one@mcqa"].config.task_alias == "First@mcqa"
    assert len({file.digest for file in selection.tasks.values()}) == 3


def test_tags_patterns_and_files_take_a_format(
    select: Callable[..., Selection], write: Callable[..., Path]
) -> None:
    assert list(select("both@cloze").tasks) == ["one@cloze", "two@cloze"]
    assert list(select("t*@cot").tasks) == ["two@cot"]
    assert list(select(f"{write('three', f'task: three{chr(10)}{CHOICE}')}@cot").tasks) == ["three@cot"]


def test_a_group_in_a_format_has_all_its_tasks_in_it_and_their_metric(
    select: Callable[..., Selection],
) -> None:
    selection = select("pair", "pair@generate", "pair@cloze")
    groups = {
        name: (group.children, [metric.metric for metric in group.aggregate_metric_list])
        for name, group in selection.groups.items()
    }
    assert groups == {
        "pair": (("one", "two"), ["acc", "acc_norm"]),
        "pair@generate": (("one@generate", "two@generate"), ["exact_match"]),
        "pair@cloze": (("one@cloze", "two@cloze"), ["acc", "acc_norm"]),
    }


def test_a_member_of_a_group_may_name_a_format(
    select: Callable[..., Selection], write: Callable[..., Path]
) -> None:
    write("mixed", "group: mixed\ntask: [one@cloze, {task: two@mcqa, task_alias: Two}, one]")
    selection = select("mixed")
    assert selection.groups["mixed"].children == ("one@cloze", "two@mcqa", "one")
    assert selection.tasks["two@mcqa"].config.task_alias == "Two@mcqa"


def test_a_format_asked_of_the_whole_group_counts_more_than_a_members(
    select: Callable[..., Selection], write: Callable[..., Path]
) -> None:
    write("mixed", "group: mixed\ntask: [one@cloze, two]")
    assert select("mixed@cot").groups["mixed@cot"].children == ("one@cot", "two@cot")


def test_what_a_task_says_of_a_format_is_part_of_its_identity(
    select: Callable[..., Selection], write: Callable[..., Path]
) -> None:
    before = select("one@mcqa").tasks["one@mcqa"].digest
    write("one", f"task: one\ntask_alias: First\nformats: {{mcqa: {{answer_prompt: 'A:'}}}}\n{CHOICE}")
    assert select("one@mcqa").tasks["one@mcqa"].digest != before


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ("one@generat", r"one\.yaml, task one@generat: Unknown format 'generat'.*'generate'"),
        ("on@mcqa", "there is no task, group, tag or file 'on@mcqa'; did you mean 'one'"),
        ("one@", "there is no task, group, tag or file 'one@'"),
        ("@mcqa", "there is no task, group, tag or file '@mcqa'"),
    ],
)
def test_a_wrong_format_or_name_is_said(
    select: Callable[..., Selection], request_: str, message: str
) -> None:
    with pytest.raises(TaskError, match=message):
        select(request_)


def test_a_wrong_key_of_a_format_is_named(
    select: Callable[..., Selection], write: Callable[..., Path]
) -> None:
    write("wrong", f"task: wrong\nformats: {{mcqa: {{answer_promt: x}}}}\n{CHOICE}")
    with pytest.raises(
        TaskError, match=r"`formats\.mcqa\.answer_promt`: unknown key; did you mean 'answer_prompt'"
    ):
        select("wrong")


def test_an_unknown_type_of_format_names_those_there_are(
    select: Callable[..., Selection], write: Callable[..., Path]
) -> None:
    write("wrong", f"task: wrong\nformats: multiple\n{CHOICE}")
    with pytest.raises(TaskError, match=r"`formats.*'mcqa', 'cloze', 'generate' or 'cot'.*not 'multiple'"):
        select("wrong")
