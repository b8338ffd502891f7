"""What runs a task's answers as code is read from its Python, without running it."""

from pathlib import Path

import pytest

from tasks_lib.catalog.catalog import Catalog
from tasks_lib.code.answers_as_code import AnswersAsCode, RunBy
from tasks_lib.files.config import ClassConfig, FunctionRef, TaskConfig


def config(folder: Path, code: str, **keys: object) -> TaskConfig:
    (folder / "scores.py").write_text(code)
    return TaskConfig.model_validate(
        {"task": "made", "process_results": FunctionRef(folder, "scores.of"), **keys}
    )


@pytest.mark.parametrize(
    "code",
    [
        "def of(doc, results): return eval(results[0])",
        "def of(doc, results): return exec(results[0])",
        "def of(doc, results): return list(map(eval, results))",
        "from sympy.parsing.sympy_parser import parse_expr\ndef of(doc, results): return parse_expr('1')",
        "def of(doc, results):\n    from sympy import parse_expr as read\n    return read(results[0])",
        "import sympy as sp\ndef of(doc, results): return sp.sympify(results[0])",
        "import os\ndef of(doc, results): os.system(results[0])",
        "import subprocess\ndef of(doc, results): subprocess.run(['g++', '-'])",
        "from subprocess import Popen as start\ndef of(doc, results): start(results)",
        "import multiprocessing as mp\ndef of(doc, results): mp.Process(target=print)",
        "import builtins\ndef of(doc, results): builtins.exec(results[0])",
        "from helper import of",
    ],
)
def test_python_that_runs_code_is_seen(tmp_path: Path, code: str) -> None:
    (tmp_path / "helper.py").write_text("def of(doc, results): return eval(results[0])")
    assert AnswersAsCode().run_by(config(tmp_path, code)) == "its Python"


@pytest.mark.parametrize(
    "code",
    [
        "import re\ndef of(doc, results): return re.compile('a').match(results[0])",
        "import ast, json\ndef of(doc, results): return ast.literal_eval(results[0])",
        "import os, multiprocessing\ndef of(doc, results): return multiprocessing.cpu_count() + len(os.sep)",
        "class Model:\n    def eval(self): pass\ndef of(doc, results): return Model().eval()",
        "import evaluate\ndef of(doc, results): return evaluate.load('rouge')",
        "def of(doc, results): return 'eval(1)'",
    ],
)
def test_other_python_is_not(tmp_path: Path, code: str) -> None:
    assert AnswersAsCode().run_by(config(tmp_path, code)) == "nothing"


def test_code_eval_holds_programs_itself_unless_the_python_runs_some_too(tmp_path: Path) -> None:
    loads = "import evaluate\ncode = evaluate.load('code_eval')\ndef of(doc, results): return code\n"
    assert AnswersAsCode().run_by(config(tmp_path, loads, unsafe_code=True)) == "code_eval"
    assert AnswersAsCode().run_by(config(tmp_path, f"{loads}    eval(doc)", unsafe_code=True)) == "its Python"
    named = TaskConfig.model_validate({"task": "made", "metric_list": [{"metric": "code_eval"}]})
    assert AnswersAsCode().run_by(named) == "code_eval"


def test_a_file_that_says_unsafe_code_is_believed(tmp_path: Path) -> None:
    assert (
        AnswersAsCode().run_by(config(tmp_path, "from a_package import of", unsafe_code=True)) == "its Python"
    )


def test_what_loads_its_data_where_it_scores_cannot_be_held(tmp_path: Path) -> None:
    hub = "load('AIML-TUDA/VerifiableRewardsForScalableLogicalReasoning')\ndef of(doc, results): return 1"
    assert AnswersAsCode().run_by(config(tmp_path, hub)) == "what cannot be held"
    (tmp_path / "made.py").write_text("class Made: pass")
    made = ClassConfig.model_validate(
        {"task": "made", "class": FunctionRef(tmp_path, "made.Made"), "unsafe_code": True}
    )
    assert AnswersAsCode().run_by(made) == "what cannot be held"


def test_what_is_imported_counts_as_code_of_the_task(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("of = print")
    files = AnswersAsCode().code_files(config(tmp_path, "from helper import of"))
    assert files == {tmp_path / "scores.py", tmp_path / "helper.py"}


@pytest.mark.parametrize(
    ("task", "by"),
    [
        ("longproc_countdown_0.5k", "its Python"),
        ("longproc_pseudo_to_code_2k", "its Python"),
        ("cruxeval_input_cot", "its Python"),
        ("prompt_robustness_math_algebra", "its Python"),
        ("non_greedy_robustness_math_geometry", "its Python"),
        ("humaneval_plus", "code_eval"),
        ("humaneval_single_line_infilling", "code_eval"),
        ("mbpp_instruct", "code_eval"),
        ("slr_bench_easy", "what cannot be held"),
        ("minerva_math_algebra", "nothing"),
        ("leaderboard_math_geometry_hard", "nothing"),
        ("ifeval", "nothing"),
        ("bbh_cot_zeroshot_navigate", "nothing"),
    ],
)
def test_the_catalogs_tasks(task: str, by: RunBy, catalog_index: Path) -> None:
    pytest.importorskip("lm_eval")
    selection = Catalog.standard((), catalog_index).select([task])
    assert AnswersAsCode().run_by(selection.tasks[task].config) == by
