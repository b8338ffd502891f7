"""`--check-tasks`: what loads, what does not and why, and the exit status."""

import os
from pathlib import Path

import pytest

from flows.cli.check_report import CheckReport
from flows.cli.evaluate_command import main
from tasks_lib.catalog.catalog import BrokenFile, Entry
from tasks_lib.checks.checker import Finding
from tasks_lib.code.trusted_functions import installed_catalog

CaptureFixture = pytest.CaptureFixture[str]

pytestmark = pytest.mark.usefixtures("no_installed_catalog")


def family(folder: Path) -> str:
    """Three tasks and a group, one in want of a package and one broken; the flag that adds them."""
    folder.mkdir()
    (folder / "code.py").write_text("import no_such_package\ndef processed(docs): return docs\n")
    text = "dataset_path: made\ntest_split: test\ndoc_to_text: question\ndoc_to_target: answer\n"
    (folder / "fam_right.yaml").write_text(f"task: fam_right\n{text}")
    (folder / "fam_wants.yaml").write_text(f"task: fam_wants\n{text}process_docs: !function code.processed\n")
    (folder / "fam_wrong.yaml").write_text(f"task: fam_wrong\n{text}metric_list: [{{metric: exact}}]\n")
    (folder / "fam.yaml").write_text("group: fam\ntask: [fam_right, fam_wants]\n")
    return f"--include-path={folder}"


def table(text: str, title: str = "") -> dict[str, list[str]]:
    """The cells of a report's table by the first cell of their row."""
    section = text.split(f"## {title}\n\n")[1] if title else text
    rows = [line.strip("| ").split("|") for line in section.split("\n\n")[0].splitlines()]
    return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows[2:]}


def test_the_starter_tasks_load(home: Path, capsys: CaptureFixture) -> None:
    assert main(["--check-tasks", "starter_*"]) == 0
    said = capsys.readouterr().out
    assert table(said)["load"] == ["3", "0"]
    assert table(said, "Families") == {"starter": ["3", "3", "0", "0"]}


def test_what_does_not_load_is_said_with_its_reason(
    tmp_path: Path, home: Path, capsys: CaptureFixture
) -> None:
    flags = [family(tmp_path / "fam"), "--trust-task-code"]
    assert main(["--check-tasks", "fam*", *flags]) == 1
    said = capsys.readouterr().out
    assert table(said) == {
        "load": ["1", "0"],
        "need a package that is not installed": ["1", "0"],
        "are right themselves, but tasks of theirs do not load": ["0", "1"],
        "are broken": ["1", "0"],
        "in all": ["3", "1"],
    }
    assert table(said, "Packages that are not installed") == {"no_such_package": ["none", "1"]}
    assert "did you mean" in said
    assert "fam_wrong" in said


def test_only_what_is_broken_fails_the_command(tmp_path: Path, home: Path, capsys: CaptureFixture) -> None:
    assert main(["--check-tasks", "fam_wants", family(tmp_path / "fam"), "--trust-task-code"]) == 0


def test_code_that_is_not_trusted_is_not_run(tmp_path: Path, home: Path, capsys: CaptureFixture) -> None:
    flag = family(tmp_path / "fam")
    (tmp_path / "fam/code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\ndef processed(docs): ...\n")
    assert main(["--check-tasks", "fam_wants", flag]) == 1
    assert "--trust-task-code" in capsys.readouterr().out
    assert not (tmp_path / "ran").exists()


def test_a_pattern_that_nothing_matches_is_refused(home: Path, capsys: CaptureFixture) -> None:
    assert main(["--check-tasks", "no_such_*"]) == 2
    assert "no task or group matches 'no_such_*'" in capsys.readouterr().err


def test_tasks_with_one_reason_share_a_row() -> None:
    catalog = installed_catalog() or Path("/catalog")
    entries = [Entry(f"t{i}", "task", str(catalog / f"f/t{i}.yaml")) for i in range(6)]
    reason = "{name}: metric_list: Unknown metric 'x' (in " + str(catalog) + "/f/{name}.yaml)"
    findings = {one.name: Finding(one.name, "broken", reason.format(name=one.name)) for one in entries}
    said = CheckReport(
        entries, findings, [BrokenFile(catalog / "f/u.yaml", f"{catalog}/f/u.yaml: no")]
    ).text()
    rows = [line for line in said.splitlines() if "Unknown metric" in line]
    assert len(rows) == 1
    cells = [cell.strip() for cell in rows[0].strip("|").split("|")]
    assert cells == ["f", "6", "metric_list: Unknown metric 'x'", "t0, t1, t2 and 3 more"]
    assert str(catalog) + os.sep not in said


@pytest.mark.slow
@pytest.mark.skipif(installed_catalog() is None, reason="lm-eval is not installed")
def test_families_of_the_installed_catalog_load(
    home: Path, capsys: CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("ASSAY_HOME", str(home))
    for pattern in ("arc_*", "xquad*", "hellaswag*"):
        assert main(["--check-tasks", pattern]) == 0
        counts = table(capsys.readouterr().out)
        assert counts["load"] == counts["in all"]
