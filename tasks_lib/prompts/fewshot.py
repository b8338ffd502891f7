"""Which documents are shown as examples before the evaluated one.

Rules and random stream of lm-evaluation-harness 0.4.13 (`lm_eval/api/samplers.py`, `task.py`): one
`random.Random(seed)` a task, advanced once per evaluated document in document order.
"""

import random
from collections.abc import Callable, Sequence
from typing import Any, Literal

from tasks_lib.doc import Doc
from tasks_lib.errors import TaskError

# Positions in the pool of the examples for one evaluated document; called once per document, in order.
Sampler = Callable[[int, Doc], Sequence[int]]

Exclusion = Literal["as lm-eval draws", "none", "replace"]


def make_sampler(
    name: str, task: str, pool: Sequence[Doc], count: int, *, seed: int, exclusion: Exclusion
) -> Sampler:
    """The sampler of that name over `pool`, which gives `count` positions for each evaluated document.

    exclusion: how the evaluated document is kept out of its own examples. "as lm-eval draws": one more is
    drawn and equal ones are dropped, which lm-eval does where examples and documents come from one split.
    "none": not at all. "replace": drawn as with "none", so that other documents' examples stay lm-eval's,
    and an equal one is replaced by a draw of its own.
    """
    if name not in SAMPLERS:
        raise TaskError(f"{task}: unknown few-shot sampler {name!r}; there are: {', '.join(SAMPLERS)}")
    needed = count + 1 if name == "default" and exclusion == "as lm-eval draws" else count
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

    examples: what positions mean, first of all the pool; what the class gives besides is added. exclusion: as
    of `make_sampler`; with "as lm-eval draws" the class is told the evaluated document, and leaves it out.
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
        told = doc if exclusion == "as lm-eval draws" else None
        return [position(example) for example in sampler.sample(n=count, eval_doc=told)]

    return _replacing(ask, task, pool, examples, seed) if exclusion == "replace" else ask


def _random(task: str, pool: Sequence[Doc], count: int, seed: int, exclusion: Exclusion) -> Sampler:
    stream = random.Random(seed)
    positions = range(len(pool))

    def draw_as_lm_eval(_: int, doc: Doc) -> Sequence[int]:
        drawn = [i for i in stream.sample(positions, count + 1) if pool[i] != doc][:count]
        return drawn if len(drawn) == count else stream.sample(_others(task, pool, doc, count), count)

    def draw(_: int, doc: Doc) -> Sequence[int]:
        return stream.sample(positions, count)

    rules: dict[Exclusion, Sampler] = {
        "as lm-eval draws": draw_as_lm_eval,
        "none": draw,
        "replace": _replacing(draw, task, pool, pool, seed),
    }
    return rules[exclusion]


def _replacing(draw: Sampler, task: str, pool: Sequence[Doc], examples: Sequence[Doc], seed: int) -> Sampler:
    """`draw`, with other documents of the pool for those that are equal to the evaluated one."""

    def draw_and_replace(doc_id: int, doc: Doc) -> Sequence[int]:
        drawn = draw(doc_id, doc)
        if all(examples[i] != doc for i in drawn):
            return drawn
        spares = [i for i in _others(task, pool, doc, len(drawn)) if i not in drawn]
        own_stream = random.Random(f"{seed}:{doc_id}")
        own_stream.shuffle(spares)
        return [i if examples[i] != doc else spares.pop() for i in drawn]

    return draw_and_replace


def _others(task: str, pool: Sequence[Doc], doc: Doc, count: int) -> list[int]:
    """The positions of the documents that differ from `doc`, at least `count`."""
    candidates = [i for i, other in enumerate(pool) if other != doc]
    if len(candidates) < count:
        raise TaskError(f"{task}: too few documents differ from the evaluated one to draw {count} examples")
    return candidates


def _first_n(task: str, pool: Sequence[Doc], count: int, seed: int, exclusion: Exclusion) -> Sampler:
    def first(_: int, doc: Doc) -> Sequence[int]:
        if exclusion == "none":
            return range(count)
        chosen: list[int] = []
        for position, candidate in enumerate(pool):
            if len(chosen) == count:
                break
            if candidate != doc:
                chosen.append(position)
        if len(chosen) < count:
            raise TaskError(
                f"{task}: too few documents differ from the evaluated one to show {count} examples"
            )
        return chosen

    return first


SAMPLERS = {"default": _random, "first_n": _first_n}
