"""When no more calls are worth making: nobody's request is answered, and waiting would not change it."""

from dataclasses import dataclass

from backends.calls.failure import Failure

# So many requests refused and none ever answered: the others would be refused as well.
REFUSED = 50
# So many 403s in a row, without an answer between: it is the key's and no single prompt's. Refusals come at
# once and answers after seconds, so that nearly no other call may be in flight then.
FORBIDDEN = 8
# So many calls in a row that were waited for in vain. More than the first requests have tries, so that each
# of a few says for itself what to raise.
TIMED_OUT = 50


@dataclass(frozen=True, slots=True)
class Hopeless:
    """What was refused in a row. has_answered: whether there was ever an answer.

    permanent, forbidden, timed_out: failures of that kind since the last answer.
    """

    has_answered: bool = False
    permanent: int = 0
    forbidden: int = 0
    timed_out: int = 0

    def answered(self) -> "Hopeless":
        """After an answer."""
        return _ANSWERED

    def failed(self, failure: Failure) -> "Hopeless":
        """After a call without one."""
        return Hopeless(
            self.has_answered,
            self.permanent + (failure.kind == "permanent"),
            self.forbidden + (failure.kind == "forbidden"),
            self.timed_out + (failure.kind == "timed_out"),
        )

    def verdict(self, last: Failure, in_flight: int) -> str | None:
        """Why no more calls are made after the last failure; None where they are.

        in_flight: other calls that are.
        """
        match last.kind:
            case "unauthorized":
                return see_to_the_key(last)
            case "forbidden" if self.forbidden >= max(FORBIDDEN, 2 * in_flight):
                return see_to_the_key(last)
            case "permanent" if self.permanent >= REFUSED and not self.has_answered:
                return f"the first {self.permanent} requests were all refused: {last.message}"
            case "timed_out" if self.timed_out >= max(TIMED_OUT, in_flight):
                return f"the last {self.timed_out} calls were all waited for in vain: {last.message}"
            case _:
                return None


_ANSWERED = Hopeless(has_answered=True)


def see_to_the_key(failure: Failure) -> str:
    """What a refusal of everybody's requests says to people."""
    return f"{failure.message}; see to the key and its account, then start again"
