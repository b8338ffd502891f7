"""What the requests of one submission may take and took, where a purse counts."""

from dataclasses import dataclass

from backends.endpoints.prompt import Prompt
from backends.money.budget import Reservation, Spent, Wait
from backends.money.estimates import Experience
from backends.money.purse import Purse, took_tokens, usage_of
from backends.requests import Request, Response


@dataclass(frozen=True, slots=True)
class BatchedRequest:
    """A request that is asked: what of it is sent, and the positions where its answer belongs; the first
    pays."""

    request: Request
    prompt: Prompt
    positions: tuple[int, ...]


class Payments:
    """Keeps what requests may take, by digest, from when they are handed in until they are answered.

    asked: the model, as `backend:name`.
    """

    def __init__(self, purse: Purse | None, asked: str) -> None:
        self._purse = purse
        self._asked = asked
        self._held: dict[str, Reservation] = {}
        self._experience = Experience()

    def reserve(self, digest: str, wanted: BatchedRequest) -> Wait | Spent | None:
        """Keep enough for a request; why not, or None where it may be handed in."""
        if self._purse is None:
            return None
        prompt = wanted.prompt
        most = self._experience.reserved(prompt.prompt_bytes, prompt.max_tokens, prompt.length_class)
        answer = self._purse.reserve(wanted.positions[0], [(self._asked, most)])
        if not isinstance(answer, Reservation):
            return answer
        self._held[digest] = answer
        return None

    def settle(self, digest: str, wanted: BatchedRequest, response: Response) -> None:
        """Count what an answer took, also where nothing could be kept for it: it was handed in before."""
        if self._purse is None:
            return
        if not took_tokens(response):
            self.release(digest)
        elif digest in self._held:
            self._purse.settle(self._held.pop(digest), response)
        else:
            self._purse.note(wanted.positions[0], response)
        if response.is_scorable and response.call is not None and response.call.counted:
            prompt = wanted.prompt
            self._experience = self._experience.after(
                prompt.prompt_bytes, prompt.length_class, usage_of(response)
            )

    def release(self, digest: str) -> None:
        """Give back what is kept for a request that took nothing."""
        if self._purse is not None and digest in self._held:
            self._purse.budget.release(self._held.pop(digest))

    def release_all(self) -> None:
        """Give back all that is still kept."""
        for digest in list(self._held):
            self.release(digest)
