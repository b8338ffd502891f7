"""Whether a model still is the one that gave the stored answers, as far as its endpoint says.

An alias may have moved on to another snapshot, or a server may have been started with other weights.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import TypeVar

from backends.calls.failure import CallFailed
from backends.calls.loop import engine_loop
from backends.endpoints.endpoint_model import Remote
from backends.errors import BackendError
from backends.protocol import AskContext, Batch
from backends.requests import Response
from backends.stop_sign import LOOK_SECONDS
from backends.store.answerers import plain

Item = TypeVar("Item")
Known = Mapping[str, Collection[str]]

# Of a look at the list of models, without which the first answer tells.
_LISTING_SECONDS = 5.0
# Questions that are asked alone, where those before them got no answer.
_ALONE = 3


class Identification:
    """Has the first question of a process asked alone where answers are stored: its answer says who gives
    them now. For several threads; the others wait for what the first is told."""

    def __init__(self, remotes: Sequence[Remote]) -> None:
        self._remotes = remotes
        self._lock = Lock()
        self._is_done = False
        self._refusal: BackendError | None = None

    def answers(
        self,
        ask: Callable[[Sequence[Item], AskContext], Iterator[Batch]],
        items: Sequence[Item],
        context: AskContext,
    ) -> Iterator[Batch]:
        """What `ask` gives for the items. Raises BackendError, before more than one is asked, where the model
        calls itself otherwise than `context.known` has it; that answer is not given."""
        alone = 0
        if context.known and not self._is_done:
            with self._turn(context):
                if not self._is_done:
                    self._check_listing(context.known)
                while not self._is_done and alone < min(_ALONE, len(items)):
                    for batch in ask(items[alone : alone + 1], context.at([alone])):
                        self._check(batch, context.known)
                        yield _moved(batch, alone)
                    alone += 1
                self._is_done = True  # or nobody says who answers
        for batch in ask(items[alone:], context.at(range(alone, len(items)))):
            yield _moved(batch, alone)

    @contextmanager
    def _turn(self, context: AskContext) -> Iterator[None]:
        while not self._lock.acquire(timeout=LOOK_SECONDS):
            context.check_going_on()
        try:
            if self._refusal is not None:
                raise self._refusal
            yield
        finally:
            self._lock.release()

    def _check(self, batch: Batch, known: Known) -> None:
        for _, response in batch:
            asked, name = _answerer(response)
            before = known.get(asked, ())
            if name and before and name not in before:
                self._refuse(asked, name, before)
            self._is_done = self._is_done or bool(name)

    def _check_listing(self, known: Known) -> None:
        """A server that has one model, as people start them for themselves, says by its list who answers.

        Not where stored answers name the model as it is asked for: some servers repeat what they are told.
        """
        for remote in self._remotes:
            before, own = known.get(remote.asked, ()), remote.dialect.model
            if not before or own in before:
                continue
            listed = engine_loop().start(_listed(remote)).result()
            if len(listed) == 1 and not {own, *before} & listed:
                self._refuse(remote.asked, listed.pop(), before)

    def _refuse(self, asked: str, now: str, before: Collection[str]) -> None:
        self._refusal = BackendError(
            f"{asked}: its endpoint now calls the model {now!r}, and the stored answers are of "
            f"{', '.join(map(repr, sorted(before)))}: these may be two models. --reuse goes on with both, "
            "--ask-anew NAME asks for answers of their own beside those that are stored"
        )
        raise self._refusal


def _answerer(response: Response) -> tuple[str, str]:
    """The model that was asked, and what it calls itself; nothing where there is no answer."""
    if response.call is None or not response.is_scorable:
        return "", ""
    return response.call.asked, plain(response.call.model)


def _moved(batch: Batch, by: int) -> Batch:
    return [(position + by, response) for position, response in batch] if by else batch


async def _listed(remote: Remote) -> set[str]:
    """The models that an endpoint lists; none where it does not."""
    try:
        reply = await remote.http.get("/models", timeout=_LISTING_SECONDS)
    except CallFailed:
        return set()
    data = reply.content.get("data")
    rows = data if isinstance(data, list) else []
    return {plain(str(row["id"])) for row in rows if isinstance(row, dict) and row.get("id")}
