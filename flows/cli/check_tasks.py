"""`--check-tasks`: which tasks and groups of the catalog load, and what the others lack."""

import os
import sys
from collections.abc import Iterable, Iterator

from flows.cli.check_report import CheckReport
from flows.common.errors import SpecError
from flows.specs.evaluation import EvaluationSpec
from flows.storage.home import Home
from tasks_lib.catalog.catalog import Catalog, Entry
from tasks_lib.checks.checker import Finding
from tasks_lib.checks.processes import CheckSetup, check_all
from tasks_lib.code.trusted_functions import TrustedRoots

# A process takes half a gigabyte and more once the libraries of task code are imported.
MOST_PROCESSES = 8
# How long one module or task may take, on a busy machine too.
SECONDS, SECONDS_WITH_DATA = 300.0, 900.0


def check_tasks(spec: EvaluationSpec, pattern: str, *, progress: bool = False) -> CheckReport:
    """Check the tasks and groups whose names match; with the spec's data roots their first documents too.

    progress: count on stderr. Raises SpecError where no name matches.
    """
    catalog = Catalog.standard(spec.include_path, Home.from_environment().root)
    entries = sorted((one for one in catalog.entries(pattern) if one.kind != "tag"), key=_place)
    if not entries:
        raise SpecError(f"no task or group matches {pattern!r}")
    setup = CheckSetup(
        catalog=catalog,
        trusted=TrustedRoots.standard(spec.include_path if spec.trust_task_code else ()),
        roots=tuple(root.expanduser().absolute() for root in spec.data_root),
        seconds=SECONDS_WITH_DATA if spec.data_root else SECONDS,
    )
    processes = min(os.cpu_count() or 1, MOST_PROCESSES)
    found = check_all([entry.name for entry in entries], setup, processes)
    if progress:
        found = _counted(found, len(entries))
    findings = {finding.name: finding for finding in found}
    return CheckReport(entries, findings, catalog.broken if pattern == "*" else ())


def _place(entry: Entry) -> tuple[str, str]:
    """Tasks before groups, and by their files: neighbours share what they include and import."""
    return ("group" if entry.kind == "group" else "", entry.file or "")


def _counted(found: Iterable[Finding], total: int) -> Iterator[Finding]:
    for count, finding in enumerate(found, start=1):
        if count % 50 == 0 or count == total:
            print(f"\rchecked {count} of {total}", end="", file=sys.stderr, flush=True)
        yield finding
    print(file=sys.stderr)
