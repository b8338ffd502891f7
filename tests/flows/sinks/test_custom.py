"""Sinks of one's own, by import path."""

import sys
from pathlib import Path

import pytest

from flows.cli.evaluate_command import main
from flows.cli.publish_command import main as publish_main
from flows.common.errors import SpecError
from flows.evaluate import evaluate
from flows.results.evaluation_result import EvaluationResult
from flows.sinks.registry import open_sink
from flows.specs.evaluation import EvaluationSpec

MODULE = """
from pathlib import Path
from flows.common.errors import PublishError
from flows.sinks.sink import Sink

class Notes(Sink):
    path: Path
    times: int = 1

    def publish(self, result):
        if self.times > 9:
            raise PublishError("that is too often")
        with self.path.open("a") as file:
            file.write(result.folder.name * self.times)
        return str(self.path)

class NoSink: ...
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module with sinks; its name."""
    (tmp_path / "my_notes.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_notes", raising=False)
    return "my_notes"


def test_a_run_is_published_to_it_when_it_is_done_and_again_later(
    module: str, home: Path, prefect_server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sink = f"custom:{module}:Notes?path={tmp_path / 'notes'}"
    keys = {"tasks": "starter_text", "limit": 1, "model": "scripted:hash", "output": tmp_path / "r"}
    result = evaluate(EvaluationSpec.model_validate({**keys, "sinks": sink}))
    assert (tmp_path / "notes").read_text() == result.folder.name
    assert publish_main([str(result.folder), "--to", f"{sink}&times=2"]) == 0
    assert capsys.readouterr().out == f"published: {tmp_path / 'notes'}\n"
    assert (tmp_path / "notes").read_text() == result.folder.name * 3
    assert publish_main([str(result.folder), "--to", f"{sink}&times=10"]) == 1
    assert "error: that is too often" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("my_notes:Notes", "path: Field required"),
        ("my_notes:Notes?path=a&times=often", "times: Input should be a valid integer"),
        ("my_notes:Notes?path=a&time=2", "my_notes:Notes has no option 'time'; did you mean 'times'"),
        ("my_notes:Note", "my_notes:Note: my_notes has no Note; did you mean 'Notes'"),
        ("my_notess:Notes", "there is no module my_notess; is its folder on PYTHONPATH?"),
        ("my_notes", "'my_notes' is no import path: write package.module:name"),
        ("my_notes:NoSink", "my_notes:NoSink is no sink; a sink is a class below flows.sinks.sink.Sink"),
        ("", "say where to, as custom:my_package.my_module:MySink"),
    ],
)
def test_what_is_wrong_with_it_names_module_and_class(path: str, said: str, module: str) -> None:
    with pytest.raises(SpecError) as error:
        open_sink(f"custom:{path}")
    assert f"custom:{path.split('?')[0]}: " in str(error.value)  # without options: one may be a key
    assert said in str(error.value)


def test_a_wrong_one_is_said_before_anything_is_asked(
    module: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--model", "scripted:hash", "--sinks", f"custom:{module}:Nots"]) == 2
    assert "--sinks: custom:my_notes:Nots: my_notes:Nots: my_notes has no Nots" in capsys.readouterr().err


def test_the_name_of_one_is_its_import_path(module: str, finished: EvaluationResult, tmp_path: Path) -> None:
    sink = open_sink(f"custom:{module}:Notes?path={tmp_path / 'x'}")
    assert sink.name == "my_notes:Notes"
    assert sink.publish(finished) == str(tmp_path / "x")
