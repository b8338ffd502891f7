"""Ask a model in a process of its own: `python -m tests.parity.ask_model MODEL HOME REQUESTS ANSWERS`.

REQUESTS is a JSON list of the prompts and continuations of log-likelihoods, or of prompts alone, which are
scored as a whole; ANSWERS becomes the list of log-probabilities, and whether each is greedy.
"""

import json
import sys
from pathlib import Path

from backends.model_string import ModelSpec
from backends.protocol import ask
from backends.registry import BackendContext, open_backend
from backends.requests import Request


def scores(model: str, home: Path, asked: list[list[str]]) -> list[tuple[float | None, bool | None]]:
    """What a model gives each, in the order in which they are asked."""
    backend = open_backend(ModelSpec.parse(model), BackendContext(home))
    backend.load({"loglikelihood", "loglikelihood_rolling"})
    found: dict[int, tuple[float | None, bool | None]] = {}
    for length, kind in ((2, "loglikelihood"), (1, "loglikelihood_rolling")):
        positions = [position for position, texts in enumerate(asked) if len(texts) == length]
        requests = [Request(kind, *asked[position]) for position in positions]  # type: ignore[arg-type]
        for batch in ask(backend, requests) if requests else ():
            for number, response in batch:
                found[positions[number]] = (response.logprob, response.is_greedy)
    return [found[position] for position in range(len(asked))]


if __name__ == "__main__":
    model, home, requests, answers = sys.argv[1:]
    said = scores(model, Path(home), json.loads(Path(requests).read_text()))
    Path(answers).write_text(json.dumps(said))
