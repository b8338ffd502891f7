"""`from flows import evaluate`: the calls, not the modules that have their names."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT


@pytest.mark.slow
def test_each_call_is_a_function_before_and_after_its_module_is_imported(
    prefect_server: str, home: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "tests.support.python_calls", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_importing_the_package_imports_its_version_and_no_more() -> None:
    code = "import sys; import flows; print([name for name in sys.modules if name.startswith('flows.')])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['flows.common', 'flows.common.version']"


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    import flows

    with pytest.raises(AttributeError, match="no attribute 'evalute'"):
        _ = flows.evalute
    assert {"evaluate", "benchmark", "compare", "rescore", "publish", "EvaluationSpec"} <= set(dir(flows))
