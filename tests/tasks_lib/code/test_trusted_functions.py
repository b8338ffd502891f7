"""References to Python in task files: which code runs, which does not, and what notices a change of it."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from tasks_lib.code.trusted_functions import STARTER, TrustedRoots, code_digest, installed_catalog, resolve
from tasks_lib.errors import TaskError
from tasks_lib.files.config import FunctionRef

needs_lm_eval = pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is None, reason="lm-eval is not installed"
)


def code(folder: Path, text: str, name: str = "utils.py") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def trusted(tmp_path: Path) -> TrustedRoots:
    return TrustedRoots((tmp_path.resolve(),))


def test_a_reference_is_the_function_in_the_file_beside_the_task(
    tmp_path: Path, trusted: TrustedRoots
) -> None:
    code(tmp_path, "def double(x):\n    return 2 * x\n")
    code(tmp_path, "def triple(x):\n    return 3 * x\n", "inner/more.py")
    assert resolve(FunctionRef(tmp_path, "utils.double"), trusted)(4) == 8
    assert resolve(FunctionRef(tmp_path, "inner.more.triple"), trusted)(4) == 12


def test_code_of_an_untrusted_folder_does_not_run(tmp_path: Path) -> None:
    code(tmp_path, f"open({str(tmp_path / 'ran')!r}, 'w')\ndef f(): ...\n")
    with pytest.raises(TaskError, match=f"{tmp_path}.*--trust-task-code"):
        resolve(FunctionRef(tmp_path, "utils.f"), TrustedRoots.standard())
    assert not (tmp_path / "ran").exists()


def test_an_untrusted_folder_gets_no_installed_function_either(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="--trust-task-code"):
        resolve(FunctionRef(tmp_path, "yaml.safe_load"), TrustedRoots.standard())


def test_a_folder_the_user_names_is_trusted_with_all_below_it(tmp_path: Path) -> None:
    code(tmp_path / "deep/er", "def f():\n    return 1\n")
    assert resolve(FunctionRef(tmp_path / "deep/er", "utils.f"), TrustedRoots.standard([tmp_path]))() == 1


@pytest.mark.parametrize("name", ["f", "../evil.f", "/tmp/evil.f", "a..f", "", "utils.f()"])
def test_a_reference_is_dotted_names_and_cannot_leave_its_folder(
    tmp_path: Path, trusted: TrustedRoots, name: str
) -> None:
    with pytest.raises(TaskError, match=r"write it as `module\.name`"):
        resolve(FunctionRef(tmp_path, name), trusted)


def test_a_link_out_of_the_trusted_folders_is_not_followed(tmp_path: Path) -> None:
    code(tmp_path / "outside", "def f(): ...\n")
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside/utils.py").symlink_to(tmp_path / "outside/utils.py")
    with pytest.raises(TaskError, match="outside the trusted folders"):
        resolve(FunctionRef(tmp_path / "inside", "utils.f"), TrustedRoots((tmp_path / "inside",)))


def test_files_of_one_name_in_two_folders_are_two_modules(tmp_path: Path, trusted: TrustedRoots) -> None:
    for name in ("a", "b"):
        code(tmp_path / name, f"def f():\n    return {name!r}\n")
    assert [resolve(FunctionRef(tmp_path / name, "utils.f"), trusted)() for name in "aba"] == ["a", "b", "a"]


def test_a_changed_file_is_loaded_anew_and_an_unchanged_one_is_not(
    tmp_path: Path, trusted: TrustedRoots
) -> None:
    ref = FunctionRef(tmp_path, "utils.f")
    file = code(tmp_path, "def f():\n    return 1\n")
    first = resolve(ref, trusted)
    assert resolve(ref, trusted) is first
    code(tmp_path, "def f():\n    return 2\n")
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))  # within the second, and of the same size
    assert resolve(ref, trusted)() == 2
    assert not (tmp_path / "__pycache__").exists()


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ("import no_such_package\n", "utils.f", r"utils\.py needs the package no_such_package"),
        ("raise SystemExit('no swipl')\n", "utils.f", "failed: SystemExit: no swipl"),
        ("1 / 0\n", "utils.f", "failed: ZeroDivisionError: division by zero"),
        ("def f(:\n", "utils.f", "failed: SyntaxError"),
        ("g = 1\n", "utils.f", "has no `f`"),
        ("f = 1\n", "utils.f", "`f` in .* is no function"),
        ("", "missing.f", r"no missing\.py there and no installed package missing"),
        ("", "yaml.no_such_module.f", r"yaml\.no_such_module"),
    ],
)
def test_what_cannot_be_loaded_is_said_with_file_and_function(
    tmp_path: Path, trusted: TrustedRoots, text: str, name: str, said: str
) -> None:
    code(tmp_path, text)
    with pytest.raises(TaskError, match=said) as caught:
        resolve(FunctionRef(tmp_path, name), trusted)
    assert f"!function {name}" in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_file_that_failed_can_be_repaired(tmp_path: Path, trusted: TrustedRoots) -> None:
    code(tmp_path, "import no_such_package\n")
    with pytest.raises(TaskError):
        resolve(FunctionRef(tmp_path, "utils.f"), trusted)
    code(tmp_path, "def f():\n    return 1\n")
    assert resolve(FunctionRef(tmp_path, "utils.f"), trusted)() == 1


def test_an_installed_module_is_used_where_there_is_no_file(tmp_path: Path, trusted: TrustedRoots) -> None:
    assert resolve(FunctionRef(tmp_path, "yaml.safe_load"), trusted)("a: 1") == {"a": 1}


def test_a_module_of_the_current_folder_is_no_installed_module(
    tmp_path: Path, trusted: TrustedRoots, monkeypatch: pytest.MonkeyPatch
) -> None:
    code(tmp_path / "here", "def f(): ...\n", "my_stray_module.py")
    (tmp_path / "tasks").mkdir()
    monkeypatch.syspath_prepend(tmp_path / "here")
    with pytest.raises(TaskError, match="no installed package my_stray_module"):
        resolve(FunctionRef(tmp_path / "tasks", "my_stray_module.f"), trusted)


def test_the_digest_changes_with_the_file_and_its_neighbours_and_nothing_else(tmp_path: Path) -> None:
    ref = FunctionRef(tmp_path, "utils.f")
    file = code(tmp_path, "def f(): ...\n")
    first = code_digest(ref)
    (tmp_path / "task.yaml").write_text("task: a\n")
    os.utime(file, ns=(0, 0))
    assert code_digest(ref) == first
    code(tmp_path, "X = 1\n", "other.py")
    second = code_digest(ref)
    code(tmp_path, "def f(): return 1\n")
    third = code_digest(ref)
    assert len({first, second, third}) == 3


def test_the_digest_sees_what_the_code_imports_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path / "path"))
    code(
        tmp_path / "task",
        "import json, numpy\nfrom parts.prompts import text\ndef f(): import helpers_of_mine.words\n",
    )
    code(tmp_path / "task/parts", "from . import gone\ntext = 'a'\n", "prompts.py")
    code(tmp_path / "path/helpers_of_mine", "", "__init__.py")
    code(tmp_path / "path/helpers_of_mine", "from helpers_of_mine import inner\n", "words.py")
    ref = FunctionRef(tmp_path / "task", "utils.f")
    seen = {code_digest(ref)}
    for file in ("task/parts/prompts.py", "path/helpers_of_mine/words.py", "path/helpers_of_mine/inner.py"):
        code(tmp_path, "from helpers_of_mine import inner\nX = 2\n", file)
        seen.add(code_digest(ref))
    code(tmp_path, "X = 3\n", "path/not_imported.py")
    seen.add(code_digest(ref))
    assert len(seen) == 4


def test_the_digest_does_not_depend_on_where_the_folder_is(tmp_path: Path) -> None:
    for name in ("a", "b"):
        code(tmp_path / name, "def f(): ...\n")
    assert len({code_digest(FunctionRef(tmp_path / name, "utils.f")) for name in "ab"}) == 1


def test_the_digest_runs_no_code(tmp_path: Path) -> None:
    code(tmp_path, "raise SystemExit('ran')\n")
    assert len(code_digest(FunctionRef(tmp_path, "utils.f"))) == 64
    assert len(code_digest(FunctionRef(tmp_path, "yaml.safe_load"))) == 64
    with pytest.raises(TaskError, match=r"no gone\.py there"):
        code_digest(FunctionRef(tmp_path, "gone.f"))


def test_the_starter_tasks_are_trusted() -> None:
    assert STARTER / "family" in TrustedRoots.standard()


@needs_lm_eval
def test_the_installed_catalogs_code_is_trusted_and_has_the_names_its_own_imports_use() -> None:
    catalog = installed_catalog()
    assert catalog is not None
    function = resolve(FunctionRef(catalog / "wsc273", "utils.process_doc"), TrustedRoots.standard())
    assert function.__module__ == "lm_eval.tasks.wsc273.utils"
    assert sys.modules["lm_eval.tasks.wsc273.utils"].__file__ == str(catalog / "wsc273/utils.py")
