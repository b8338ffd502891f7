"""What a score is worth: models that know nothing, to compare with.

`baseline:random?seed=1` guesses, `baseline:majority?answer=yes` always says the same. Both give a text the
probability of uniformly drawn bytes.
"""

import math
import random
from collections.abc import Mapping

from backends.requests import Request, Response
from backends.simple.base import SimpleBackend

# What a random generation is drawn from: the letters of choices and the digits of small numbers.
_LETTERS_AND_DIGITS = "ABCD0123456789"


class RandomBaseline(SimpleBackend):
    """Guesses, by the seed and the request's digest: the same whatever is asked before or beside it.

    Log-likelihoods are uniform in (-1, 0] and independent of the text, so that each choice wins equally often
    (where they are divided by a length, the longer choices win more); a generation is one letter of A-D or
    one digit.
    """

    def __init__(self, *, seed: int = 1234) -> None:
        self._seed = seed

    @property
    def fingerprint(self) -> Mapping[str, str]:
        return {"backend": "baseline", "name": "random", "seed": str(self._seed)}

    def answer(self, request: Request) -> Response:
        draw = random.Random(f"{self._seed}:{request.digest()}")
        match request.kind:
            case "loglikelihood":
                return Response(logprob=-draw.random(), is_greedy=False)
            case "loglikelihood_rolling":
                return Response(logprob=uniform_bytes(request.prompt_text))
            case "generate_until":
                return Response(text=draw.choice(_LETTERS_AND_DIGITS), tokens_out=1)


class MajorityBaseline(SimpleBackend):
    """Always prefers the same answer, whatever is asked.

    A model sees no gold answers, so it cannot know the most frequent class: name it with `answer`. Of choices
    that are all different from `answer`, the first in the order of their bytes wins, in every document the
    same. That is a class only where the choices are fixed labels; where they are texts of the document, this
    is an arbitrary guess. A generation is `answer`.
    """

    def __init__(self, *, answer: str = "A") -> None:
        self._answer = answer

    @property
    def fingerprint(self) -> Mapping[str, str]:
        return {"backend": "baseline", "name": "majority", "answer": self._answer}

    def answer(self, request: Request) -> Response:
        match request.kind:
            case "loglikelihood":
                choice = request.continuation.strip()
                preferred = choice == self._answer.strip()
                return Response(logprob=0.0 if preferred else _rank(choice), is_greedy=preferred)
            case "loglikelihood_rolling":
                return Response(logprob=uniform_bytes(request.prompt_text))
            case "generate_until":
                return Response(text=self._answer)


def uniform_bytes(text: str) -> float:
    """The natural log-probability of the text's UTF-8 bytes, each of 256 equally likely."""
    return -len(text.encode("utf-8", "surrogatepass")) * math.log(256)


def _rank(choice: str) -> float:
    """A log-probability in (-2, -1] that falls in the order of the choices' bytes, for the first six."""
    first = choice.encode("utf-8", "surrogatepass")[:6].ljust(6, b"\0")
    return -1 - int.from_bytes(first, "big") / 256**6
