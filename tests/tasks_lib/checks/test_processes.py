"""Task code that hangs, ends its process, prints or wants a network is a finding and nothing more."""

import time
from pathlib import Path

import pytest

from tasks_lib.catalog.catalog import Catalog
from tasks_lib.checks.checker import Finding
from tasks_lib.checks.processes import CheckSetup, check_all
from tasks_lib.code.trusted_functions import TrustedRoots

WANTS_NETWORK = """
import urllib.request
try:
    urllib.request.urlopen("https://data.example.org/list.txt")
except OSError:
    print("no list")
def processed(docs): return docs
"""


def make(folder: Path, name: str, code: str) -> str:
    """A task whose Python is `code`; its name."""
    own = folder / name
    own.mkdir(parents=True)
    (own / "own.py").write_text(code)
    (own / "task.yaml").write_text(
        f"task: {name}\ndataset_path: d\ntest_split: test\ndoc_to_text: a\ndoc_to_target: b\n"
        "process_docs: !function own.processed\n"
    )
    return name


def checked(folder: Path, names: list[str], seconds: float = 120) -> dict[str, Finding]:
    setup = CheckSetup(Catalog([folder], folder / "home"), TrustedRoots((folder.resolve(),)), seconds=seconds)
    return {finding.name: finding for finding in check_all(names, setup, processes=1)}


def test_every_task_gets_a_finding_whatever_its_neighbours_do(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    processed = "def processed(docs): return docs\n"
    names = [
        make(tmp_path, "talks", f"import os\nprint('printed')\nos.system('echo echoed')\n{processed}"),
        make(tmp_path, "ends", f"import os\nos._exit(3)\n{processed}"),
        make(tmp_path, "asks", WANTS_NETWORK),
        make(tmp_path, "right", processed),
    ]
    found = checked(tmp_path, names)
    assert {name: finding.status for name, finding in found.items()} == {
        "talks": "loads",
        "ends": "broken",
        "asks": "resource",
        "right": "loads",
    }
    assert "ends/own.py: ends its process (exit status 3)" in found["ends"].reason
    assert "data.example.org" in found["asks"].reason
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_a_module_that_hangs_is_waited_for_once(tmp_path: Path) -> None:
    first = make(tmp_path, "first", "import time\ntime.sleep(600)\n")
    text = (tmp_path / "first/task.yaml").read_text()
    (tmp_path / "first/other.yaml").write_text(text.replace("task: first", "task: second"))
    start = time.monotonic()
    found = checked(tmp_path, [first, "second"], seconds=10)
    assert time.monotonic() - start < 60
    for name in ("first", "second"):
        assert found[name].status == "broken"
        assert "first/own.py: does not end within 10 s" in found[name].reason
