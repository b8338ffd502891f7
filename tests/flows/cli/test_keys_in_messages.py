"""No message repeats a key, wherever it was written."""

import pytest

from flows.cli.evaluate_command import main

KEY = "MARKERQ7Z9"


@pytest.mark.parametrize(
    "argument",
    [
        f"--api-key={KEY}",
        f"--model=openai-chat:m?api_key={KEY}&x",
        f"--model=openai-chat:m?api_key={KEY}&api_key={KEY}",
        f"--model=openai-chat:m?api_key_env={KEY}",
        f"--sinks=hub:o/n?token={KEY}",
        f"--output=http://u:{KEY}@h",
        f"--output=s3://{KEY}:x@b",
        f"--gen-kwargs=api_key={KEY}",
        f"--runner=dask:tcp://u:{KEY}@h",
        f"--store=postgresql://u@h/db?PASSWORD={KEY}",
        f"--store=postgresql://u@h/db#{KEY}",
        f"--fallback=openai-chat:m?base_url=http://u:{KEY}@h",
    ],
)
def test_a_key_in_a_flag_is_refused_and_not_repeated(
    argument: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([argument]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") <= 2
    assert KEY not in said
