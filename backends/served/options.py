"""What users say of a server that is started for them, beside what they say of the model."""

import json
import sys
from typing import Annotated

from pydantic import BeforeValidator, Field, JsonValue

from backends.model_files.engine_options import EngineOptions
from backends.model_string import as_json


class ServerOptions(EngineOptions):
    """How the server is started."""

    python: str = Field(sys.executable, description="interpreter of the environment that has the server")
    server_args: Annotated[dict[str, JsonValue] | list[str], BeforeValidator(as_json)] = Field(
        {}, description='more of its arguments: {"max-num-seqs": 64}, or a list as on its command line'
    )
    start_timeout: float = Field(900.0, gt=0, description="seconds that it may take to get ready")
    data_parallel_size: int = Field(1, ge=1, description="copies of the model")

    @property
    def more_arguments(self) -> list[str]:
        """`server_args` as on a command line."""
        if isinstance(self.server_args, list):
            return self.server_args
        return flags(self.server_args)


def flags(arguments: dict[str, JsonValue]) -> list[str]:
    """Named values as a command line has them: one that is true is its name alone, false and null are left
    out, objects are JSON, and a list's members follow one another."""
    line: list[str] = []
    for name, value in arguments.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            line.append(flag)
        elif isinstance(value, list):
            line += [flag, *map(_written, value)]
        elif value is not None and value is not False:
            line.append(f"{flag}={_written(value)}")
    return line


def _written(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value)
