"""What calls of a model took in earlier runs, kept for `--estimate`."""

import json
from collections.abc import Iterable

import pyarrow as pa
from pyarrow import compute

from backends.money.estimates import AnswerTotals, Experience
from flows.planning.plan import Plan
from flows.storage.files import write_text


def experience_of(task: str, calls: pa.Table) -> Experience:
    """What the calls of a task took. calls: with a row a request (`flows.results.calls_file`)."""
    return Experience(
        prompts=calls.num_rows,
        prompt_bytes=_sum(calls, "prompt_bytes"),
        prompt_tokens=_sum(calls, "tokens_in"),
        cached_tokens=_sum(calls, "tokens_cached"),
        answers={task: _answers(calls)} if calls.num_rows else {},
    )


def save(plan: Plan, of_tasks: Iterable[Experience], requests_per_second: float | None) -> None:
    """Keep what the calls of a run took, by task, beside what other tasks of the model took before."""
    asked = [one for one in of_tasks if one.prompts]
    if not asked:
        return
    before, _ = load(plan)
    experience = Experience(
        prompts=sum(one.prompts for one in asked),
        prompt_bytes=sum(one.prompt_bytes for one in asked),
        prompt_tokens=sum(one.prompt_tokens for one in asked),
        cached_tokens=sum(one.cached_tokens for one in asked),
        answers={**before.answers, **{task: own for one in asked for task, own in one.answers.items()}},
    )
    path = plan.home.experience / f"{plan.model_key}.json"
    kept = {"calls": experience.to_json(), "requests_per_second": requests_per_second}
    write_text(path, json.dumps(kept))


def load(plan: Plan) -> tuple[Experience, float | None]:
    """What calls of the model took, and how many a second were answered; nothing where there were none."""
    try:
        text = (plan.home.experience / f"{plan.model_key}.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        return Experience(), None
    kept = json.loads(text)
    return Experience.from_json(kept["calls"]), kept["requests_per_second"]


def _answers(calls: pa.Table) -> AnswerTotals:
    seconds = compute.subtract(calls["finished"], calls["started"])
    return AnswerTotals(
        calls.num_rows,
        _sum(calls, "tokens_out"),
        compute.max(calls["tokens_out"]).as_py() or 0,
        compute.sum(seconds).as_py() or 0.0,
    )


def _sum(calls: pa.Table, name: str) -> int:
    return int(compute.sum(calls[name]).as_py() or 0)
