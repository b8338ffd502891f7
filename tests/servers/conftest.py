"""Real servers, for the tests of this folder."""

from tests.servers.fixtures import llama_cpp_url, tiny_model, transformers_url, vllm_url

__all__ = ["llama_cpp_url", "tiny_model", "transformers_url", "vllm_url"]
