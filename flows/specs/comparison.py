"""`ComparisonSpec`: the one description of a comparison, behind flags, form and Python call."""

from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field, field_validator

from flows.specs.evaluation import Output, names
from flows.specs.form import as_form
from flows.specs.no_keys import NoKeys
from flows.storage.files import Place


class ComparisonSpec(NoKeys):
    """Runs to compare, each with the first."""

    model_config = ConfigDict(json_schema_extra=as_form)

    places = ("runs", "output")

    runs: list[Output] = Field(
        min_length=2, description="folders of finished runs; each is compared with the first"
    )
    tasks: Annotated[list[str], BeforeValidator(names)] = Field(
        default_factory=list,
        description="only these tasks and groups, by name or wildcard, separated by commas",
    )
    flips: int = Field(
        default=0, ge=0, description="how many documents to name whose score of 0 or 1 changed, by metric"
    )
    output: Output | None = Field(
        default=None, description="file to write too, also in a bucket: .json (all of it) or .csv"
    )

    @field_validator("output")
    @classmethod
    def _known_format(cls, output: Place | None) -> Place | None:
        if output is not None and output.suffix not in (".json", ".csv"):
            raise ValueError("the file's name ends in .json or .csv")
        return output
