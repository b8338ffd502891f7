"""What users say of a model that an inference engine runs: the same for vLLM, its server and SGLang's."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

from backends.model_string import as_json


class EngineOptions(BaseModel):
    """Which weights are loaded, and how. What is not said is left to the engine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dtype: str = Field("auto", description="of weights and arithmetic; `auto`: what the configuration says")
    max_length: int | None = Field(
        None, ge=2, description="tokens the model reads at once; by default two less than its configuration"
    )
    tensor_parallel_size: int = Field(1, ge=1, description="GPUs that share each layer")
    pipeline_parallel_size: int = Field(1, ge=1, description="GPUs that share the layers")
    gpu_memory_utilization: float | None = Field(None, gt=0, le=1, description="share of each GPU's memory")
    quantization: str | None = Field(None, description="how weights are kept, where the model does not say")
    lora: str | None = Field(None, description="folder or hub id of an adapter")
    revision: str | None = Field(None, description="branch, tag or commit of a hub model")
    trust_remote_code: bool = Field(False, description="whether Python code of the model may run")
    enforce_eager: bool = Field(False, description="start sooner and answer slower: no compiled graphs")
    add_bos_token: bool | None = Field(
        None, description="whether a text starts with BOS, if not what the tokenizer says"
    )


class VLLMOptions(EngineOptions):
    """Of vLLM in this process."""

    engine_args: Annotated[dict[str, JsonValue], BeforeValidator(as_json)] = Field(
        {}, description='JSON object of further arguments of vLLM\'s `EngineArgs`: {"max_num_seqs": 64}'
    )
