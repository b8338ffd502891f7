"""Equal requests for drawn texts: each document of a task gets a text of its own."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from backends.requests import Request
from backends.text.generation_settings import is_drawn


class Draws:
    """Counts the equal requests of a task, which is given to it document after document."""

    def __init__(self) -> None:
        self._seen = Counter[str]()

    def numbered(self, requests: Sequence[Request]) -> list[Request]:
        """The requests of the next document; those for drawn texts know how many equal ones came before."""
        return [self._numbered(request) for request in requests]

    def _numbered(self, request: Request) -> Request:
        if request.kind != "generate_until" or not is_drawn(request.generation):
            return request
        digest = request.digest()
        draw = self._seen[digest]
        self._seen[digest] += 1
        return replace(request, draw=draw)
