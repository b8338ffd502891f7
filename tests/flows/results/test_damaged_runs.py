"""Folders of finished runs that are damaged or mixed: one line, never a traceback."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flows.checking.changed_runs import check
from flows.cli import compare_command, rescore_command
from flows.common.errors import USER_ERRORS, ResultError
from flows.comparing.comparison import compare
from flows.results.evaluation_result import EvaluationResult
from flows.sinks import content
from flows.specs.rescoring import RescoreSpec
from flows.suites.leaderboard import Leaderboard, row_of
from tests.support.damage import Damage
from tests.support.finished_run import TASKS, OtherRun
from tests.support.paths import ROOT

BEFORE = ROOT / "tests" / "support" / "version_before" / "first"


def readers(folder: Path, whole: EvaluationResult) -> Iterator[Callable[[], object]]:
    """All that reads the folder of a finished run."""

    def shown() -> None:
        run = EvaluationResult.open(folder)
        _ = run.table(), run.frame(), run.performance()
        for task in run.record.tasks:
            _ = run.samples(task), run.calls(task)

    def published() -> None:
        run = EvaluationResult.open(folder)
        _ = content.started(run), content.metrics(run), content.spec(run), content.results(run)
        for _, file in content.samples(run):
            _ = content.columns(file), content.frame(file)

    def on_a_leaderboard() -> None:
        row, columns = row_of("a", "b", str(folder), EvaluationResult.open(folder).record, {})
        board = Leaderboard("suite", "now", columns, [row])
        _ = board.cells(), board.csv(), board.reasons()

    yield shown
    yield published
    yield on_a_leaderboard
    yield lambda: compare(whole, folder).table(3)
    yield lambda: compare(folder, whole).to_json()
    yield lambda: check(folder).text()
    yield lambda: RescoreSpec(run=folder).evaluation()


def tracebacks(run: Path, folder: Path, seeds: range) -> list[str]:
    """What was damaged and by whom read, where that said more than a line or two."""
    found = []
    for seed in seeds:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(run, folder)
        damage = Damage(seed).to(folder)
        for number, read in enumerate(readers(folder, EvaluationResult.open(run))):
            try:
                read()
            except USER_ERRORS as error:
                if len(str(error).splitlines()) > 2:
                    found.append(f"{seed}, {damage}, reader {number}: {error}")
            except Exception as error:  # noqa: BLE001 - this is what must not be
                found.append(f"{seed}, {damage}, reader {number}: {error!r}")
    return found


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("named_by_digest", [True, False], ids=["of now", "before digests"])
def test_damage_is_said_in_a_line(finished: EvaluationResult, tmp_path: Path, named_by_digest: bool) -> None:
    run = tmp_path / "whole"
    shutil.copytree(str(finished.folder), run)
    if not named_by_digest:
        without_digests(run)
    assert not tracebacks(run, tmp_path / "damaged", range(12))


def test_samples_that_are_cut_and_have_no_digest_are_said_when_published(
    finished: EvaluationResult, tmp_path: Path
) -> None:
    run = tmp_path / "whole"
    shutil.copytree(str(finished.folder), run)
    without_digests(run)
    cut = run / "samples" / f"{TASKS[0]}.parquet"
    cut.write_bytes(cut.read_bytes()[:100])
    files = [file for _, file in content.samples(EvaluationResult.open(run))]
    for read in (content.columns, content.frame):
        with pytest.raises(ResultError, match=rf"{TASKS[0]}\.parquet is damaged"):
            read(files[0])


@pytest.mark.slow
def test_much_damage_is_said_in_a_line(finished: EvaluationResult, tmp_path: Path) -> None:
    run = tmp_path / "whole"
    shutil.copytree(str(finished.folder), run)
    assert not tracebacks(run, tmp_path / "damaged", range(1000, 1200))
    without_digests(run)
    assert not tracebacks(run, tmp_path / "damaged", range(2000, 2200))
    assert not tracebacks(BEFORE, tmp_path / "damaged", range(3000, 3200))


@pytest.mark.parametrize("kind", ["samples", "calls"])
def test_a_file_of_another_run_is_found(other_run: OtherRun, kind: str) -> None:
    run = other_run("mixed")
    folder = Path(str(run.folder)) / kind
    shutil.copyfile(folder / f"{TASKS[0]}.parquet", folder / f"{TASKS[1]}.parquet")
    with pytest.raises(ResultError, match=f"{TASKS[1]}.parquet is not what its run wrote") as said:
        getattr(run, kind)(TASKS[1])
    assert "\n" not in str(said.value)
    getattr(run, kind)(TASKS[0])


def test_a_link_out_of_the_folder_is_not_followed(other_run: OtherRun, tmp_path: Path) -> None:
    run = other_run("linked")
    file = Path(str(run.folder)) / "samples" / f"{TASKS[0]}.parquet"
    shutil.move(file, tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ResultError, match="leads out of the run's folder"):
        list(content.samples(run))


@pytest.mark.parametrize("command", [compare_command.main, rescore_command.main])
def test_commands_end_with_status_2(
    finished: EvaluationResult,
    other_run: OtherRun,
    command: Callable[[list[str]], int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = other_run("cut")
    results = Path(str(run.folder)) / "results.json"
    results.write_bytes(results.read_bytes()[:100])
    words = [str(run.folder)]
    assert command([*words, str(finished.folder)] if command is compare_command.main else words) == 2
    said = capsys.readouterr().err
    assert f"{results} is damaged, or of another kind" in said
    assert len(said.splitlines()) == 1


def without_digests(run: Path) -> None:
    """Make it a run of a version that did not name its files by digest."""
    content = json.loads((run / "results.json").read_text())
    del content["assay"]["samples_sha256"], content["assay"]["calls_sha256"]
    (run / "results.json").write_text(json.dumps(content))
