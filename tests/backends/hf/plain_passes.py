"""What a model says by plain forward passes, one text at a time: what all ways of asking must agree with."""

from collections.abc import Sequence
from typing import Any

import torch

from backends.hf.backend import HFBackend
from backends.model_files.tokenization import Query
from backends.protocol import ask
from backends.requests import Request, Response


def answers(backend: HFBackend, requests: Sequence[Request]) -> list[Response]:
    found = dict(pair for batch in ask(backend, requests) for pair in batch)
    return [found[position] for position in range(len(requests))]


@torch.inference_mode()
def plain_logprob(model: Any, query: Query) -> float:
    tokens = torch.tensor([[*query.context, *query.continuation[:-1]]])
    logits = model(input_ids=tokens).logits[0, -len(query.continuation) :].double()
    own = logits.log_softmax(-1).gather(-1, torch.tensor(query.continuation)[:, None])
    return float(own.sum())


@torch.inference_mode()
def plain_text(backend: HFBackend, prompt: str, length: int) -> str:
    """The greedy text, each token by a forward pass over all before it."""
    tokens = list(backend._tokenization.encode([prompt])[prompt])
    written: list[int] = []
    while len(written) < length and (not written or written[-1] != backend.tokenizer.eos_token_id):
        logits = backend.model(input_ids=torch.tensor([tokens + written])).logits
        written.append(int(logits[0, -1].argmax()))
    return str(backend.tokenizer.decode(written, skip_special_tokens=True))
