"""The `hf` backend: a causal language model of transformers, in this process."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from backends.answer_faults import checked
from backends.chat import ChatMessage
from backends.errors import BackendError
from backends.identity import fingerprint_key
from backends.model_files.architecture import check_decoder, check_files
from backends.model_files.chat_template import rendered_chat, rendered_requests, template_of
from backends.model_files.fingerprint import (
    BEHAVIOUR,
    Digests,
    adapter_identity,
    declared_dtype,
    model_identity,
)
from backends.model_files.source import ModelSource, locate
from backends.protocol import AskContext, Batch, Capabilities, kind_by_kind
from backends.requests import ALL_KINDS, Request, RequestKind, Response, of_batch
from backends.text.generation_settings import settings_of
from backends.text.rolling import sums

if TYPE_CHECKING:
    from backends.hf.generation import Generations
    from backends.hf.loglikelihood import LogLikelihoods
    from backends.hf.proofs import ProofMemory
    from backends.hf.trial import TrialTexts
    from backends.model_files.tokenization import Query, Tokenization, Unanswerable

# Another one where a request's seed would lead to another text than before.
DRAWING = "each text by numbers of its own"
# Windows of rolling log-likelihoods that are worked on together.
WINDOWS_AT_ONCE = 64


class HFBackend:
    """Any causal language model in a local folder or on the hub.

    name: the folder, or a hub id.
    home: a folder where digests of weight files are remembered, and what was found out of the model; without
        it both are read, and found out, at each start.
    batch_size: distinct prompts in a forward pass; `auto` goes by tokens and memory. A batch that does
        not fit is halved.
    dtype: of weights and arithmetic; `auto` is what the model's configuration says.
    device: `cpu`, `cuda`, `cuda:1`, `mps`; without it the first GPU, Apple's, or the CPU.
    revision: branch, tag or commit of a hub model.
    trust_remote_code: whether Python code that comes with the model may run.
    peft: folder or hub id of an adapter.
    max_length: tokens the model reads at once, if not what its configuration says.
    add_bos_token: whether a text starts with BOS, if not what the tokenizer says.
    attn_implementation: the attention kernel (`eager`, `sdpa`, `flash_attention_2`, ...). Those that take no
        mask of ours cannot share what choices have in common and are slower for them.
    """

    def __init__(
        self,
        name: str,
        *,
        home: Path | None = None,
        batch_size: int | Literal["auto"] = "auto",
        dtype: str = "auto",
        device: str | None = None,
        revision: str | None = None,
        trust_remote_code: bool = False,
        peft: str | None = None,
        max_length: int | None = None,
        add_bos_token: bool | None = None,
        attn_implementation: str | None = None,
    ) -> None:
        if batch_size != "auto" and batch_size < 1:
            raise BackendError(f"{name}: batch_size={batch_size}; give `auto` or at least 1")
        self.name = name
        self.batch_size = batch_size
        self.dtype = dtype
        self.device = device
        self.revision = revision
        self.trust_remote_code = trust_remote_code
        self.peft = peft
        self.max_length = max_length
        self.add_bos_token = add_bos_token
        self.attn_implementation = attn_implementation
        self._home = home
        self._digests = Digests(home)

    @cached_property
    def source(self) -> ModelSource:
        """Where the model's files are. Raises BackendError also for an encoder-decoder."""
        source = locate(self.name, self.revision)
        check_files(source)
        return source

    @cached_property
    def adapter(self) -> ModelSource | None:
        """Where the adapter's files are."""
        return locate(self.peft, None, "adapter_config.json") if self.peft else None

    @cached_property
    def config(self) -> Any:
        from backends.model_files.loading import load_config

        config = load_config(self.source, trust_remote_code=self.trust_remote_code)
        check_decoder(self.name, config.to_dict())  # which has what its class takes for granted
        return config

    @cached_property
    def tokenizer(self) -> Any:
        from backends.model_files.loading import load_tokenizer

        return load_tokenizer(
            self.source, trust_remote_code=self.trust_remote_code, add_bos_token=self.add_bos_token
        )

    @cached_property
    def model(self) -> Any:
        """The model itself: reads the weights."""
        from backends.model_files.loading import load_model, pick_device, require_packages

        require_packages()
        return load_model(
            self.source,
            self.adapter,
            config=self.config,
            dtype=self.dtype,
            device=pick_device(self.device),
            trust_remote_code=self.trust_remote_code,
            attn_implementation=self.attn_implementation,
        )

    def load(self, kinds: Collection[RequestKind]) -> None:
        _ = self._tokenization, self.model

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            ALL_KINDS, chat_template=True, thinking=True, stands=self._stands, drawing=DRAWING
        )

    @cached_property
    def fingerprint(self) -> Mapping[str, str]:
        return {
            "backend": "hf",
            "behaviour": BEHAVIOUR,
            **model_identity(self.source, self._digests, with_code=self.trust_remote_code),
            "adapter": adapter_identity(self.adapter, self._digests) if self.adapter else "none",
            "dtype": self._resolved_dtype,
            "max_length": "default" if self.max_length is None else str(self.max_length),
            "add_bos_token": "default" if self.add_bos_token is None else str(self.add_bos_token),
        }

    def ask(self, requests: Sequence[Request], context: AskContext) -> Iterator[Batch]:
        answers = partial(self._answers, refuses_cut=context.refuses_cut)
        return kind_by_kind(rendered_requests(requests, self.apply_chat_template), answers)

    def chat_template(self) -> str | None:
        return template_of(self.tokenizer, self.name)

    def apply_chat_template(self, messages: Sequence[ChatMessage], *, continue_final: bool) -> str:
        return rendered_chat(self.tokenizer, self.name, messages, continue_final=continue_final)

    def describe(self) -> Mapping[str, Any]:
        from importlib.metadata import version

        from backends.model_files.generation_defaults import generation_config, library_defaults

        return {
            "backend": "hf",
            "name": self.name,
            "revision": self.source.commit,
            "adapter": self.peft,
            "num_parameters": int(self._outline.num_parameters()),
            "dtype": self._resolved_dtype,
            "max_length": self._tokenization.max_length,
            "generation_config": generation_config(self.source, self.config),
            "generation_defaults": library_defaults(),
            "pad_token": self.tokenizer.pad_token,
            "eos_token": self.tokenizer.eos_token,
            "bos_token": self.tokenizer.bos_token,
            "torch": version("torch"),
            "transformers": version("transformers"),
        }

    def _stands(self) -> bool:
        """Whether texts may share work as far as the limits that the model's configuration names, as they
        did before it was tried."""
        length = self._trial_texts.beyond_limits
        return self._loglikelihoods.prover.trusts(length) and self._generations.prover.trusts(length)

    def _answers(
        self, kind: RequestKind, requests: Sequence[Request], *, refuses_cut: bool
    ) -> Iterator[Batch]:
        from backends.model_files.tokenization import answerable

        match kind:
            case "loglikelihood":
                return self._scores(answerable(self._tokenization.queries(requests), refuses_cut))
            case "loglikelihood_rolling":
                return self._rolling_scores(requests)
            case "generate_until":
                return self._texts(requests, refuses_cut)

    def _scores(self, asked: "Sequence[Query | Unanswerable]") -> Iterator[Batch]:
        """Log-likelihoods by the position of what is asked; what cannot be asked has a failure at once."""
        from backends.model_files.tokenization import Query, Unanswerable

        refused = [
            (position, Response(status="failed", error=one.reason))
            for position, one in enumerate(asked)
            if isinstance(one, Unanswerable)
        ]
        if refused:
            yield refused
        queries = [(position, one) for position, one in enumerate(asked) if isinstance(one, Query)]
        for scores in self._loglikelihoods.scores([query for _, query in queries]):
            own = [queries[score.number] for score in scores]
            answers = [
                self._checked(
                    Response(
                        logprob=score.logprob,
                        is_greedy=score.is_greedy,
                        tokens_in=query.length,
                        prompt_cut=query.cut,
                    )
                )
                for score, (_, query) in zip(scores, own, strict=True)
            ]
            timed = of_batch(answers, scores[0].seconds)
            yield [(position, response) for (position, _), response in zip(own, timed, strict=True)]

    def _checked(self, response: Response) -> Response:
        """The response, failed, with what is wrong with the model, where it is no log-likelihood."""
        found = checked(response)
        return found if found.is_scorable else replace(found, error=self._why_broken)

    @cached_property
    def _why_broken(self) -> str:
        from backends.hf.broken import why_broken

        return why_broken(self.name, self.model)

    def _rolling_scores(self, requests: Sequence[Request]) -> Iterator[Batch]:
        owners: list[int] = []
        windows: list[Query] = []
        for number, request in enumerate(requests):
            own = self._tokenization.windows(request.prompt_text)
            if not own:
                yield [(number, Response(logprob=0.0))]
            windows += own
            owners += [number] * len(own)
            if len(windows) >= WINDOWS_AT_ONCE or (windows and number == len(requests) - 1):
                yield from sums(requests, owners, self._scores(windows))
                owners, windows = [], []

    def _texts(self, requests: Sequence[Request], refuses_cut: bool) -> Iterator[Batch]:
        groups: dict[str, list[tuple[int, Request]]] = {}
        for number, request in enumerate(requests):
            key = json.dumps(request.generation, sort_keys=True)
            groups.setdefault(key, []).append((number, request))
        for group in groups.values():
            settings = settings_of(group[0][1].generation, eos=self.tokenizer.eos_token)
            yield from self._generations.texts(group, settings, refuses_cut=refuses_cut)

    @cached_property
    def _tokenization(self) -> "Tokenization":
        from backends.model_files.tokenization import Tokenization

        rows = getattr(self.config.get_text_config(decoder=True), "vocab_size", None)
        return Tokenization(self.tokenizer, self._limit, self.add_bos_token, embeddings=rows)

    @property
    def _limit(self) -> int:
        """Tokens the model reads at once. Raises BackendError where its positions do not reach so far."""
        from backends.model_files.position_table import table_limit
        from backends.model_files.tokenization import resolve_max_length

        declared = resolve_max_length(self.config, self.tokenizer)
        table = table_limit(self._outline, declared)
        if table is None:
            return self.max_length or declared
        if self.max_length is not None and self.max_length > table:
            raise BackendError(
                f"{self.name}: max_length={self.max_length}, but the model has positions for {table} tokens; "
                f"give at most max_length={table}, or leave it out"
            )
        return min(self.max_length or declared, table)

    @cached_property
    def _outline(self) -> Any:
        from backends.model_files.loading import model_without_weights

        return model_without_weights(self.config, trust_remote_code=self.trust_remote_code)

    @cached_property
    def _loglikelihoods(self) -> "LogLikelihoods":
        model = self.model  # before the import: says what is missing
        from backends.hf.loglikelihood import LogLikelihoods

        return LogLikelihoods(self.name, model, self.batch_size, self._trial_texts, self._proofs)

    @cached_property
    def _generations(self) -> "Generations":
        model = self.model
        from backends.hf.generation import Generations

        return Generations(
            self.name, model, self._tokenization, self.batch_size, self._trial_texts, self._proofs
        )

    @cached_property
    def _trial_texts(self) -> "TrialTexts":
        from backends.hf.trial import TrialTexts

        return TrialTexts.of(self.model, self._tokenization)

    @cached_property
    def _proofs(self) -> "ProofMemory":
        """What is known of the ways to ask this model, as it computes here."""
        from importlib.metadata import version

        from backends.hf.proofs import ProofMemory

        model = "" if self._home is None else fingerprint_key(self.fingerprint)
        attention = self.model.config.get_text_config(decoder=True)._attn_implementation
        versions = f"torch {version('torch')} transformers {version('transformers')}"
        return ProofMemory(self._home, model, f"{versions} {self.model.device.type} {attention}")

    @property
    def _resolved_dtype(self) -> str:
        if self.dtype != "auto":
            return self.dtype
        return declared_dtype(json.loads((self.source.folder / "config.json").read_text()))
