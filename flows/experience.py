"""What calls of a model took in earlier runs, kept for `--estimate`."""

import json
from collections.abc import Mapping

import pyarrow as pa
from pyarrow import compute

from backends.engine.estimates import Answers, Experience
from flows.files import write_text
from flows.plan import Plan
from flows.results.performance import performance


def remember(plan: Plan, calls: Mapping[str, pa.Table]) -> None:
    """Keep what the calls of a run took, by task, beside what other tasks of the model took before."""
    answered = {task: own.filter(compute.is_valid(own["enqueued"])) for task, own in calls.items()}
    answered = {task: own for task, own in answered.items() if own.num_rows}
    if not answered:
        return
    asked = pa.concat_tables(answered.values())
    before, _ = recall(plan)
    experience = Experience(
        prompts=asked.num_rows,
        prompt_bytes=_sum(asked, "prompt_bytes"),
        prompt_tokens=_sum(asked, "tokens_in"),
        cached_tokens=_sum(asked, "tokens_cached"),
        answers={**before.answers, **{task: _answers(own) for task, own in answered.items()}},
    )
    rate = performance(asked)["requests_per_second"]
    path = plan.home.experience / f"{plan.model_key}.json"
    write_text(path, json.dumps({"calls": experience.to_json(), "requests_per_second": rate}))


def recall(plan: Plan) -> tuple[Experience, float | None]:
    """What calls of the model took, and how many a second were answered; nothing where there were none."""
    try:
        text = (plan.home.experience / f"{plan.model_key}.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        return Experience(), None
    kept = json.loads(text)
    return Experience.from_json(kept["calls"]), kept["requests_per_second"]


def _answers(calls: pa.Table) -> Answers:
    seconds = compute.subtract(calls["finished"], calls["started"])
    return Answers(
        calls.num_rows,
        _sum(calls, "tokens_out"),
        compute.max(calls["tokens_out"]).as_py() or 0,
        compute.sum(seconds).as_py() or 0.0,
    )


def _sum(calls: pa.Table, name: str) -> int:
    return int(compute.sum(calls[name]).as_py() or 0)
