"""Runs of the version before, whose answers the rules of now refuse: found, explained, and mended.

`tests/support/version_before/refused` has two of them and their store: `numbers`, of a scripted model that
gave NaN to a choice of documents 1 and 4, and `thinking`, of an endpoint whose stops cut off the thinking
about document 1, with a document that is there twice; its answers are drawn.
"""

import shutil
from pathlib import Path

import pytest

from flows.checking.changed_runs import check
from flows.cli.rescore_command import main
from flows.common.errors import SpecError
from tests.support.lab import Lab
from tests.support.paths import ROOT

REFUSED = ROOT / "tests" / "support" / "version_before" / "refused"


@pytest.fixture
def older(lab: Lab) -> Lab:
    """A lab whose store the version before has filled."""
    shutil.copy(REFUSED / "responses.sqlite", lab.home / "responses.sqlite")
    return lab


@pytest.mark.usefixtures("older")
def test_what_newer_rules_change_is_listed_with_what_mends_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", str(REFUSED)]) == 1
    said = capsys.readouterr().out
    assert "facts: log-likelihoods of 2 documents are NaN, infinite or above 0" in said
    assert "sums: 1 answers are empty after thinking" in said
    assert "sums: 1 sampled requests have the answer of an equal one before them" in said
    assert f"$ python flows/evaluate.py --config {REFUSED / 'numbers' / 'spec.yaml'}" in said
    assert f"  Read {REFUSED / 'numbers'}/spec.yaml first: this home did not write it" in said
    assert said.endswith("2 of 2 finished runs have numbers that newer rules change\n")


def test_a_run_of_now_is_not_listed(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.add_texts("sums", 4, generation_kwargs={"do_sample": True, "temperature": 0.7, "until": ["\n"]})
    lab.write_data("sums", [{"question": "the same?", "answer": "1"}] * 4)
    assert not lab.evaluate("sums").failures
    assert main(["--check", str(lab.results)]) == 0
    assert capsys.readouterr().out == "0 of 1 finished runs have numbers that newer rules change\n"


def test_tasks_whose_python_wants_a_main_thread_are_scored_anew(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(lab.home))
    lab.add_texts("sums", 2, process_results="!function own.scored")
    file = lab.tasks / "sums.yaml"
    file.write_text(file.read_text().replace("'!function own.scored'", "!function own.scored"))
    (lab.tasks / "own.py").write_text(
        "import signal\n\ndef scored(doc, results):\n    return {'exact_match': 1}\n"
    )
    run = lab.evaluate("sums", trust_task_code=True)
    assert not run.failures
    results = Path(str(run.folder)) / "results.json"
    results.write_text(results.read_text().replace('"rules": 1', '"rules": 0'))
    (changed,) = check(lab.results).changed
    assert [(one.task, one.mend) for one in changed.changes] == [("sums", "rescore")]
    assert not changed.caution
    assert changed.command == f"python flows/rescore.py {run.folder}"


def test_a_folder_without_runs_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SpecError, match="no finished run is there"):
        check(tmp_path)
    assert main(["--check", str(tmp_path), "--tasks", "sums"]) == 2
    assert "stands alone" in capsys.readouterr().err


def test_the_refused_answers_are_asked_anew_and_the_others_are_not(
    older: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nan_answers.py").write_text(
        "def answer(request):\n    return -1.0 - int(request.prompt.split()[2].rstrip('?'))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    older.add_choices("facts", 6)
    run = older.evaluate("facts", "scripted:nan_answers:answer")
    assert not run.failures
    assert (run.record.assay.requests_asked, run.record.assay.requests_reused) == (2, 10)
    again = older.evaluate("facts", "scripted:nan_answers:answer", seed=7)
    assert again.record.assay.requests_asked == 0
