"""Prompts of any documents and delimiters are what a simple model writes, or a TaskError says why not."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.requests import Request, Response
from tasks_lib.ask_options import AskOptions
from tasks_lib.errors import TaskError
from tasks_lib.scoring.scorer import Answered
from tasks_lib.task import Task
from tests.support.anything import json_values, mostly, texts
from tests.support.task_maker import TaskMaker, prompts, requests

FIELDS = ("question", "answer", "choices", "label")
# Without what Jinja reads or, as "\r", writes otherwise; and no field.
beside = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="{}\r"), max_size=6).filter(
    lambda text: text not in FIELDS
)
delimiters = st.sampled_from(["", " ", "\n", "\n\n", " : "]) | beside
templates = st.sampled_from(
    [
        *FIELDS,
        "{{question}}",
        "{{answer.strip()}}",
        "{{choices[0]}}",
        "{{choices|join(', ')}}",
        "{{choices}}",
        "{% for one in choices %}{{one}};{% endfor %}",
        "{{label + 1}}",
        "{{ 1 / label }}",
        "{{gone}}",
        "{{question",
    ]
) | st.text(st.sampled_from("{}%#|()[]'\".:+-~ aquestion"), max_size=12)

words = st.text(st.characters(exclude_categories=()), max_size=6)
plain_documents = st.fixed_dictionaries(
    {
        "question": words,
        "answer": words,
        "choices": st.lists(words, min_size=1, max_size=3),
        "label": st.integers(0, 0),
    }
)
documents = st.fixed_dictionaries(
    {},
    optional={
        "question": mostly(words, json_values),
        "answer": mostly(words, json_values),
        "choices": mostly(st.lists(words, min_size=1, max_size=3), json_values),
        "label": mostly(st.integers(0, 2), json_values),
        "": json_values,
    },
)


class Chat:
    """Writes messages down; what it was given is kept."""

    def __init__(self) -> None:
        self.given: list[list[Mapping[str, str]]] = []

    def __call__(self, messages: Sequence[Mapping[str, str]], *, continue_final: bool) -> str:
        self.given.append(list(messages))
        return "".join(f"<{one['role']}>{one['content']}" for one in messages)


# The model


def joined(before: str, after: str, delimiter: str) -> str:
    """Two texts, and the delimiter where both are something and no white space parts them."""
    if not before or not after:
        return before + after
    return before + ("" if before[-1].isspace() or after[0].isspace() else delimiter) + after


def expected_prompt(
    doc: Mapping[str, Any], shots: Sequence[Mapping[str, Any]], keys: Mapping[str, str], instruction: str
) -> str:
    """A prompt as lm-eval's rules say, written out for texts: system, examples, question, begun answer."""
    target, between, begun = keys["target_delimiter"], keys["fewshot_delimiter"], keys["gen_prefix"]
    prompt = joined(instruction, keys["description"], between)
    for shot in shots:
        question, answer = shot["question"], shot["answer"]
        if answer:
            parted = not begun or (question and joined(question, begun, "|") != question + begun)
            prompt += question + (target if parted else "") + joined(begun, answer, " ") + between
        else:
            prompt += joined(question, begun, target)
    return prompt + joined(doc["question"], begun, target)


@given(
    st.lists(plain_documents, min_size=1, max_size=3),
    st.lists(plain_documents, max_size=3),
    st.fixed_dictionaries(
        {
            "description": beside,
            "target_delimiter": delimiters,
            "fewshot_delimiter": delimiters,
            "gen_prefix": beside,
        }
    ),
    beside,
)
def test_a_prompt_is_what_the_rules_write(
    maker: TaskMaker,
    docs: list[dict[str, Any]],
    shots: list[dict[str, Any]],
    keys: dict[str, Any],
    instruction: str,
) -> None:
    maker.data(docs)
    task = maker.task(
        AskOptions(system_instruction=instruction),
        doc_to_text="question",
        num_fewshot=len(shots),
        fewshot_config={"sampler": "first_n", "samples": shots},
        **keys,
    )
    asked = prompts(task)
    assert asked == [expected_prompt(doc, shots, keys, instruction) for doc in docs]
    if not keys["gen_prefix"]:
        assert all(prompt.endswith(doc["question"]) for prompt, doc in zip(asked, docs, strict=True))


@given(st.integers(2, 7), st.integers(0, 5), st.integers(0, 2**32), st.sampled_from(["default", "first_n"]))
def test_examples_are_different_documents_and_never_the_evaluated_one(
    maker: TaskMaker, size: int, count: int, seed: int, sampler: str
) -> None:
    maker.data([{"question": f"<{i}>", "answer": f"({i})"} for i in range(size)])
    task = maker.task(AskOptions(seed=seed), num_fewshot=count, fewshot_config={"sampler": sampler})
    if count >= size:
        with pytest.raises(TaskError, match="num_fewshot"):
            prompts(task)
        return
    for position, prompt in enumerate(prompts(task)):
        shown = [i for i in range(size) if f"<{i}> ({i})\n\n" in prompt]
        assert len(shown) == count == prompt.count("(")
        assert position not in shown
        assert prompt.endswith(f"<{position}>")


@given(
    st.lists(plain_documents, min_size=1, max_size=4),
    st.floats(0.01, 0.99) | st.integers(1, 6),
    st.integers(0, 9),
)
def test_a_limit_leaves_the_first_prompts_as_they_are(
    maker: TaskMaker, docs: list[dict[str, Any]], limit: float, seed: int
) -> None:
    maker.data(docs)
    maker.data([{"question": f"e{i}", "answer": f"{i}"} for i in range(5)], "train")
    keys: dict[str, Any] = {"training_split": "train", "num_fewshot": 2, "doc_to_text": "question"}
    whole = prompts(maker.task(AskOptions(seed=seed), **keys))
    count = math.ceil(len(docs) * limit) if limit < 1 else int(limit)
    assert prompts(maker.task(AskOptions(seed=seed, limit=limit), **keys)) == whole[:count]


@given(
    st.lists(plain_documents, min_size=1, max_size=3), st.lists(plain_documents, max_size=2), beside, beside
)
def test_a_chat_is_the_system_the_examples_and_the_question_in_turns(
    maker: TaskMaker, docs: list[dict[str, Any]], shots: list[dict[str, Any]], description: str, begun: str
) -> None:
    maker.data(docs)
    chat = Chat()
    own: dict[str, Any] = {"sampler": "first_n", "samples": shots}
    task = maker.task(
        chat=chat,
        doc_to_text="question",
        description=description,
        gen_prefix=begun,
        num_fewshot=len(shots),
        fewshot_config=own,
    )
    requests(task)
    for doc, messages in zip(docs, chat.given, strict=True):
        said = [(one["role"], one["content"]) for one in messages]
        turns: list[tuple[str, str]] = [("system", description)] if description else []
        for shot in shots:
            answer = joined(begun, shot["answer"], " ") if shot["answer"] else begun
            turns += [("user", shot["question"]), *([("assistant", answer)] if answer else [])]
        turns += [("user", doc["question"]), *([("assistant", begun)] if begun else [])]
        assert said == turns


@given(st.lists(plain_documents, min_size=1, max_size=3), delimiters)
def test_a_choice_is_asked_for_after_the_delimiter_each_once(
    maker: TaskMaker, docs: list[dict[str, Any]], delimiter: str
) -> None:
    maker.data(docs)
    task = maker.task(
        output_type="multiple_choice",
        doc_to_text="question",
        doc_to_choice="choices",
        doc_to_target="label",
        target_delimiter=delimiter,
    )
    assert requests(task) == [
        [Request("loglikelihood", doc["question"], delimiter + choice) for choice in doc["choices"]]
        for doc in docs
    ]


# Anything


METRICS: dict[str, list[str]] = {
    "loglikelihood": ["acc", "perplexity"],
    "loglikelihood_rolling": ["word_perplexity", "bits_per_byte"],
    "multiple_choice": ["acc", "acc_norm", "acc_mutual_info", "exact_match", "brier_score", "f1", "mcc"],
    "generate_until": ["exact_match", "bleu", "chrf", "ter", "f1", "bypass"],
}
FILTERS: list[Any] = [
    None,
    [{"name": "f", "filter": [{"function": "take_first"}]}],
    [{"name": "f", "filter": [{"function": "regex", "regex_pattern": "(.)"}, {"function": "take_first"}]}],
]


def asked(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    """The keys of a task of an output type."""
    with_choices = kind == "multiple_choice"
    lists = st.lists(json_values, max_size=2)
    metrics = st.lists(st.sampled_from(METRICS[kind]), min_size=1, max_size=3, unique=True)
    any_metrics = st.lists(st.sampled_from([name for one in METRICS.values() for name in one]), max_size=2)
    return st.fixed_dictionaries(
        {
            "output_type": st.just(kind),
            "doc_to_text": mostly(st.just("{{question}}"), templates | st.integers(-2, 2)),
            "doc_to_target": mostly(
                st.just("label" if with_choices else "answer"), templates | st.integers(-2, 2) | lists
            ),
            "doc_to_choice": mostly(
                st.just("choices" if with_choices else None),
                templates | lists | st.dictionaries(texts, json_values, max_size=2),
            ),
        },
        optional={
            "description": mostly(beside, templates),
            "gen_prefix": mostly(beside, templates),
            "num_fewshot": mostly(st.integers(0, 1), st.integers(2, 4)),
            "training_split": st.sampled_from(["test", "train"]),
            "fewshot_config": st.fixed_dictionaries(
                {},
                optional={
                    "sampler": st.sampled_from(["default", "first_n"]),
                    "samples": st.lists(mostly(plain_documents, documents), min_size=2, max_size=3),
                    "doc_to_text": templates,
                    "doc_to_target": templates,
                    "doc_to_choice": templates,
                },
            ),
            "generation_kwargs": st.dictionaries(
                st.sampled_from(["until", "temperature", "do_sample", "max_gen_toks"]),
                json_values,
                max_size=1,
            ),
            "metric_list": mostly(metrics, any_metrics).map(lambda names: [{"metric": one} for one in names]),
            "filter_list": mostly(st.sampled_from(FILTERS[:2]), st.sampled_from(FILTERS)),
        },
    )


tasks = st.sampled_from(sorted(METRICS)).flatmap(asked)
responses = st.builds(
    Response,
    text=words,
    logprob=st.floats(max_value=0) | st.just(-math.inf),
    is_greedy=st.booleans(),
)


def evaluated(task: Task, answer: Callable[[], Response]) -> None:
    """All that a run does with a task, but for a model."""
    task.scorer.check()
    answered = [Answered(asked, [[answer()] for _ in asked.requests]) for asked in task.builder]
    samples = list(task.scorer.samples(answered))
    for score in task.scorer.aggregate(samples, compat=True):
        assert isinstance(score.value, float)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numpy's, of choices that are empty
@given(tasks, st.lists(mostly(plain_documents, documents), min_size=2, max_size=4), st.booleans(), st.data())
def test_a_task_that_says_anything_of_any_documents_is_scored_or_a_task_error_with_its_file(
    maker: TaskMaker, keys: dict[str, Any], docs: list[dict[str, Any]], follows: bool, data: st.DataObject
) -> None:
    maker.data(docs)
    maker.data(docs[::-1], "train")
    task = maker.task(AskOptions(compat=follows), **keys)
    said = ""
    try:
        evaluated(task, lambda: data.draw(responses))
    except TaskError as error:
        said = str(error)
    if said:
        assert said.startswith("made: ")
        assert said.endswith(f"(in {maker.file})")


@given(st.lists(documents, min_size=1, max_size=3), templates, templates)
def test_any_template_renders_texts_or_a_task_error(
    maker: TaskMaker, docs: list[dict[str, Any]], text: str, target: str
) -> None:
    maker.data(docs)
    with suppress(TaskError):
        asked = requests(maker.task(output_type="loglikelihood", doc_to_text=text, doc_to_target=target))
        assert all(isinstance(one.prompt_text + one.continuation, str) for own in asked for one in own)
