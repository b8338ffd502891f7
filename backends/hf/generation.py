"""Text that goes on from a prompt until a stop sequence, by lm-eval's rules.

ModelSource of the rules: lm-evaluation-harness 0.4.13, `HFLM.generate_until` and `_model_generate`.
"""

import copy
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import takewhile
from typing import Any, Literal

import numpy as np
import torch
from transformers import LogitsProcessorList, StoppingCriteriaList
from transformers.generation import GenerationMode

from backends.errors import BackendError
from backends.hf.batching import Batches, auto_tokens, is_out_of_memory
from backends.hf.broken import why_broken
from backends.hf.drawing import OwnDraws, drawing_by, seed_of
from backends.hf.proofs import CODE_ERRORS, ProofMemory, Prover, Way
from backends.hf.rounding import Values, beyond_rounding
from backends.hf.trial import TrialTexts
from backends.model_files.decoding import EndsAfterThinking, EndsWithStop, NotNumbers, Texts, Writes
from backends.model_files.tokenization import CutText, Tokenization, Tokens, too_long
from backends.requests import Request, Response, of_batch
from backends.text.generated import generated
from backends.text.generation_settings import Settings

REQUESTS_PER_BATCH = 64
# Tokens that are written, and looked at in each place, to try a way.
_STEPS = 2
_LOOKED_AT = 32


@dataclass(frozen=True, slots=True)
class Prompt:
    """The tokens of a request by its position."""

    number: int
    tokens: Tokens
    digest: str = field(repr=False)
    cut: int = 0


class Generations:
    """Generates with a model of transformers, several texts at a time where that is right for it.

    name: the model's. model: a causal language model in evaluation mode.
    batch_size: prompts in a batch; `auto` goes by tokens and the device's memory.
    texts, memory: on what it is tried which way is right, and where that is remembered.
    """

    def __init__(
        self,
        name: str,
        model: Any,
        tokenization: Tokenization,
        batch_size: int | Literal["auto"],
        texts: TrialTexts,
        memory: ProofMemory,
    ) -> None:
        self.name = name
        self.model = model
        self.tokenization = tokenization
        self.tokenizer = tokenization.tokenizer
        self.batch_size = batch_size
        self._texts = texts
        self.prover = Prover(name, "writing", memory, ("padded", "alone", "plain"), self._difference)

    def texts(
        self, requests: Sequence[tuple[int, Request]], settings: Settings, *, refuses_cut: bool = False
    ) -> Iterator[list[tuple[int, Response]]]:
        """Answers to requests of the same settings, by their numbers, in batches, longest prompts first.

        refuses_cut: as of `AskContext`.
        """
        room = self.tokenization.max_length - settings.max_tokens
        if room < 1:
            raise BackendError(
                f"max_gen_toks={settings.max_tokens} leaves no room for a prompt in the model's max_length "
                f"of {self.tokenization.max_length}; lower max_gen_toks"
            )
        tokens = self.tokenization.encode(request.prompt_text for _, request in requests)
        prompts = []
        for number, request in requests:
            fitting = CutText.of(tokens[request.prompt_text] or (self.tokenization.prefix,), room)
            if fitting.cut and refuses_cut:
                yield [(number, Response(status="failed", error=too_long(fitting.cut).reason))]
            else:
                prompts.append(Prompt(number, fitting.tokens, request.digest(), fitting.cut))
        if not prompts:
            return
        prompts.sort(key=lambda prompt: len(prompt.tokens), reverse=True)
        most = auto_tokens(self.model, cached=True)
        way = self.way_for(len(prompts[0].tokens) + settings.max_tokens)
        may_share = way == "padded" and not (
            settings.do_sample and self._mode(settings) != GenerationMode.SAMPLE
        )
        batches = Batches[Prompt](lambda batch: may_share and self._fits(batch, settings, most))
        with self._going(way):
            yield from batches.answers(prompts, lambda batch: self._generate(batch, settings))

    def way_for(self, length: int) -> Way:
        """How texts are asked that have up to so many tokens with what is written."""
        return self.prover.way_for(self._texts.tried_length(length))

    def _fits(self, prompts: Sequence[Prompt], settings: Settings, most: int) -> bool:
        if self.batch_size != "auto":
            return len(prompts) <= self.batch_size
        width = max(len(prompt.tokens) for prompt in prompts) + settings.max_tokens
        # What is generated is read a token at a time, so that more prompts fit than when all is read at once.
        return len(prompts) <= REQUESTS_PER_BATCH and len(prompts) * width <= 4 * most

    @torch.inference_mode()
    def _generate(self, prompts: Sequence[Prompt], settings: Settings) -> list[tuple[int, Response]]:
        began = time.perf_counter()
        inputs = self._inputs([prompt.tokens for prompt in prompts])
        width = inputs["input_ids"].shape[1]
        ends = self._end_tokens(settings)
        watch = NotNumbers(len(prompts), width)
        stopping = self._stopping(settings, width)
        seeds = [seed_of(prompt.digest, settings.seed) for prompt in prompts]
        mode = self._mode(settings)
        own_draws = {"custom_generate": drawing_by(OwnDraws(seeds))} if mode == GenerationMode.SAMPLE else {}
        with torch.random.fork_rng(devices=self._gpus(), enabled=settings.do_sample):
            if settings.do_sample:
                torch.manual_seed(seeds[0])  # for ways of drawing in which a request is asked by itself
            written = self._call(
                **inputs,
                max_new_tokens=settings.max_tokens,
                do_sample=settings.do_sample,
                stopping_criteria=StoppingCriteriaList([stopping]),
                logits_processor=LogitsProcessorList([watch]),
                eos_token_id=ends or None,
                **own_draws,
                **{name: value for name, value in settings.options.items() if name != "eos_token_id"},
            )
        rows = written[:, width:].tolist()
        are_prompts = mode in (GenerationMode.SAMPLE, GenerationMode.GREEDY_SEARCH)  # and no beams
        stopped = stopping.lengths if are_prompts else self._lengths_to_stop(rows, settings)
        responses = [
            self._response(prompt, row, ends, stopped.get(place), settings, watch.first.get(place))
            for place, (prompt, row) in enumerate(zip(prompts, rows, strict=True))
        ]
        timed = of_batch(responses, time.perf_counter() - began)
        return [(prompt.number, response) for prompt, response in zip(prompts, timed, strict=True)]

    def _inputs(self, prompts: Sequence[Tokens]) -> dict[str, Any]:
        """Prompts padded on the left, as `generate` takes them."""
        pad = self._pad
        width = max(map(len, prompts))
        tokens = [[pad] * (width - len(prompt)) + list(prompt) for prompt in prompts]
        mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        return {
            "input_ids": torch.tensor(tokens, device=self.model.device),
            "attention_mask": torch.tensor(mask, device=self.model.device),
            "pad_token_id": pad,
            "use_cache": True,
        }

    @property
    def _pad(self) -> int:
        """A token that the model has an embedding of; what is padded is masked."""
        pad: int = self.tokenizer.pad_token_id or 0
        known = self.tokenization.embeddings
        return pad if known is None or pad < known else 0

    def _call(self, **arguments: Any) -> torch.Tensor:
        try:
            written: torch.Tensor = self.model.generate(**arguments)
        except ValueError as error:
            raise BackendError(f"transformers refuses these generation parameters: {error}") from error
        return written

    def _response(
        self,
        prompt: Prompt,
        row: list[int],
        ends: list[int],
        stopped: int | None,
        settings: Settings,
        broken_from: int | None,
    ) -> Response:
        """stopped: the tokens after which a stop sequence ended the row, if one did; padding follows them.
        broken_from: the first of the tokens whose logits were no numbers, if there is one."""
        end = next((length for length, token in enumerate(row, start=1) if token in ends), None)
        lengths = [length for length in (end, stopped) if length is not None]
        tokens = row[: min(lengths, default=len(row))]
        if broken_from is not None and broken_from < len(tokens):
            return Response(status="failed", error=why_broken(self.name, self.model))
        text = Texts(self.tokenizer, settings.mark).of(tokens, with_special=False)
        written = generated(
            text,
            settings,
            is_complete=bool(lengths) or len(row) < settings.max_tokens,
            tokens_in=len(prompt.tokens),
            tokens_out=len(tokens),
        )
        return replace(written, prompt_cut=prompt.cut) if prompt.cut else written

    def _lengths_to_stop(self, rows: Sequence[list[int]], settings: Settings) -> dict[int, int]:
        """Of rows that beams led to: the tokens up to a stop sequence, or to the padding at the end."""

        def has_stopped(length: int) -> bool:
            text = self.tokenizer.decode(row[:length])
            return any(stop in text for stop in settings.stops)

        lengths, pad = {}, self._pad
        for place, row in enumerate(rows):
            length = bisect_left(range(len(row)), True, key=has_stopped)
            if not has_stopped(length):
                length = len(row) - len(list(takewhile(lambda token: token == pad, reversed(row))))
            if length < len(row):
                lengths[place] = length
        return lengths

    def _mode(self, settings: Settings) -> GenerationMode:
        """How transformers searches, by the model's generation configuration and what is asked."""
        config = copy.deepcopy(self.model.generation_config)
        config.do_sample = settings.do_sample
        for name, value in settings.options.items():
            setattr(config, name, value)
        return config.get_generation_mode()

    def _stopping(self, settings: Settings, width: int) -> EndsWithStop | EndsAfterThinking:
        if settings.mark:
            return EndsAfterThinking(settings.mark, settings.stops, self.tokenizer, width)
        return EndsWithStop(settings.stops, self.tokenizer, width)

    def _end_tokens(self, settings: Settings) -> list[int]:
        """The tokens that end a text: those asked for, else the model's and the tokenizer's."""
        declared = settings.options.get("eos_token_id", self.model.generation_config.eos_token_id)
        ends = list(declared) if isinstance(declared, (list, tuple)) else [declared]
        return list(dict.fromkeys(end for end in (*ends, self.tokenizer.eos_token_id) if end is not None))

    def _difference(self, way: Way, length: int) -> float | None:
        """See `Prover`: of the log-probabilities of what may be written next."""
        for size in self._texts.lengths(length):
            prompts = self._texts.prompts(size - _STEPS)
            truth = [self._truth(prompt) for prompt in prompts]
            if not any(np.isfinite(values).any() for values in truth):
                raise BackendError(why_broken(self.name, self.model))
            got = self._tried(way, prompts)
            off = beyond_rounding(self.model, got, truth, partial(self._again, prompts))
            if off is not None:
                return off
        return None

    def _again(self, prompts: Sequence[Tokens], number: int) -> Values:
        return self._truth(prompts[number])

    def _truth(self, prompt: Tokens) -> Values:
        """Log-probabilities of some tokens in each of the places that follow a prompt, the same text being
        written, by forward passes over all before."""
        (values,) = Batches[Tokens](lambda _: False).answers([prompt], self._plainly)
        return values

    @torch.inference_mode()
    def _plainly(self, prompts: Sequence[Tokens]) -> Values:
        (prompt,), written = prompts, self._texts.some(_STEPS)
        texts = [[(*prompt, *written[:step])] for step in range(_STEPS)]
        device = self.model.device
        said = [self.model(input_ids=torch.tensor(text, device=device)).logits[:, -1] for text in texts]
        return self._looked_at(said)[0]

    def _tried(self, way: Way, prompts: Sequence[Tokens]) -> list[Values]:
        """The same by `generate`, for prompts together or each by itself; infinite where it fails."""
        batches = [prompts] if way == "padded" and self.batch_size != 1 else [[one] for one in prompts]
        try:
            return [values for batch in batches for values in self._next(batch)]
        except CODE_ERRORS as error:
            if is_out_of_memory(error):
                raise
            return [np.full(_STEPS * _LOOKED_AT, np.inf) for _ in prompts]

    @torch.inference_mode()
    def _next(self, prompts: Sequence[Tokens]) -> list[Values]:
        inputs = self._inputs(prompts)
        said = self.model.generate(
            **inputs,
            max_new_tokens=_STEPS,
            do_sample=False,
            num_beams=1,
            logits_processor=LogitsProcessorList(
                [Writes(self._texts.some(_STEPS), inputs["input_ids"].shape[1])]
            ),
            return_dict_in_generate=True,
            output_logits=True,
        )
        return self._looked_at(said.logits)

    def _looked_at(self, logits: Sequence[torch.Tensor]) -> list[Values]:
        """By text, the log-probabilities of some tokens in each of the places."""
        logprobs = torch.stack([place.double().log_softmax(-1) for place in logits], dim=1)
        return list(logprobs[:, :, list(self._texts.some(_LOOKED_AT))].flatten(1).cpu().numpy())

    @contextmanager
    def _going(self, way: Way) -> Iterator[None]:
        """The model as it is asked by a way: plain, `generate` gives it nothing but the text so far."""
        if way != "plain":
            yield
            return
        self.model.prepare_inputs_for_generation = _text_alone
        try:
            yield
        finally:
            del self.model.prepare_inputs_for_generation

    def _gpus(self) -> list[int]:
        return [self.model.device.index or 0] if self.model.device.type == "cuda" else []


def _text_alone(
    input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **kwargs: object
) -> dict[str, Any]:
    """What a model is given of all that `generate` has for it, which looks at these names."""
    return {"input_ids": input_ids}
