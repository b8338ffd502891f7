"""What the stand-in server does wrong, as data: `Behaviour`, all of whose defaults are healthy."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from tests.support.endpoints.limits import Counting

DialectName = Literal["openai", "azure", "anthropic", "sglang", "tgi"]

# In the order in which a draw is shared among them.
FAULTS = (
    "rate_limited",
    "server_error",
    "overloaded",
    "dropped",
    "malformed",
    "hanging",
    "cut",
    "wrong_usage",
    "empty",
)


@dataclass(frozen=True)
class Behaviour:
    """How a server behaves. Times are in seconds.

    dialect: whose paths and field names it has.
    latency: before an answer or the head of a stream; latency_per_token: more for each token of the answer,
        in a stream between tokens; first_token: before the first token of a stream.

    The shares (0 to 1, together at most 1) say how many calls meet a fault. It is drawn from `seed`, the body
    and how often that body has come before, so that each request is affected alike in whatever order requests
    come, and a retried one may be answered:
    rate_limited: 429, with `retry_after` in the header unless None; server_error: 500; overloaded: 503, or
        529 of Anthropic.
    dropped: the connection closes without an answer; hanging: it stays open without one.
    malformed: 200 with broken JSON; in a stream, broken events.
    cut: a stream that ends in its middle, without a finish reason or [DONE]; other bodies stop short of
        their content-length.
    wrong_usage: token counts that cannot be right: null, missing, negative or huge. empty: 200, content null.

    outage: when it begins, counted from the first call, and how long it lasts; down: it is now. Connections
        are then closed as soon as something is asked on them, unless by a test's control. Calls that are
        being answered are not touched.
    api_key: where set, any other key gets 401. no_credit: every call gets 429 `insufficient_quota`.
    models: where given, others get 404. max_prompt_tokens: longer prompts get 400.
    refuse: prompts with this text are refused; refuse_by: how a chat says so.
    echo_logprobs: False ignores `echo` with 200 and no log-probabilities, as llama.cpp does.
    logprobs_shift: echoed log-probabilities are those of the next row, as llama-cpp-python's are.
    cached: the share of each prompt's tokens that is reported as read from a cache.
    concurrency_limit: more calls in flight get 429; with `collapse` they are answered, but `latency` grows
        with the square of calls in flight over the limit.
    requests_per_minute, tokens_per_minute: rates that are enforced, counted as `counting` says; what is
        beyond gets 429, which says when to come again where `names_wait`.
    answers: a JSON file of texts by last user message or prompt, said in place of the model's own.
    batch_seconds: how long a batch takes; batch_expires: when it expires; batch_errors: the share of its
        lines that fail; batch_problem: the code of an error for which new batches fail as a whole.
    log_file: each arrival and each answer is appended there as a line of JSON.
    """

    dialect: DialectName = "openai"
    latency: float = 0.0
    latency_per_token: float = 0.0
    first_token: float = 0.0
    seed: int = 0
    rate_limited: float = 0.0
    retry_after: float | None = None
    server_error: float = 0.0
    overloaded: float = 0.0
    dropped: float = 0.0
    malformed: float = 0.0
    hanging: float = 0.0
    cut: float = 0.0
    wrong_usage: float = 0.0
    empty: float = 0.0
    outage: tuple[float, float] | None = None
    down: bool = False
    api_key: str | None = None
    no_credit: bool = False
    models: tuple[str, ...] | None = None
    max_prompt_tokens: int | None = None
    refuse: str | None = None
    refuse_by: Literal["refusal", "content_filter"] = "refusal"
    echo_logprobs: bool = True
    logprobs_shift: bool = False
    cached: float = 0.0
    concurrency_limit: int | None = None
    collapse: bool = False
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    counting: Counting = "bucket"
    names_wait: bool = False
    answers: str | None = None
    batch_seconds: float = 0.0
    batch_expires: float = 86400.0
    batch_errors: float = 0.0
    batch_problem: str | None = None
    log_file: str | None = None

    def __post_init__(self) -> None:
        shares = [*self._shares(), self.batch_errors, self.cached]
        if not all(0 <= share <= 1 for share in shares) or sum(self._shares()) > 1 + 1e-9:
            raise ValueError("shares lie between 0 and 1, those of faults together too")

    def changed(self, fields: Mapping[str, Any]) -> "Behaviour":
        """The behaviour with other values, as JSON has them. Raises TypeError for a field there is not."""
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
        }
        return replace(self, **values)

    def fault(self, body_hash: str, earlier: int) -> str | None:
        """The fault that a body meets which came `earlier` times before, by its name in FAULTS."""
        shares = self._shares()
        if not any(shares):
            return None
        left = draw(f"{self.seed} {earlier} {body_hash}")
        for name, share in zip(FAULTS, shares, strict=True):
            if left < share:
                return name
            left -= share
        return None

    def is_down(self, since_first_call: float) -> bool:
        """Whether the server takes no calls, so long after the first one."""
        if self.outage is None:
            return self.down
        begins, seconds = self.outage
        return self.down or begins <= since_first_call < begins + seconds

    def seconds_before(self, in_flight: int) -> float:
        """How long a call waits for its answer where so many are in flight, itself among them."""
        if self.collapse and self.concurrency_limit and in_flight > self.concurrency_limit:
            return self.latency * (in_flight / self.concurrency_limit) ** 2
        return self.latency

    def _shares(self) -> list[float]:
        return [getattr(self, name) for name in FAULTS]


def draw(text: str) -> float:
    """A number from 0 up to 1 that a text decides."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") / 2**64
