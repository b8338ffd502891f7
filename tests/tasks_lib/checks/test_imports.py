"""What task code imports is read from its text, and the extra that has it is named."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

from tasks_lib.checks.extras import PACKAGES, package_of
from tasks_lib.checks.imports import missing_packages
from tasks_lib.code.trusted_functions import installed_catalog
from tests.support.paths import ROOT

PYPROJECT = ROOT / "pyproject.toml"


@pytest.mark.parametrize(
    "text",
    [
        "import no_such_package",
        "import json, no_such_package.part as part",
        "from no_such_package.part import name",
        "def f():\n    import no_such_package",
        "try:\n    import no_such_package\nexcept ImportError:\n    no_such_package = None",
    ],
)
def test_an_import_is_found_wherever_it_stands(tmp_path: Path, text: str) -> None:
    file = tmp_path / "code.py"
    file.write_text(text)
    assert missing_packages(file) == {"no_such_package"}


@pytest.mark.parametrize("text", ["import json, yaml", "from . import near", "import_module('x')", "def f(:"])
def test_what_is_there_or_no_import_is_not_missing(tmp_path: Path, text: str) -> None:
    file = tmp_path / "code.py"
    file.write_text(text)
    assert missing_packages(file) == set()


@pytest.mark.skipif(importlib.util.find_spec("lm_eval") is None, reason="lm-eval is not installed")
def test_imports_of_other_task_code_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """`leaderboard/ifeval/utils.py` imports `instructions.py` beside it, and that `langdetect`."""
    catalog = installed_catalog()
    assert catalog
    monkeypatch.setattr("tasks_lib.checks.imports.is_installed", lambda name: name != "langdetect")
    assert missing_packages(catalog / "leaderboard/ifeval/utils.py") == {"langdetect"}


def test_every_package_is_in_the_extra_it_is_said_to_be_in() -> None:
    extras = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]
    names = {extra: {re.split(r"[\[=<>]", line)[0] for line in lines} for extra, lines in extras.items()}
    for package in PACKAGES.values():
        assert package.extra
        assert package.distribution in names[package.extra]


def test_a_package_nobody_knows_has_no_extra() -> None:
    assert package_of("no_such_package").extra is None
