"""What users say of a model that is asked in batches."""

from typing import Literal, Self

from pydantic import Field, model_validator

from backends.calls.endpoint_options import EndpointOptions

# What is about calls that are answered at once, or about waiting for them.
_OF_SINGLE_CALLS = (
    "max_concurrency",
    "requests_per_minute",
    "tokens_per_minute",
    "give_up_after",
    "stream",
    "tokenizer",
    "max_length",
)


class BatchOptions(EndpointOptions):
    """How batches are handed in and waited for. `max_tries` counts the batches that a request is in, too."""

    poll: float = Field(30.0, gt=0, description="seconds between two looks at a batch")
    completion_window: Literal["24h"] = Field(
        "24h", description="within which a batch is answered or expires"
    )

    @model_validator(mode="after")
    def _only_what_batches_have(self) -> Self:
        for name in _OF_SINGLE_CALLS:
            if name in self.model_fields_set:
                raise ValueError(f"{name} is of single calls; a batch has no such thing")
        return self
