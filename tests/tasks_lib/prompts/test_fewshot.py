"""Examples are those lm-eval draws, and never show a document its own answer."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks_lib.ask_options import AskOptions
from tasks_lib.errors import TaskError
from tasks_lib.prompts.fewshot import Exclusion, make_sampler
from tests.support.task_maker import ROWS, TaskMaker

POOL: list[dict[str, Any]] = [{"n": i} for i in range(20)]
ELSEWHERE: list[dict[str, Any]] = [{"m": i} for i in range(30)]

NONE, TOLD, REPLACED = Exclusion("none"), Exclusion("as lm-eval draws"), Exclusion("replace")
EXCLUDING = (TOLD, REPLACED)
# Few values, so that pools have duplicates.
POOLS = st.lists(st.integers(0, 5), min_size=1, max_size=12).map(lambda ns: [{"n": n} for n in ns])


def draws(
    pool: list[dict[str, Any]],
    docs: list[dict[str, Any]],
    count: int = 4,
    *,
    exclusion: Exclusion = NONE,
    seed: int = 7,
    name: str = "default",
) -> list[list[int]]:
    """The positions of the examples of each document."""
    sampler = make_sampler(name, "made", pool, count, seed=seed, exclusion=exclusion)
    return [list(sampler(doc_id, doc)) for doc_id, doc in enumerate(docs)]


def test_draws_are_those_of_one_random_stream_in_document_order() -> None:
    stream = random.Random(7)
    assert draws(POOL, ELSEWHERE) == [stream.sample(range(20), 4) for _ in ELSEWHERE]


def test_one_more_is_drawn_and_dropped_where_a_document_may_be_its_own_example() -> None:
    stream = random.Random(7)
    expected = []
    for doc in POOL:
        drawn = stream.sample(range(20), 5)
        expected.append([i for i in drawn if POOL[i] != doc][:4])
    assert draws(POOL, POOL, exclusion=TOLD) == expected


@pytest.mark.parametrize("exclusion", [TOLD, NONE, REPLACED])
def test_a_limit_does_not_change_the_examples_of_the_first_documents(exclusion: Exclusion) -> None:
    whole = draws(POOL, POOL, exclusion=exclusion)
    assert draws(POOL, POOL[:6], exclusion=exclusion) == whole[:6]


def test_another_seed_draws_other_examples() -> None:
    assert draws(POOL, ELSEWHERE, seed=7) != draws(POOL, ELSEWHERE, seed=8)


def test_the_first_n_are_the_first_n_but_for_the_document_itself() -> None:
    assert draws(POOL, ELSEWHERE[:2], 3, name="first_n") == [[0, 1, 2]] * 2
    found = draws(POOL, POOL[:5], 3, name="first_n", exclusion=TOLD)
    assert found == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2], [0, 1, 2]]


def test_the_first_n_may_be_the_whole_pool_of_documents_that_are_not_evaluated() -> None:
    assert draws(POOL[:3], ELSEWHERE[:1], 3, name="first_n", exclusion=TOLD) == [[0, 1, 2]]


@given(pool=POOLS, count=st.integers(1, 4), seed=st.integers(), name=st.sampled_from(["default", "first_n"]))
@pytest.mark.parametrize("exclusion", EXCLUDING)
def test_a_document_is_never_among_its_own_examples_also_where_it_comes_twice(
    exclusion: Exclusion, pool: list[dict[str, Any]], count: int, seed: int, name: str
) -> None:
    try:
        found = draws(pool, pool, count, exclusion=exclusion, seed=seed, name=name)
    except TaskError:
        fewest = min(sum(other != doc for other in pool) for doc in pool)
        assert fewest < count
        return
    for doc, positions in zip(pool, found, strict=True):
        assert len(set(positions)) == len(positions) == count
        assert all(pool[i] != doc for i in positions)


@given(pool=POOLS, count=st.integers(1, 4), seed=st.integers())
def test_replacing_changes_only_the_examples_that_show_the_document(
    pool: list[dict[str, Any]], count: int, seed: int
) -> None:
    if any(sum(other != doc for other in pool) < count for doc in pool):
        return
    plain = draws(pool, pool, count, seed=seed)
    replaced = draws(pool, pool, count, seed=seed, exclusion=REPLACED)
    for doc, before, after in zip(pool, plain, replaced, strict=True):
        assert [(i, j) for i, j in zip(before, after, strict=True) if i != j and pool[i] != doc] == []


@pytest.mark.parametrize(
    ("name", "exclusion", "needed"),
    [("default", NONE, 4), ("first_n", TOLD, 4), ("default", TOLD, 5)],
)
def test_a_pool_that_is_too_small_is_an_error_with_the_numbers(
    name: str, exclusion: Exclusion, needed: int
) -> None:
    draws(POOL[:needed], ELSEWHERE, name=name, exclusion=exclusion)
    message = f"made: 4 few-shot examples need {needed} documents, but their split has {needed - 1}"
    with pytest.raises(TaskError, match=message):
        draws(POOL[: needed - 1], ELSEWHERE, name=name, exclusion=exclusion)


@pytest.mark.parametrize("name", ["default", "first_n"])
@pytest.mark.parametrize("exclusion", EXCLUDING)
def test_too_few_documents_that_differ_are_an_error(name: str, exclusion: Exclusion) -> None:
    same = [{"n": 1}] * 9 + [{"n": 2}]
    with pytest.raises(TaskError, match="made: too few documents differ"):
        draws(same, same[:5], 4, name=name, exclusion=exclusion)


def test_an_unknown_sampler_is_named_with_those_there_are() -> None:
    with pytest.raises(TaskError, match=r"made: unknown few-shot sampler 'balanced'.*default, first_n"):
        draws(POOL, POOL, name="balanced")


def test_a_documents_examples_do_not_depend_on_which_others_are_asked(maker: TaskMaker) -> None:
    maker.data(ROWS)
    maker.data([{**row, "question": f"shot {row['question']}"} for row in ROWS], "train")

    def asked(compat: bool = False, **options: Any) -> dict[int, str]:
        task = maker.task(AskOptions(num_fewshot=2, compat=compat, **options), training_split="train")
        return {one.doc_id: one.requests[0].prompt_text for one in task.builder}

    everything = asked()
    assert asked(samples={"made": [6, 2]}) == {doc_id: everything[doc_id] for doc_id in (2, 6)}
    assert asked(samples={"other": [6]}) == everything
    # lm-eval draws for the documents that are asked alone
    assert asked(compat=True, samples={"made": [2]})[2].splitlines()[:2] == everything[0].splitlines()[:2]


# The third comes twice. NaN is equal to nothing, itself included.
WITH_NAN = [{**row, "score": float("nan"), "inside": [{"x": float("nan")}]} for row in (*ROWS, ROWS[2])]


@pytest.mark.parametrize(
    "keys",
    [
        {"fewshot_split": "test"},
        {"fewshot_split": "test", "fewshot_config": {"sampler": "first_n"}},
        {},
        {"fewshot_config": {"sampler": "first_n"}},
        {"test_split": None, "validation_split": "test"},
    ],
)
@pytest.mark.parametrize("processed", [False, True])
def test_a_document_with_nan_is_never_among_its_own_examples(
    maker: TaskMaker, keys: dict[str, Any], processed: bool
) -> None:
    maker.data(WITH_NAN)
    own: dict[str, Any] = (
        {"process_docs": maker.function("def same(docs):\n    return docs")} if processed else {}
    )
    asked = list(maker.task(AskOptions(num_fewshot=4), **keys, **own).builder)
    for one in asked:
        prompt = one.requests[0].prompt_text
        assert prompt.count(f"{one.doc['question']}") == 1
        assert prompt.count("q") == 5
    maker.data([{**row, "score": None, "inside": []} for row in WITH_NAN])
    plain = [one.requests[0] for one in maker.task(AskOptions(num_fewshot=4), **keys, **own).builder]
    assert [one.requests[0] for one in asked] == plain


def test_with_compat_a_document_with_nan_is_equal_to_none_as_in_lm_eval(maker: TaskMaker) -> None:
    maker.data(WITH_NAN)
    own: dict[str, Any] = {"fewshot_split": "test", "fewshot_config": {"sampler": "first_n"}}
    task = maker.task(AskOptions(num_fewshot=4, compat=True), **own)
    assert [one.requests[0].prompt_text.count("q0") for one in task.builder] == [2, *[1] * 8]


def test_another_splits_document_at_the_same_position_may_be_an_example(maker: TaskMaker) -> None:
    maker.data(WITH_NAN)
    maker.data([{**row, "question": f"shot {row['question']}"} for row in WITH_NAN[:2]], "train")
    for key in ("training_split", "fewshot_split"):
        named: dict[str, Any] = {key: "train"}
        task = maker.task(AskOptions(num_fewshot=2), **named)
        assert all(one.requests[0].prompt_text.count("shot") == 2 for one in task.builder)


def test_a_pool_that_was_processed_otherwise_is_not_compared_by_position(maker: TaskMaker) -> None:
    maker.data(WITH_NAN[:3])
    turned = maker.function("def turned(docs):\n    return docs.select(range(len(docs) - 1, -1, -1))")
    pool: dict[str, Any] = {
        "fewshot_split": "test",
        "fewshot_config": {"sampler": "first_n", "process_docs": turned},
    }
    prompts = [one.requests[0].prompt_text for one in maker.task(AskOptions(num_fewshot=1), **pool).builder]
    assert [prompt.splitlines()[0] for prompt in prompts] == ["q2 a2", "q2 a2", "q1 a1"]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [([8], "there is no document 8, only 8"), ([-1], "there is no document -1"), ([], "names no document")],
)
def test_a_document_that_is_not_there_cannot_be_asked(
    maker: TaskMaker, wanted: list[int], message: str
) -> None:
    maker.data(ROWS)
    with pytest.raises(TaskError, match=f"made: --samples: {message}"):
        list(maker.task(AskOptions(samples={"made": wanted})).builder)
