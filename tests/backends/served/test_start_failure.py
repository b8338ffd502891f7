"""The reason why an engine did not start is found in what it wrote."""

import pytest

from backends.served.start_failure import reason_in

PREFIX = "(EngineCore pid=7) ERROR 11-24 07:16:23 [core.py:900]"
ROOT = f"""{PREFIX} EngineCore failed to start.
{PREFIX} Traceback (most recent call last):
{PREFIX}   File "worker.py", line 3, in load
{PREFIX} safetensors.SafetensorError: file not fully covered
Traceback (most recent call last):
RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {{}}"""
REFUSED = """pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig
  Value error, max_model_len (5002) is greater than 2048 [type=value_error, input_type=ArgsKwargs]
    For further information visit https://errors.example"""
REFUSED_FIELD = """ValidationError: 1 validation error for ModelConfig
dtype
  Input should be 'auto' or 'half' [type=literal_error, input_value='float99', input_type=str]"""


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (ROOT, "SafetensorError: file not fully covered"),
        (REFUSED, "ValidationError: max_model_len (5002) is greater than 2048"),
        (REFUSED_FIELD, "ValidationError: dtype: Input should be 'auto' or 'half'"),
        ("usage: api_server.py\napi_server.py: error: unrecognized arguments: --x", "error: unrecognized "),
        ("a\nb\nc\nKilled", "b\nc\nKilled"),
        ("RuntimeError: See root cause above", "RuntimeError: See root cause above"),
        (" \n", "it said nothing"),
    ],
)
def test_the_first_error_that_is_not_about_another_is_the_reason(output: str, reason: str) -> None:
    assert reason_in(output).startswith(reason)
    assert len(reason_in(output + "!" * 5000)) <= 300
