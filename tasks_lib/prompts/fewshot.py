"""Which documents are shown as examples before the evaluated one.

Rules and random stream of lm-evaluation-harness 0.4.13 (`lm_eval/api/samplers.py`, `task.py`): one
`random.Random(seed)` a task, advanced once per evaluated document in document order.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from tasks_lib.doc import Doc
from tasks_lib.errors import TaskError

# Positions in the pool of the examples for one evaluated document; called once per document, in order.
Sampler = Callable[[int, Doc], Sequence[int]]


@dataclass(frozen=True, slots=True)
class Exclusion:
    """How the evaluated document is kept out of its own examples.

    rule: "as lm-eval draws": one more is drawn and the document is dropped, which lm-eval does where examples
    and documents come from one split. "none": not at all. "replace": drawn as with "none", so that other
    documents' examples stay lm-eval's, and the document is replaced by a draw of its own.
    by: what tells that an example is the document. "equality": equal fields, as lm-eval has it, to which a
    NaN is not equal to itself. "values": the same fields, a NaN the same as a NaN. "position": that, or its
    position, where the pool has the evaluated documents in their order.
    """

    rule: Literal["as lm-eval draws", "none", "replace"]
    by: Literal["equality", "values", "position"] = "equality"

    def is_itself(self, position: int, example: Doc, doc_id: int, doc: Doc) -> bool:
        """Whether the example at that position of the pool is the evaluated document."""
        if self.by == "equality":
            return bool(example == doc) and not has_nan(doc)
        return (self.by == "position" and position == doc_id) or same_values(example, doc)


def same_values(one: Any, other: Any) -> bool:
    """Equality to which a NaN is the same as a NaN."""
    match one, other:
        case dict(), dict():
            # as they are stored: a document with images decodes them when it is asked for one
            pairs = ((value, dict.get(other, key)) for key, value in dict.items(one))
            return one.keys() == other.keys() and all(same_values(*pair) for pair in pairs)
        case list() | tuple(), list() | tuple():
            return len(one) == len(other) and all(map(same_values, one, other))
    return one is other or bool(one == other) or (has_nan(one) and has_nan(other))


def has_nan(value: Any) -> bool:
    """Whether a value is a NaN, or one is in it."""
    match value:
        case dict():
            return any(map(has_nan, dict.values(value)))
        case list() | tuple():
            return any(map(has_nan, value))
        case float():
            return math.isnan(value)
    return False


def make_sampler(
    name: str, task: str, pool: Sequence[Doc], count: int, *, seed: int, exclusion: Exclusion
) -> Sampler:
    """The sampler of that name over `pool`, which gives `count` positions for each evaluated document."""
    if name not in SAMPLERS:
        raise TaskError(f"{task}: unknown few-shot sampler {name!r}; there are: {', '.join(SAMPLERS)}")
    needed = count + 1 if name == "default" and exclusion.rule == "as lm-eval draws" else count
    if len(pool) < needed:
        raise TaskError(
            f"{task}: {count} few-shot examples need {needed} documents, but their split has {len(pool)}"
        )
    return SAMPLERS[name](task, pool, count, seed, exclusion)


def class_sampler(
    cls: Callable[..., Any],
    task: str,
    pool: Sequence[Doc],
    examples: list[Doc],
    count: int,
    *,
    seed: int,
    exclusion: Exclusion,
) -> Sampler:
    """A sampler of task code: a class as lm-eval's `ContextSampler`, made and asked as lm-eval does.

    examples: what positions mean, first of all the pool; what the class gives besides is added. exclusion:
    with "as lm-eval draws" the class is told the evaluated document, and leaves out what equals it.
    """
    sampler = cls(list(pool), rnd=None)
    sampler.set_rnd(seed)
    positions = {id(doc): position for position, doc in enumerate(examples)}

    def position(doc: Doc) -> int:
        if id(doc) not in positions:
            positions[id(doc)] = len(examples)
            examples.append(doc)
        return positions[id(doc)]

    def ask(_: int, doc: Doc) -> Sequence[int]:
        told = doc if exclusion.rule == "as lm-eval draws" else None
        return [position(example) for example in sampler.sample(n=count, eval_doc=told)]

    kept_out = exclusion.rule == "replace" or exclusion.by != "equality"
    return _replacing(ask, task, pool, examples, seed, exclusion) if kept_out else ask


def _random(task: str, pool: Sequence[Doc], count: int, seed: int, exclusion: Exclusion) -> Sampler:
    stream = random.Random(seed)
    positions = range(len(pool))

    def draw_as_lm_eval(doc_id: int, doc: Doc) -> Sequence[int]:
        drawn = stream.sample(positions, count + 1)
        kept = [i for i in drawn if not exclusion.is_itself(i, pool[i], doc_id, doc)][:count]
        if len(kept) == count:
            return kept
        return stream.sample(_others(task, pool, doc_id, doc, count, exclusion), count)

    def draw(_: int, doc: Doc) -> Sequence[int]:
        return stream.sample(positions, count)

    match exclusion.rule:
        case "as lm-eval draws":
            return draw_as_lm_eval
        case "replace":
            return _replacing(draw, task, pool, pool, seed, exclusion)
        case "none":
            return draw


def _replacing(
    draw: Sampler,
    task: str,
    pool: Sequence[Doc],
    examples: Sequence[Doc],
    seed: int,
    exclusion: Exclusion,
) -> Sampler:
    """`draw`, with other documents of the pool for those that are the evaluated one."""

    def draw_and_replace(doc_id: int, doc: Doc) -> Sequence[int]:
        drawn = draw(doc_id, doc)
        own = {i for i in drawn if exclusion.is_itself(i, examples[i], doc_id, doc)}
        if not own:
            return drawn
        others = _others(task, pool, doc_id, doc, len(drawn), exclusion)
        spares = [i for i in others if i not in drawn]
        own_stream = random.Random(f"{seed}:{doc_id}")
        own_stream.shuffle(spares)
        return [spares.pop() if i in own else i for i in drawn]

    return draw_and_replace


def _others(
    task: str, pool: Sequence[Doc], doc_id: int, doc: Doc, count: int, exclusion: Exclusion
) -> list[int]:
    """The positions of the documents that are not `doc`, at least `count`."""
    candidates = [i for i, other in enumerate(pool) if not exclusion.is_itself(i, other, doc_id, doc)]
    if len(candidates) < count:
        raise TaskError(f"{task}: too few documents differ from the evaluated one to draw {count} examples")
    return candidates


def _first_n(task: str, pool: Sequence[Doc], count: int, seed: int, exclusion: Exclusion) -> Sampler:
    def first(doc_id: int, doc: Doc) -> Sequence[int]:
        if exclusion.rule == "none":
            return range(count)
        others = (i for i, other in enumerate(pool) if not exclusion.is_itself(i, other, doc_id, doc))
        chosen = list(islice(others, count))
        if len(chosen) < count:
            raise TaskError(
                f"{task}: too few documents differ from the evaluated one to show {count} examples"
            )
        return chosen

    return first


SAMPLERS = {"default": _random, "first_n": _first_n}
