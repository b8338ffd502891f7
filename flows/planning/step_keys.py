"""Step keys: what a step's result depends on, by content.

Each is a digest of named parts; `--explain-cache` compares the parts. A step whose code changes what it
writes gets a new number in `CODE`.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from flows.planning.plan import Plan
from flows.storage.step_files import File

CODE = {"load_model": 3, "prepare": 9, "infer": 3, "score": 9}

Parts = Mapping[str, object]


def key_of(parts: Parts) -> str:
    """32 hex digits over the canonical JSON of the parts."""
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def prepare_parts(plan: Plan, task: str) -> Parts:
    """What decides the requests of a task. Raises TaskError where its data cannot be found."""
    return {
        "code": CODE["prepare"],
        "task": task,
        "task file and its Python": plan.selection.tasks[task].digest,
        "dataset": plan.tasks.digest(task),
        # A rendered chat depends on the template and on the tokenizer's special tokens.
        "chat as of the model": plan.model_key if plan.spec.apply_chat_template else None,
        **asdict(plan.ask_options),
        "samples": plan.ask_options.samples.get(task),
    }


def model_key(plan: Plan) -> str:
    """What decides what is said of a model: its name and what it is."""
    return key_of({"code": CODE["load_model"], "model": str(plan.spec.model), "fingerprint": plan.model_key})


def infer_key(plan: Plan, digests: str) -> str:
    """What decides a shard's answers: the model and the requests, and the store that holds them."""
    return key_of(
        {
            "code": CODE["infer"],
            "model": plan.model_key,
            "store": plan.store.identity,
            "requests": digests,
        }
    )


def score_key(plan: Plan, prepared: Iterable[str], unanswered: Mapping[str, Sequence[File]]) -> str:
    """What decides the scores of tasks: how they were asked and who answered, and what has no answer."""
    return key_of(
        {
            "code": CODE["score"],
            "model": plan.model_key,
            "store": plan.store.identity,
            "prepared": list(prepared),
            "without answers": {
                task: [file["sha256"] for file in files] for task, files in unanswered.items()
            },
            "min_coverage": plan.spec.min_coverage,
        }
    )
