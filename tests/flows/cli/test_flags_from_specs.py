"""Flags: their sections, choices and how their values are written."""

import pytest

from flows.cli.evaluate_command import parser, read_arguments
from flows.cli.exit_statuses import FAILED, GO_ON, WRONG, ended
from flows.common.errors import PublishError, ResultError, SpecError
from flows.specs.evaluation import EvaluationSpec

HELP = parser().format_help()


def test_every_flag_stands_below_a_section_of_the_form() -> None:
    first = HELP.index("\nModel:\n")
    for name in EvaluationSpec.model_fields:
        assert HELP.rindex(f"  --{name.replace('_', '-')}") > first, name
    titles = [line[:-1] for line in HELP[first:].splitlines() if line.endswith(":") and line[0] != " "]
    assert titles[:3] == ["Model", "Tasks", "Asking"]


def test_a_value_is_shown_as_it_is_written() -> None:
    for said in (
        "--limit NUMBER",
        "--seed N",
        "--batch-size N|auto",
        "--gen-kwargs KEY=VALUE,...",
        "{stop,pause}",
    ):
        assert said in HELP


def test_a_choice_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(SpecError, match=r"--on-stop: invalid choice: 'halt'.*stop.*pause"):
        read_arguments(["--on-stop", "halt"])


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (SpecError("--x: no"), WRONG, "error: --x: no\n"),
        (ResultError("disk full"), FAILED, f"error: disk full\n{GO_ON}\n"),
        (PublishError("away"), WRONG, "error: away\n"),
    ],
)
def test_a_command_ends_with_a_message_and_a_status(
    error: Exception, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> int:
        raise error

    assert ended(work, failures=(ResultError,), goes_on=True) == status
    assert capsys.readouterr().err == said
