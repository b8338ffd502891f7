"""Sinks by their texts: which are known, and what is said at the run's start."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from flows.cli.evaluate_command import main
from flows.sinks.hub import HubSink
from flows.sinks.registry import SINKS, Entry, open_sink
from flows.specs.evaluation import EvaluationSpec
from tests.support.paths import ROOT


def test_a_sink_is_opened_from_its_text() -> None:
    assert open_sink("hub:org/name?public=true&model_card=pr") == HubSink(
        name="org/name", public=True, model_card="pr"
    )


def test_every_kind_of_sink_opens_from_its_example() -> None:
    for kind, entry in SINKS.items():
        assert type(open_sink(entry.example)).__module__ == f"flows.sinks.{kind}"


@pytest.mark.parametrize(
    ("sink", "said"),
    [
        ("hubb:org/name", "did you mean 'hub'"),
        ("hub", "say where to, as hub:"),
        ("hub:name", "a repository is owner/name"),
        ("hub:org/name?publik=true", "did you mean 'public'"),
        ("hub:org/name?public=perhaps", "public: Input should be a valid boolean"),
        ("hub:org/name?public", "write options as key=value"),
        ("hub:org/name?public=true&public=false", "stands there twice"),
    ],
)
def test_a_wrong_sink_is_refused_with_the_way_out(sink: str, said: str) -> None:
    with pytest.raises(ValidationError) as error:
        EvaluationSpec.model_validate({"sinks": sink})
    assert error.value.errors()[0]["loc"] == ("sinks",)
    assert said in str(error.value)


def test_several_sinks_stand_between_commas() -> None:
    spec = EvaluationSpec.model_validate({"sinks": "wandb:project, tensorboard:folder"})
    assert spec.sinks == ["wandb:project", "tensorboard:folder"]


def test_no_package_of_a_sink_is_imported_for_a_run_without() -> None:
    code = (
        "import sys, flows.specs.evaluation, flows.steps.publish; flows.specs.evaluation.EvaluationSpec();"
        f"print([name for name in {[entry.package for entry in SINKS.values()]} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.usefixtures("prefect_server")
def test_a_package_that_is_missing_is_said_before_anything_is_asked(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "flows.sinks.registry.SINKS", {"wandb": Entry("flows.sinks.wandb:WandbSink", "no_such", "wandb", "")}
    )
    asked = tmp_path / "asked"
    flags = ["--model", f"scripted:hash?log={asked}", "--output", str(tmp_path / "results")]
    assert main([*flags, "--sinks", "wandb:project"]) == 2
    assert (
        "wandb:project: needs no_such; install with: pip install 'assay-eval[wandb]'"
        in capsys.readouterr().err
    )
    assert not asked.exists()
