"""`--estimate`: what a run would cost and take, from its prompts and earlier calls; without a call."""

from collections.abc import Iterator
from dataclasses import dataclass

from backends.money.estimates import Experience
from backends.money.prices import Price, Usage, cost
from backends.requests import Request
from backends.text.generation_settings import settings_of
from flows.common.event_loops import outside_event_loop
from flows.common.text_tables import aligned
from flows.planning import call_history
from flows.planning.plan import Plan
from flows.planning.prepared_requests import PreparedRequests
from flows.specs.evaluation import EvaluationSpec


@dataclass(frozen=True, slots=True)
class TaskEstimate:
    """What one task would take. requests: all; missing: those that would be asked; usd: None if unknown."""

    task: str
    requests: int
    missing: int
    tokens_in: int
    tokens_out: int
    seconds: float
    usd: float | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run would take. rate: requests a second of earlier runs, None where there were none."""

    tasks: list[TaskEstimate]
    rate: float | None
    is_experienced: bool

    def text(self) -> str:
        """A table for people, and what it is made of."""
        header = ("Task", "Requests", "Missing", "Tokens in", "Tokens out", "USD")
        table = aligned(header, [_cells(one) for one in (*self.tasks, self.total)], header[1:])
        return "\n".join([table, "", *self._notes()])

    @property
    def total(self) -> TaskEstimate:
        usd = [one.usd for one in self.tasks]
        return TaskEstimate(
            "all",
            sum(one.requests for one in self.tasks),
            sum(one.missing for one in self.tasks),
            sum(one.tokens_in for one in self.tasks),
            sum(one.tokens_out for one in self.tasks),
            sum(one.seconds for one in self.tasks),
            None if any(value is None for value in usd) else sum(value or 0.0 for value in usd),
        )

    def _notes(self) -> Iterator[str]:
        if self.total.usd is None:
            yield "There is no price for the model; --price in=..,out=.. gives one."
        if self.rate and self.total.missing:
            yield f"About {_duration(self.total.missing / self.rate)}, at {self.rate:.1f} requests a second."
        elif self.total.missing:
            yield "How long it takes is not known before the model was asked."
        if not self.is_experienced and self.total.missing:
            yield "The model was not asked before: tokens go by length, answers are as long as they may be."


@outside_event_loop()
def estimate(spec: EvaluationSpec) -> Estimate:
    """Prepare all tasks and add up what asking for their missing answers would take.

    Raises TaskError, BackendError or SpecError as a run would.
    """
    plan = Plan.of(spec)
    plan.check()
    plan.tasks.check_all()
    experience, rate = call_history.load(plan)
    price = next(iter(plan.prices.values()))
    tasks = [_estimated(plan, task, experience, price) for task in plan.selection.tasks]
    return Estimate(tasks, rate, experience.prompts > 0)


def _estimated(plan: Plan, task: str, experience: Experience, price: Price | None) -> TaskEstimate:
    requests = PreparedRequests.before_run(plan, task)
    missing = requests.missing()
    wanted = {one.key: one.request for one in requests if one.key in missing}
    usages = [_usage(request, task, experience) for request in wanted.values()]
    costs = [cost(price, usage) for usage in usages]
    return TaskEstimate(
        task,
        len(requests.keys),
        len(usages),
        sum(usage.tokens_in for usage in usages),
        sum(usage.tokens_out for usage in usages),
        sum(usage.seconds for usage in usages),
        None if price is None else sum(one or 0.0 for one in costs),
    )


def _usage(request: Request, task: str, experience: Experience) -> Usage:
    size = len((request.prompt_text + request.continuation).encode("utf-8", "surrogatepass"))
    is_text = request.kind == "generate_until"
    most = settings_of(request.generation, eos=None).max_tokens if is_text else 1
    return experience.expected(size, most, task)


def _cells(one: TaskEstimate) -> tuple[str, ...]:
    usd = "unknown" if one.usd is None else f"{one.usd:,.4f}"
    counts = (one.requests, one.missing, one.tokens_in, one.tokens_out)
    return (one.task, *(f"{count:,}" for count in counts), usd)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
