"""`--explain-cache`: which answers of a task are in the store, and why others are not.

What a task's answers depend on is kept by name after each run; the explanation is what differs now.
"""

import json
from collections.abc import Iterator, Mapping

from flows.planning.plan import Plan
from flows.planning.prepared_requests import PreparedRequests, PreparedTask
from flows.planning.prompt_notices import clock_of
from flows.planning.step_keys import Parts, prepare_parts
from flows.results.run_folder import safe_name
from flows.storage.files import write_text


def identity(plan: Plan, task: str) -> Parts:
    """Everything a task's answers depend on, by name and as JSON values."""
    parts = {"model": str(plan.spec.model), "fingerprint": dict(plan.fingerprint)}
    drawn = {"how texts are drawn": plan.drawing} if plan.drawing else {}
    named = {**parts, **drawn, **prepare_parts(plan, task), "store": plan.store.identity}
    if plan.spec.apply_chat_template and plan.spec.answers_from is None:
        named["time that the chat template writes"] = clock_of(plan.backend)
    flat: Parts = json.loads(json.dumps(named, default=str))
    return flat


def save_identity(plan: Plan, task: str) -> None:
    """Keep the identity under which a task was asked."""
    write_text(plan.home.identities / f"{safe_name(task)}.json", json.dumps(identity(plan, task), indent=1))


def was_finished(plan: Plan, task: str) -> bool:
    """Whether the task's last run to its end was with this very model, and its file is as it was."""
    before = _last(plan, task)
    if before is None or before["fingerprint"] != dict(plan.fingerprint):
        return False
    return before.get("task file and its Python") == plan.selection.tasks[task].digest


def explain(plan: Plan, prepared: PreparedTask) -> str:
    """A line on the task's requests."""
    task, requests = prepared.task, PreparedRequests.of(plan, prepared.whole)
    keys, lacking = requests.keys, requests.missing()
    missing = sum(key in lacking for key in keys)
    line = f"{task}: {len(keys) - missing} of {len(keys)} answers are in the store"
    if not missing:
        return line
    before = _last(plan, task)
    if before is None:
        return f"{line}; the task has not been run to its end before"
    changes = list(_changes(before, identity(plan, task)))
    return f"{line}; since its last run these changed: {'; '.join(changes) or 'nothing, it was not finished'}"


def _last(plan: Plan, task: str) -> Parts | None:
    """The identity that `save_identity` kept."""
    file = plan.home.identities / f"{safe_name(task)}.json"
    try:
        before: Parts = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return before


def _changes(before: Mapping[str, object], now: Mapping[str, object], prefix: str = "") -> Iterator[str]:
    for name in sorted(before.keys() | now.keys()):
        old, new = before.get(name), now.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _changes(old, new, f"{prefix}{name}: ")
        elif old != new:
            yield f"{prefix}{name} ({_short(old)} -> {_short(new)})"


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:18]}...{text[-18:]}"
