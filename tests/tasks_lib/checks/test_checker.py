"""What a check of task and group files finds, without a document of theirs."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from tasks_lib.catalog.catalog import Catalog
from tasks_lib.checks.checker import Checker, Finding
from tasks_lib.checks.importer import TaskCode
from tasks_lib.code.trusted_functions import TrustedRoots
from tests.support.task_maker import ROWS, TaskMaker

Check = Callable[[str], Finding]

TASK = """
task: {name}
dataset_path: made
test_split: test
doc_to_text: "{{{{question}}}}"
doc_to_target: answer
"""


@pytest.fixture
def write(maker: TaskMaker) -> Callable[..., None]:
    """Writes the file of a task: what every task says, and these lines."""

    def written(name: str, lines: str = "", *, all_of_it: bool = False) -> None:
        text = dedent(lines) if all_of_it else TASK.format(name=name) + dedent(lines)
        (maker.folder / f"{name}.yaml").write_text(text, encoding="utf-8")

    return written


def checker(maker: TaskMaker, home: Path, *roots: Path) -> Checker:
    trusted = TrustedRoots((maker.folder,))
    code = TaskCode(trusted, {}, importing=lambda file: None, unreachable=[])
    return Checker(Catalog([maker.folder], home), trusted, code, roots)


@pytest.fixture
def check(maker: TaskMaker, tmp_path_factory: pytest.TempPathFactory) -> Check:
    home = tmp_path_factory.mktemp("home")
    return lambda name: checker(maker, home).check(name)


def test_a_right_task_loads_without_its_data(write: Callable[..., None], check: Check) -> None:
    write("right", "metric_list: [{metric: exact_match, ignore_case: true}]\n")
    assert check("right") == Finding("right")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("doc_to_text: '{{question'", "doc_to_text: TemplateSyntaxError"),
        ("doc_to_choice: '{% if %}'", "doc_to_choice: TemplateSyntaxError"),
        ("description: '{{'", "description: TemplateSyntaxError"),
        ("fewshot_config: {doc_to_text: '{{'}", "doc_to_text: TemplateSyntaxError"),
        ("generation_kwargs: {temperature: warm}", "generation_kwargs: ValueError"),
        ("metric_list: [{metric: exact_mach}]", "did you mean 'exact_match'?"),
        ("metric_list: [{metric: acc, aggregation: meen}]", "did you mean 'mean'?"),
        ("filter_list: [{name: f, filter: [{function: regexp}]}]", "did you mean 'regex'?"),
        ("filter_list: [{name: f, filter: [{function: regex, patern: a}]}]", "option of filter 'regex'"),
        ("process_docs: !function functions.gone", "has no `gone`"),
        ("process_docs: !function nowhere.f", "no nowhere.py there"),
        ("doc_to_tex: a", "unknown key; did you mean 'doc_to_text'"),
    ],
)
def test_what_a_file_says_wrong_breaks_the_task(
    lines: str, said: str, maker: TaskMaker, write: Callable[..., None], check: Check
) -> None:
    maker.function("def there(docs): return docs")
    write("wrong", f"{lines}\n")
    finding = check("wrong")
    assert finding.status == "broken"
    assert said in finding.reason


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("import no_such_package", "package", "no_such_package"),
        ("def inner():\n    from no_such_package.part import thing", "package", "no_such_package"),
        ("try:\n    import no_such_package\nexcept ImportError:\n    pass", "package", "no_such_package"),
        ("open('/no/such/file')", "resource", "/no/such/file"),
        ("raise SystemExit('swipl is not installed')", "resource", "swipl"),
        ("raise LookupError('Resource punkt not found.')", "resource", "punkt"),
        (
            "try:\n    open('/gone')\nexcept OSError:\n    raise RuntimeError('no list')",
            "resource",
            "no list",
        ),
        ("1 / 0", "broken", "ZeroDivisionError"),
        ("{}['key']", "broken", "KeyError"),
        ("def f(:", "broken", "SyntaxError"),
    ],
)
def test_what_keeps_task_code_from_being_imported_is_told_apart(
    code: str, status: str, said: str, maker: TaskMaker, write: Callable[..., None], check: Check
) -> None:
    maker.function(code)
    maker.function("def processed(docs): return docs")
    write("coded", "process_docs: !function functions.processed\n")
    finding = check("coded")
    assert finding.status == status
    assert said in finding.reason
    assert finding.packages == (("no_such_package",) if status == "package" else ())


def test_a_module_that_fails_is_imported_once_for_all_its_tasks(
    maker: TaskMaker, write: Callable[..., None], tmp_path_factory: pytest.TempPathFactory
) -> None:
    maker.function(f"open({str(maker.folder / 'count')!r}, 'a').write('once ')\n1 / 0")
    for name in ("one", "two"):
        write(name, f"process_docs: !function functions.{name}\n")
    both = checker(maker, tmp_path_factory.mktemp("home"))
    assert [both.check(name).status for name in ("one", "two")] == ["broken", "broken"]
    assert (maker.folder / "count").read_text() == "once "


def test_a_class_task_loads_if_its_class_does(
    write: Callable[..., None], maker: TaskMaker, check: Check
) -> None:
    maker.function("class There: ...")
    write("there", "task: there\nclass: !function functions.There\n", all_of_it=True)
    write("gone", "task: gone\nclass: !function functions.Gone\n", all_of_it=True)
    assert check("there") == Finding("there")
    assert "has no `Gone`" in check("gone").reason


# Groups


def test_a_group_loads_with_its_tasks(write: Callable[..., None], check: Check) -> None:
    write("a", "metric_list: [{metric: exact_match}]\n")
    write("g", "group: g\ntask: [a]\naggregate_metric_list: [{metric: exact_match}]\n", all_of_it=True)
    assert check("g") == Finding("g")


def test_a_group_is_no_more_broken_than_its_own_file(write: Callable[..., None], check: Check) -> None:
    write("a")
    write("b", "metric_list: [{metric: none_such}]\n")
    write("g", "group: g\ntask: [a, b]\n", all_of_it=True)
    assert check("g") == Finding("g", "members", "1 of its 2 tasks do not load")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("task: [a, none_such]", "no task, group or tag 'none_such'"),
        ("task: [a]\naggregate_metric_list: [{metric: acc}]", "aggregates acc, which none of its tasks has"),
        (
            "task: [a]\naggregate_metric_list: [{metric: exact_match, filter_list: strict}]",
            "aggregates exact_match,strict",
        ),
        (
            "task: [{task: own, dataset_path: made, doc_to_text: '{{', doc_to_target: a}]",
            "TemplateSyntaxError",
        ),
    ],
)
def test_what_is_wrong_with_a_group_itself(
    lines: str, said: str, write: Callable[..., None], check: Check
) -> None:
    write("a")
    write("g", f"group: g\n{lines}\n", all_of_it=True)
    finding = check("g")
    assert finding.status == "broken"
    assert said in finding.reason


def test_a_group_may_aggregate_what_a_tasks_own_code_names(
    maker: TaskMaker, write: Callable[..., None], check: Check
) -> None:
    maker.function("def scores(doc, results): return {'own': 1}")
    write("a", "process_results: !function functions.scores\n")
    write("g", "group: g\ntask: [a]\naggregate_metric_list: [{metric: own}]\n", all_of_it=True)
    assert check("g").status == "loads"


# With data


def test_with_a_data_root_the_first_document_is_asked(
    maker: TaskMaker, write: Callable[..., None], tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("home")
    root = maker.data(ROWS).parents[2]
    write("there")
    write("elsewhere", "test_split: validation\n")
    write("misread", "fewshot_config: {doc_to_text: '{{question}}'}\ndescription: '{{no_such_field}}'\n")
    found = {name: checker(maker, home, root).check(name) for name in ("there", "elsewhere", "misread")}
    assert found["there"].status == "loads"
    assert found["elsewhere"].status == "resource"
    assert "no split 'validation'" in found["elsewhere"].reason
    assert found["misread"].status == "broken"
    assert "'no_such_field' is undefined" in found["misread"].reason
