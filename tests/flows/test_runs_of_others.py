"""What the folder of somebody else's run may say: what was asked, and nothing that gives rights."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.cli.rescore_command import main
from flows.results.evaluation_result import EvaluationResult
from tests.support.lab import Lab

Spoiled = Callable[..., Path]
TRACE = """
from pathlib import Path
Path(__file__).with_name("ran").touch()
def asked(doc):
    return doc["question"]
"""


@pytest.fixture
def lab(
    tmp_path: Path, prefect_server: str, no_installed_catalog: None, monkeypatch: pytest.MonkeyPatch
) -> Lab:
    monkeypatch.delenv("ASSAY_DATA_ROOT", raising=False)
    lab = Lab(tmp_path)
    lab.add_texts("words", 4)
    monkeypatch.setenv("ASSAY_HOME", str(lab.home))
    monkeypatch.chdir(tmp_path)
    return lab


@pytest.fixture
def run(lab: Lab) -> EvaluationResult:
    return lab.evaluate("words")


@pytest.fixture
def from_elsewhere(
    lab: Lab, run: EvaluationResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Spoiled:
    """Makes the run one of somebody else, who has written more into its request."""
    elsewhere = tmp_path / "theirs"
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "my home"))

    def make(**keys: object) -> Path:
        shutil.copytree(str(run.folder), elsewhere)
        spec = yaml.safe_load((elsewhere / "spec.yaml").read_text())
        (elsewhere / "spec.yaml").write_text(yaml.safe_dump({**spec, **keys}))
        return elsewhere

    return make


def flags(lab: Lab) -> list[str]:
    return [
        f"--store={lab.home / 'responses.sqlite'}",
        f"--data-root={lab.data}",
        f"--include-path={lab.tasks}",
    ]


def test_a_run_that_was_moved_still_is_ones_own(lab: Lab, run: EvaluationResult, tmp_path: Path) -> None:
    shutil.move(str(run.folder), tmp_path / "moved")
    assert main([str(tmp_path / "moved")]) == 0


def test_a_run_of_others_is_scored_with_what_flags_say(lab: Lab, from_elsewhere: Spoiled) -> None:
    assert main([str(from_elsewhere()), *flags(lab)]) == 0


@pytest.mark.parametrize("missing", ["--data-root", "--include-path", "--store"])
def test_what_only_the_user_may_say_is_named_as_flags(
    lab: Lab, from_elsewhere: Spoiled, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    folder = from_elsewhere(store=str(lab.home / "responses.sqlite"))
    assert main([str(folder), *(flag for flag in flags(lab) if not flag.startswith(missing))]) == 2
    said = capsys.readouterr().err
    assert "counts only if you say it, too" in said
    assert f"rescore.py {folder} {missing} " in said
    assert len(said.splitlines()) == 2


def test_its_model_is_opened_for_its_chat_template_only_where_the_user_says_it(
    lab: Lab, from_elsewhere: Spoiled, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = from_elsewhere(apply_chat_template=True, model="custom:antigravity:Model")
    assert main([str(folder), *flags(lab)]) == 2
    assert "--model custom:antigravity:Model" in capsys.readouterr().err
    assert "antigravity" not in sys.modules


def test_its_python_runs_only_where_the_user_trusts_it(
    lab: Lab, from_elsewhere: Spoiled, capsys: pytest.CaptureFixture[str]
) -> None:
    (lab.tasks / "code.py").write_text(TRACE)
    task = (lab.tasks / "words.yaml").read_text()
    (lab.tasks / "words.yaml").write_text(f"{task}process_results: !function code.asked\n")
    folder = from_elsewhere(trust_task_code=True, include_path=[str(lab.tasks)])
    assert main([str(folder), *flags(lab)]) == 2
    assert "--trust-task-code" in capsys.readouterr().err
    assert not (lab.tasks / "ran").exists()


def test_it_says_not_where_anything_is_written(lab: Lab, from_elsewhere: Spoiled, tmp_path: Path) -> None:
    named = {"output": str(tmp_path / "there"), "sinks": [f"tensorboard:{tmp_path / 'board'}"]}
    before = set(tmp_path.iterdir())
    folder = from_elsewhere(**named)
    assert main([str(folder), *flags(lab)]) == 0
    assert {"there", "board"}.isdisjoint(path.name for path in set(tmp_path.iterdir()) - before)


def test_the_rights_of_ones_own_run_are_those_that_it_was_given(
    lab: Lab, run: EvaluationResult, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = Path(str(run.folder)) / "spec.yaml"
    content: dict[str, Any] = yaml.safe_load(spec.read_text())
    spec.write_text(yaml.safe_dump({**content, "limit": 2}))
    assert main([str(run.folder)]) == 0
    spec.write_text(yaml.safe_dump({**content, "trust_task_code": True}))
    assert main([str(run.folder)]) == 2
    assert "is no run of this home, or was asked otherwise" in capsys.readouterr().err


def test_a_check_of_its_numbers_opens_no_store_that_it_names(
    lab: Lab, from_elsewhere: Spoiled, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "theirs.sqlite"
    store.write_bytes(b"not of ours")
    folder = from_elsewhere(store=str(store))
    assert main(["--check", str(folder)]) == 0
    assert str(store) not in capsys.readouterr().out
    assert main(["--check", str(folder), "--store", str(store)]) == 1
    assert str(store) in capsys.readouterr().out
