"""Text that goes on from a prompt until a stop sequence, by lm-eval's rules.

ModelSource of the rules: lm-evaluation-harness 0.4.13, `HFLM.generate_until` and `_model_generate`.
"""

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from transformers import StoppingCriteria, StoppingCriteriaList

from backends.errors import BackendError
from backends.hf.batching import Batches, auto_tokens
from backends.model_files.decoding import EndsAfterThinking, EndsWithStop, Texts
from backends.model_files.tokenization import Tokenization, Tokens
from backends.requests import Request, Response
from backends.text.generated import generated
from backends.text.generation_settings import Settings

REQUESTS_PER_BATCH = 64


@dataclass(frozen=True, slots=True)
class Prompt:
    """The tokens of a request by its position."""

    number: int
    tokens: Tokens
    digest: str = field(repr=False)


class Generations:
    """Generates with a model of transformers.

    model: a causal language model in evaluation mode.
    batch_size: prompts in a batch; `auto` goes by tokens and the device's memory.
    """

    def __init__(self, model: Any, tokenization: Tokenization, batch_size: int | Literal["auto"]) -> None:
        self.model = model
        self.tokenization = tokenization
        self.tokenizer = tokenization.tokenizer
        self.batch_size = batch_size

    def texts(
        self, requests: Sequence[tuple[int, Request]], settings: Settings
    ) -> Iterator[list[tuple[int, Response]]]:
        """Answers to requests of the same settings, by their numbers, in batches, longest prompts first."""
        room = self.tokenization.max_length - settings.max_tokens
        if room < 1:
            raise BackendError(
                f"max_gen_toks={settings.max_tokens} leaves no room for a prompt in the model's max_length "
                f"of {self.tokenization.max_length}; lower max_gen_toks"
            )
        tokens = self.tokenization.encode(request.prompt_text for _, request in requests)
        prompts = [
            Prompt(
                number, (tokens[request.prompt_text] or (self.tokenization.prefix,))[-room:], request.digest()
            )
            for number, request in requests
        ]
        prompts.sort(key=lambda prompt: len(prompt.tokens), reverse=True)
        most = auto_tokens(self.model, cached=True)
        batches = Batches[Prompt](lambda batch: self._fits(batch, settings, most))
        yield from batches.answers(prompts, lambda batch: self._generate(batch, settings))

    def _fits(self, prompts: Sequence[Prompt], settings: Settings, most: int) -> bool:
        if self.batch_size != "auto":
            return len(prompts) <= self.batch_size
        width = max(len(prompt.tokens) for prompt in prompts) + settings.max_tokens
        # What is generated is read a token at a time, so that more prompts fit than when all is read at once.
        return len(prompts) <= REQUESTS_PER_BATCH and len(prompts) * width <= 4 * most

    @torch.inference_mode()
    def _generate(self, prompts: Sequence[Prompt], settings: Settings) -> list[tuple[int, Response]]:
        began = time.perf_counter()
        width = max(len(prompt.tokens) for prompt in prompts)
        pad = self.tokenizer.pad_token_id or 0
        inputs = [[pad] * (width - len(prompt.tokens)) + list(prompt.tokens) for prompt in prompts]
        mask = [[0] * (width - len(prompt.tokens)) + [1] * len(prompt.tokens) for prompt in prompts]
        ends = self._end_tokens(settings)
        with torch.random.fork_rng(devices=self._gpus(), enabled=settings.do_sample):
            if settings.do_sample:
                torch.manual_seed(_seed_of(prompts, settings))
            written = self._call(
                input_ids=torch.tensor(inputs, device=self.model.device),
                attention_mask=torch.tensor(mask, device=self.model.device),
                max_new_tokens=settings.max_tokens,
                do_sample=settings.do_sample,
                stopping_criteria=StoppingCriteriaList([self._stopping(settings, width)]),
                pad_token_id=pad,
                eos_token_id=ends or None,
                use_cache=True,
                **{name: value for name, value in settings.options.items() if name != "eos_token_id"},
            )
        rows = written[:, width:].tolist()
        seconds = time.perf_counter() - began
        return [
            (prompt.number, self._response(prompt, row, ends, settings, seconds))
            for prompt, row in zip(prompts, rows, strict=True)
        ]

    def _call(self, **arguments: Any) -> torch.Tensor:
        try:
            written: torch.Tensor = self.model.generate(**arguments)
        except ValueError as error:
            raise BackendError(f"transformers refuses these generation parameters: {error}") from error
        return written

    def _response(
        self, prompt: Prompt, row: list[int], ends: list[int], settings: Settings, seconds: float
    ) -> Response:
        end = next((i for i, token in enumerate(row) if token in ends), None)
        tokens = row if end is None else row[: end + 1]
        complete = end is not None or len(row) < settings.max_tokens
        text = Texts(self.tokenizer, settings.mark).of(tokens, with_special=False)
        return generated(
            text,
            settings,
            is_complete=complete,
            tokens_in=len(prompt.tokens),
            tokens_out=len(tokens),
            seconds=seconds,
        )

    def _stopping(self, settings: Settings, width: int) -> StoppingCriteria:
        if settings.mark:
            return EndsAfterThinking(settings.mark, settings.stops, self.tokenizer, width)
        return EndsWithStop(settings.stops, self.tokenizer, width)

    def _end_tokens(self, settings: Settings) -> list[int]:
        """The tokens that end a text: those asked for, else the model's and the tokenizer's."""
        declared = settings.options.get("eos_token_id", self.model.generation_config.eos_token_id)
        ends = list(declared) if isinstance(declared, (list, tuple)) else [declared]
        return list(dict.fromkeys(end for end in (*ends, self.tokenizer.eos_token_id) if end is not None))

    def _gpus(self) -> list[int]:
        return [self.model.device.index or 0] if self.model.device.type == "cuda" else []


def _seed_of(prompts: Sequence[Prompt], settings: Settings) -> int:
    """A seed for a batch: another one where the seed, a prompt or its repeat differs."""
    content = "\n".join([str(settings.seed), *(prompt.digest for prompt in prompts)])
    return int.from_bytes(hashlib.sha256(content.encode()).digest()[:7])
