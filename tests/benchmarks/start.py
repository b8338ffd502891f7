"""What lm-eval's catalog of some 14,000 task files costs at a start.

    python -m tests.benchmarks.start

Listing all names, as commands (lm-eval's `ls tasks` beside it); and, within a process, the parts of finding
three tasks: asking the file system for changes, reading the index, selecting. The first listing, which reads
every file, is shown for itself.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time

from tests.benchmarks.whole_run import Spent, measure
from tests.support.paths import ROOT

PARTS = "import sys; from tests.benchmarks.start import parts; parts(sys.argv[1])"
THREE = ("arc_easy", "gsm8k", "piqa")


def parts(home: str) -> None:
    """Print what finding three tasks is made of."""
    from tasks_lib.catalog.catalog import Catalog
    from tasks_lib.catalog.index import _yaml_files, read_index
    from tasks_lib.code.trusted_functions import installed_catalog

    folder = installed_catalog()
    assert folder is not None
    catalog = Catalog.standard([], Path(home))
    steps: dict[str, Callable[[], object]] = {
        "times and sizes of all files": lambda: list(_yaml_files(str(folder))),
        "the index, with those": lambda: read_index(folder, Path(home)),
        "all roots as one catalog, with those": lambda: catalog.entries("nothing"),
        "selecting three tasks after that": lambda: catalog.select(THREE),
    }
    for name, step in steps.items():
        wall, cpu = perf_counter(), process_time()
        step()
        print(f"{name:40}{perf_counter() - wall:8.2f} s{process_time() - cpu:8.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "ASSAY_HOME": home, "PYTHONPATH": str(ROOT)}
        listing = [sys.executable, "flows/evaluate.py", "--list-tasks"]
        spent = {"Assay, first": [measure(listing, environment)], "Assay": [], "lm-eval": []}
        for _ in range(given.repeat):
            spent["Assay"].append(measure(listing, environment))
            spent["lm-eval"].append(measure([sys.executable, "-m", "lm_eval", "ls", "tasks"], environment))
        print(f"{'list all names':40}{'wall':>10}{'CPU':>10}")
        for name, own in spent.items():
            print(f"{name:40}{median(own, 'wall'):8.2f} s{median(own, 'cpu'):8.2f} s")
        subprocess.run([sys.executable, "-c", PARTS, home], cwd=ROOT, env=environment, check=True)


def median(spent: list[Spent], what: str) -> float:
    return float(statistics.median(getattr(one, what) for one in spent))


if __name__ == "__main__":
    main()
