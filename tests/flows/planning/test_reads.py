"""Which task files a start opens: those of its tasks, not the catalog's; of a changed one what changed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks_lib.catalog.catalog import Catalog
from tasks_lib.code.trusted_functions import installed_catalog
from tests.support.paths import ROOT

TASKS = 150
# Runs the command and writes down every file that it opens below the folders of task files.
WATCHED = """
import json, os, runpy, sys
folders, log, *sys.argv = json.loads(sys.argv[1])
opened = []
def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
        path = os.path.realpath(os.fsdecode(arguments[0]))
        if path.startswith(tuple(folders)) and not path.endswith((".py", ".pyc")):
            opened.append(path)
sys.addaudithook(hook)
if len(folders) == 1:
    import tasks_lib.catalog.catalog
    tasks_lib.catalog.catalog.installed_catalog = lambda: None
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    with open(log, "w") as file:
        json.dump(sorted(opened), file)
"""


class Workplace:
    """A folder of many task files that share an include, and the command over it and over more folders."""

    def __init__(self, root: Path, catalog: Path | None) -> None:
        self.root = root
        self.tasks = root / "tasks"
        self.tasks.mkdir()
        self._folders = [os.path.realpath(self.tasks), *([os.path.realpath(catalog)] if catalog else ())]
        self.broken: list[str] = []
        (self.tasks / "_shared_yaml").write_text(
            "dataset_path: sums\ntest_split: test\noutput_type: generate_until\n"
            "doc_to_text: '{{question}}'\ndoc_to_target: '{{answer}}'\n"
        )
        for number in range(TASKS):
            self.add(f"made_{number:03}")
        data = root / "data/sums/default"
        data.mkdir(parents=True)
        (data / "test.jsonl").write_text('{"question": "1 + 1", "answer": "2"}\n')

    def add(self, name: str) -> None:
        (self.tasks / f"{name}.yaml").write_text(f"task: {name}\ninclude: _shared_yaml\n")

    def opened(self, *flags: str) -> list[str]:
        """The names of the files the command opens in folders of task files."""
        log = self.root / "opened"
        given = [
            f"--include-path={self.tasks}",
            f"--data-root={self.root}/data",
            f"--output={self.root}/runs",
        ]
        arguments = [self._folders, str(log), str(ROOT / "flows/evaluate.py"), *given, *flags]
        environment = {**os.environ, "ASSAY_HOME": str(self.root / "home"), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", WATCHED, json.dumps(arguments)],
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return sorted(Path(path).name for path in json.loads(log.read_text()))

    def index(self) -> list[str]:
        """Have the index made; what is opened for it."""
        opened = self.opened("--list-tasks")
        catalog = Catalog([Path(folder) for folder in self._folders], self.root / "home")
        # They are read at each start: what they lack may be there by now.
        self.broken = sorted(file.path.name for file in catalog.broken)
        return opened


@pytest.fixture(params=["made", pytest.param("installed", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Workplace:
    """Without and with lm-eval's catalog beside the made one."""
    catalog = installed_catalog() if request.param == "installed" else None
    if request.param == "installed" and catalog is None:
        pytest.skip("lm-eval is not installed")
    place = Workplace(tmp_path, catalog)
    assert len(place.index()) > TASKS + (10_000 if catalog else 0)
    assert len(place.broken) < 20
    return place


def test_an_unchanged_catalog_is_listed_without_its_files(place: Workplace) -> None:
    assert place.opened("--list-tasks") == place.broken


def test_a_file_that_was_added_is_the_one_that_is_read(place: Workplace) -> None:
    place.add("another")
    assert place.opened("--list-tasks", "another") == sorted([*place.broken, "_shared_yaml", "another.yaml"])
    assert place.opened("--list-tasks", "another") == place.broken


def test_a_run_on_three_tasks_reads_their_three_files_and_what_they_include(
    place: Workplace, prefect_server: str
) -> None:
    names = ["made_003", "made_050", "made_149"]
    read = place.opened(f"--tasks={','.join(names)}", "--model=scripted:hash")
    assert read == sorted([*place.broken, "_shared_yaml", *(f"{name}.yaml" for name in names)])
