"""The `vllm` backend: a model through vLLM's engine in this process, without a server."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends.chat import ChatMessage
from backends.model_files.chat_template import rendered_requests
from backends.model_files.engine_model import EngineModel
from backends.model_files.engine_options import VLLMOptions
from backends.model_files.tokenization import Query, Unanswerable, answerable, too_long
from backends.protocol import AskContext, Batch, Capabilities, kind_by_kind
from backends.requests import ALL_KINDS, Request, RequestKind, Response
from backends.text.generation_settings import settings_of
from backends.text.rolling import sums

if TYPE_CHECKING:
    from backends.vllm.engine import VLLMEngine

# Raise when the same model, request and options would get another answer than before.
BEHAVIOUR = "1"


class VLLMBackend:
    """Any model that vLLM can load, asked by the rules of the `hf` backend.

    name: its folder, or a hub id. home: where digests of weight files are remembered. seed: of the engine;
    each text that is drawn has one of its own.
    """

    def __init__(self, name: str, *, options: VLLMOptions, home: Path | None = None, seed: int = 0) -> None:
        self._options = options
        self._seed = seed
        self._model = EngineModel(name, options, home)
        self._asked = f"vllm:{name}"

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(ALL_KINDS, chat_template=True, thinking=True)

    @cached_property
    def fingerprint(self) -> Mapping[str, str]:
        """The files and options that decide answers, and all that was passed on to vLLM, which may."""
        arguments = json.dumps(self._options.engine_args, sort_keys=True)
        return {
            "backend": "vllm",
            "behaviour": BEHAVIOUR,
            **self._model.identity,
            "engine_args": arguments,
        }

    def load(self, kinds: Collection[RequestKind]) -> None:
        _ = self._engine

    def ask(self, requests: Sequence[Request], context: AskContext) -> Iterator[Batch]:
        answers = partial(self._answers, refuses_cut=context.refuses_cut)
        return kind_by_kind(rendered_requests(requests, self.apply_chat_template), answers)

    def chat_template(self) -> str | None:
        return self._model.tokens.template

    def apply_chat_template(self, messages: Sequence[ChatMessage], *, continue_final: bool) -> str:
        return self._model.tokens.rendered(messages, continue_final=continue_final)

    def describe(self) -> Mapping[str, Any]:
        from importlib.metadata import version

        return {"backend": "vllm", **self._model.describe(), "transformers": version("transformers")}

    @cached_property
    def _engine(self) -> "VLLMEngine":
        from backends.vllm.engine import VLLMEngine

        return VLLMEngine(self._asked, self._arguments(), self._adapter())

    def _answers(
        self, kind: RequestKind, requests: Sequence[Request], *, refuses_cut: bool
    ) -> Iterator[Batch]:
        match kind:
            case "loglikelihood":
                asked = self._model.tokens.tokenization.queries(requests)
                return self._scores(answerable(asked, refuses_cut))
            case "loglikelihood_rolling":
                return self._rolling_scores(requests)
            case "generate_until":
                return self._texts(requests, refuses_cut)

    def _rolling_scores(self, requests: Sequence[Request]) -> Iterator[Batch]:
        owners: list[int] = []
        windows: list[Query | Unanswerable] = []
        for number, request in enumerate(requests):
            own = self._model.tokens.tokenization.windows(request.prompt_text)
            if not own:
                yield [(number, Response(logprob=0.0))]
            windows += own
            owners += [number] * len(own)
        yield from sums(requests, owners, self._scores(windows))

    def _texts(self, requests: Sequence[Request], refuses_cut: bool) -> Iterator[Batch]:
        from backends.vllm.conversion import AskedText, generation_job, text_of

        tokens, defaults = self._model.tokens, self._engine.sampling_defaults
        asked: list[tuple[int, AskedText, int]] = []
        refused: Batch = []
        jobs = []
        settings = [settings_of(request.generation, eos=tokens.tokenizer.eos_token) for request in requests]
        prompts = tokens.prompts([one.prompt_text for one in requests], [own.max_tokens for own in settings])
        for number, (request, own, prompt) in enumerate(zip(requests, settings, prompts, strict=True)):
            if prompt.cut and refuses_cut:
                refused.append((number, Response(status="failed", error=too_long(prompt.cut).reason)))
                continue
            asked.append((number, AskedText(own, len(prompt.tokens), self._asked), prompt.cut))
            jobs.append(generation_job(request, own, list(prompt.tokens), defaults))
        if refused:
            yield refused
        for outputs in self._engine.outputs(jobs):
            whole: Batch = []
            for position, output in outputs:
                number, text, cut = asked[position]
                whole.append((number, replace(text_of(text, output, tokens.tokenizer), prompt_cut=cut)))
            yield whole

    def _scores(self, asked: Sequence[Query | Unanswerable]) -> Iterator[Batch]:
        """Log-likelihoods by the position of what is asked; what cannot be asked has a failure at once."""
        from backends.vllm.conversion import score_of, scoring_job

        refused = [
            (position, Response(status="failed", error=one.reason))
            for position, one in enumerate(asked)
            if isinstance(one, Unanswerable)
        ]
        if refused:
            yield refused
        queries = [(position, one) for position, one in enumerate(asked) if isinstance(one, Query)]
        for outputs in self._engine.outputs([scoring_job(query) for _, query in queries]):
            scores = [(queries[number], output) for number, output in outputs]
            yield [
                (position, replace(score_of(query, output, self._asked), prompt_cut=query.cut))
                for (position, query), output in scores
            ]

    def _arguments(self) -> dict[str, Any]:
        """Of vLLM's `EngineArgs`; what was not said is left out."""
        options, model = self._options, self._model
        said = {
            "gpu_memory_utilization": options.gpu_memory_utilization,
            "quantization": options.quantization,
        }
        adapted = {"enable_lora": True, "max_lora_rank": model.adapter_rank} if model.adapter else {}
        return {
            "model": model.source.location,
            "revision": model.source.commit,
            "dtype": model.dtype,
            "max_model_len": model.engine_length,
            "tensor_parallel_size": options.tensor_parallel_size,
            "pipeline_parallel_size": options.pipeline_parallel_size,
            "trust_remote_code": options.trust_remote_code,
            "enforce_eager": options.enforce_eager,
            "seed": self._seed,
            "disable_log_stats": False,  # without them an answer has no times
            "use_tqdm_on_load": False,
            **adapted,
            **{name: value for name, value in said.items() if value is not None},
            **options.engine_args,
        }

    def _adapter(self) -> Any:
        if self._model.adapter is None:
            return None
        from vllm.lora.request import LoRARequest

        return LoRARequest("adapter", 1, self._model.adapter.location)
