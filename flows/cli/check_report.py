"""What `--check-tasks` says, as Markdown that is also read on a terminal."""

import re
import sysconfig
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from flows.common.text_tables import Row, markdown
from tasks_lib.catalog.catalog import BrokenFile, Entry
from tasks_lib.checks.checker import Finding, Status
from tasks_lib.checks.extras import package_of
from tasks_lib.code.trusted_functions import installed_catalog

# In the order of the report; what a status says of tasks and groups.
MEANING: Mapping[Status, str] = {
    "loads": "load",
    "package": "need a package that is not installed",
    "resource": "need data, a download or a program that is not there",
    "members": "are right themselves, but tasks of theirs do not load",
    "broken": "are broken",
}
KINDS: tuple[Literal["task"], Literal["group"]] = ("task", "group")
_SHOWN_NAMES = 4
_LONGEST_REASON = 200
_COUNTS = ("tasks", "groups")

# What a reason says of one task alone: the function looked up, the task's file, configuration and split.
_PARTICULARS = re.compile(
    r"^!function \S+ in .*?: | \(in /.*$| \([^()]*, split '[^']*'\)| and cannot be loaded from the hub: .*$"
)


@dataclass(frozen=True)
class CheckReport:
    """entries: what was checked. findings: by name. files: `*.yaml` that define nothing."""

    entries: Sequence[Entry]
    findings: Mapping[str, Finding]
    files: Sequence[BrokenFile]

    @property
    def is_broken(self) -> bool:
        """Whether something cannot be used for another reason than what is not there."""
        return any(finding.status == "broken" for finding in self.findings.values())

    def text(self) -> str:
        """The report: sums, packages, what does not load by family and reason, and counts by family."""
        parts = [self._sums(), self._packages(), self._problems(), self._undefined(), self._families()]
        return "\n\n".join(part for part in parts if part)

    def _sums(self) -> str:
        counts = Counter((self._status(entry), entry.kind) for entry in self.entries)
        rows = [
            (MEANING[status], *(f"{counts[status, kind]:,}" for kind in KINDS))
            for status in MEANING
            if any(counts[status, kind] for kind in KINDS)
        ]
        total = [f"{sum(entry.kind == kind for entry in self.entries):,}" for kind in KINDS]
        return markdown(("", *_COUNTS), [*rows, ("in all", *total)], _COUNTS)

    def _packages(self) -> str:
        needed = Counter(name for entry in self.entries for name in self.findings[entry.name].packages)
        rows = []
        for name, count in sorted(needed.items(), key=lambda item: (-item[1], item[0])):
            package = package_of(name)
            rows.append((package.distribution, package.extra or "none", str(count)))
        return _section(
            "Packages that are not installed", ("package", "extra with it", "tasks"), rows, ["tasks"]
        )

    def _problems(self) -> str:
        together: dict[tuple[Status, str, str], list[str]] = defaultdict(list)
        for entry in self.entries:
            finding = self.findings[entry.name]
            if finding.status not in ("loads", "members"):
                key = (finding.status, self._family(entry.path), _reason(finding))
                together[key].append(entry.name)
        order = list(MEANING)
        rows = [
            (family, str(len(names)), reason, _names(names))
            for (status, family, reason), names in sorted(
                together.items(), key=lambda item: (order.index(item[0][0]), item[0][1:])
            )
        ]
        return _section("What does not load", ("family", "number", "why", "names"), rows, ["number"])

    def _undefined(self) -> str:
        rows = [(self._family(file.path), _cut(_short(file.reason))) for file in self.files]
        return _section("Files that define no task and no group", ("family", "why"), rows)

    def _families(self) -> str:
        total: Counter[tuple[str, str]] = Counter()
        loading: Counter[tuple[str, str]] = Counter()
        for entry in self.entries:
            key = (self._family(entry.path), entry.kind)
            total[key] += 1
            loading[key] += self._status(entry) == "loads"
        rows = [
            (family, *(str(counts[family, kind]) for kind in KINDS for counts in (total, loading)))
            for family in sorted({family for family, _ in total})
        ]
        header = ("family", "tasks", "that load", "groups", "that load")
        return _section("Families", header, rows, header[1:])

    def _status(self, entry: Entry) -> Status:
        return self.findings[entry.name].status

    def _family(self, path: Path | None) -> str:
        """The folder of lm-eval's catalog that a file is in, elsewhere the folder it is in."""
        if path is None:
            return ""
        catalog = self._catalog
        if catalog and path.is_relative_to(catalog):
            return path.relative_to(catalog).parts[0]
        return path.parent.name

    @cached_property
    def _catalog(self) -> Path | None:
        return installed_catalog()


def _reason(finding: Finding) -> str:
    """What keeps tasks from loading, the same words for all that have the same reason."""
    return _cut(_short(_PARTICULARS.sub("", finding.reason.removeprefix(f"{finding.name}: "))))


def _short(text: str) -> str:
    """`text` in one line, with files by their place in the catalog, the environment or the current folder."""
    for folder in (installed_catalog(), sysconfig.get_path("purelib"), Path.cwd()):
        text = text.replace(f"{folder}/", "")
    return " ".join(text.split())


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_REASON else f"{text[: _LONGEST_REASON - 3]}..."


def _names(names: Sequence[str]) -> str:
    shown = names if len(names) <= _SHOWN_NAMES else names[: _SHOWN_NAMES - 1]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _section(title: str, header: Row, rows: Sequence[Row], right: Collection[str] = ()) -> str:
    return f"## {title}\n\n{markdown(header, rows, right)}" if rows else ""
