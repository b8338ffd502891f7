"""Texts that are drawn: each by numbers of its own, so that none depends on what else is in its batch."""

import hashlib
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import torch
from transformers import LogitsProcessor, LogitsProcessorList


def seed_of(request_digest: str, seed: int) -> int:
    """The seed of one request's text: another one where the run's seed, the prompt or its repeat differs."""
    return int.from_bytes(hashlib.sha256(f"{seed}\n{request_digest}".encode()).digest()[:7])


class OwnDraws(LogitsProcessor):  # type: ignore[misc]
    """Leaves each row the one token that it draws: one number a token, the same on every device.

    seeds: of the rows.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self._numbers = [Random(seed) for seed in seeds]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        precise = torch.float32 if scores.device.type == "mps" else torch.float64
        reached = scores.to(precise).softmax(dim=-1).cumsum(dim=-1)
        whole = reached[:, -1:].contiguous()
        drawn = torch.tensor([[one.random()] for one in self._numbers], dtype=precise, device=scores.device)
        token = torch.searchsorted(reached, drawn * whole, right=True)
        # Rounded, a number may be as large as the whole: then it is the last token that adds to it.
        token = token.minimum(torch.searchsorted(reached, whole))
        return torch.full_like(scores, -torch.inf).scatter(1, token, 0.0)


def drawing_by(draws: OwnDraws) -> Callable[..., Any]:
    """For transformers' `generate(custom_generate=...)`: its sampling, with `draws` after all that changes
    the probabilities."""

    def decode(
        model: Any,
        input_ids: torch.Tensor,
        logits_processor: LogitsProcessorList,
        stopping_criteria: Any,
        generation_config: Any,
        synced_gpus: bool = False,
        streamer: Any = None,
        **model_kwargs: Any,
    ) -> Any:
        return model._sample(
            input_ids,
            logits_processor=LogitsProcessorList([*logits_processor, draws]),
            stopping_criteria=stopping_criteria,
            generation_config=generation_config,
            synced_gpus=synced_gpus,
            streamer=streamer,
            **model_kwargs,
        )

    return decode
