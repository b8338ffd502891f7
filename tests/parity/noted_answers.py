"""Answers written down by what is asked, of which a scripted model reads them: the same for both sides."""

import json
from collections.abc import Mapping
from typing import Any

from backends.requests import Request, Response

MODEL = f"scripted:{__name__}:said"
# What no model says, so that a request of one side alone is a difference.
UNKNOWN = Response(text="(lm-eval never asked this)", logprob=-1e9, is_greedy=False)

_NOTED: dict[str, Response] = {}


def note(request: Request, answer: Response) -> Response:
    """The answer to a request: this one, unless another was noted before."""
    return _NOTED.setdefault(_key(request), answer)


def said(request: Request) -> Response:
    """What was noted for a request; a marked answer where nothing was."""
    return _NOTED.get(_key(request), UNKNOWN)


def _key(request: Request) -> str:
    """What both sides say of a request; the seed of sampled generations is Assay's alone."""
    generation = {key: value for key, value in request.generation.items() if key != "seed"}
    shown = [one.digest for one in request.attachments]
    said: tuple[Any, ...] = (request.kind, request.prompt_text, request.continuation)
    return json.dumps([*said, _sorted(generation), request.repeat, shown])


def _sorted(generation: Mapping[str, Any]) -> Any:
    return sorted(generation.items())
