"""What a model is asked for each document, and what a task that cannot be asked says."""

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

import pytest

from backends.requests import Request
from tasks_lib.ask_options import AskOptions
from tasks_lib.errors import TaskError
from tasks_lib.files.config import FunctionRef
from tests.support.task_maker import ROWS, TaskMaker, prompts, requests

CHOICES: dict[str, Any] = {
    "output_type": "multiple_choice",
    "doc_to_choice": "choices",
    "doc_to_target": "label",
}


@pytest.fixture
def made(maker: TaskMaker) -> TaskMaker:
    """Eight documents to evaluate and three for examples."""
    maker.data(ROWS)
    maker.data([{**row, "question": f"shot {row['question']}"} for row in ROWS[:3]], "train")
    return maker


def chat(messages: Sequence[Mapping[str, str]], *, continue_final: bool) -> str:
    turns = "".join(f"<{message['role']}>{message['content']}" for message in messages)
    return turns if continue_final else f"{turns}<assistant>"


# Kinds of requests


def test_a_generation_is_one_request_a_document(made: TaskMaker) -> None:
    generation = {"until": ["\n"], "max_gen_toks": 5}
    asked = requests(made.task(generation_kwargs=generation))
    assert asked == [[Request("generate_until", f"q{i}", generation=generation)] for i in range(8)]


def test_a_choice_is_one_request_with_the_delimiter_before_it(made: TaskMaker) -> None:
    first, *_ = requests(made.task(**CHOICES))
    assert first == [Request("loglikelihood", "q0", " a0"), Request("loglikelihood", "q0", " b0")]


def test_mutual_information_also_asks_for_choices_without_the_prompt(made: TaskMaker) -> None:
    first, *_ = requests(made.task(**CHOICES, metric_list=[{"metric": "acc_mutual_info"}]))
    assert [(one.prompt, one.continuation) for one in first] == [
        ("q0", " a0"),
        ("q0", " b0"),
        ("", " a0"),
        ("", " b0"),
    ]


def test_choices_are_contexts_where_the_text_is_an_index(made: TaskMaker) -> None:
    task = made.task(**{**CHOICES, "doc_to_text": "{{label}}", "doc_to_target": "so {{question}}"})
    first, *_ = requests(task)
    assert [(one.prompt, one.continuation) for one in first] == [("a0", " so q0"), ("b0", " so q0")]


def test_a_target_is_asked_for_as_it_stands(made: TaskMaker) -> None:
    first, *_ = requests(made.task(output_type="loglikelihood"))
    assert first == [Request("loglikelihood", "q0", "a0")]


def test_a_rolling_task_asks_for_the_target_alone_whatever_the_examples(made: TaskMaker) -> None:
    task = made.task(AskOptions(num_fewshot=2), output_type="loglikelihood_rolling", description="D")
    first, *_ = requests(task)
    assert first == [Request("loglikelihood_rolling", "a0")]


# Prompts


def test_a_prompt_is_instruction_description_examples_and_question(made: TaskMaker) -> None:
    task = made.task(
        AskOptions(system_instruction="Be brief."),
        description="Count.\n",
        num_fewshot=1,
        training_split="train",
        fewshot_config={"sampler": "first_n"},
    )
    assert prompts(task)[1] == "Be brief.\n\nCount.\nshot q0 a0\n\nq1"


def test_a_description_is_rendered_for_each_document(made: TaskMaker) -> None:
    assert prompts(made.task(description="About {{answer}}: "))[:2] == ["About a0: q0", "About a1: q1"]


def test_an_example_may_be_written_otherwise_than_a_document(made: TaskMaker) -> None:
    own: dict[str, Any] = {
        "sampler": "first_n",
        "doc_to_text": "E {{question}}",
        "doc_to_target": "{{answer}}!",
        "target_delimiter": "->",
        "fewshot_delimiter": "##",
    }
    task = made.task(num_fewshot=2, training_split="train", fewshot_config=own)
    assert prompts(task)[0] == "E shot q0->a0!##E shot q1->a1!##q0"


def test_an_example_without_an_answer_is_its_question_alone(made: TaskMaker) -> None:
    own: dict[str, Any] = {"sampler": "first_n", "samples": [{"question": "hint", "answer": ""}]}
    assert prompts(made.task(num_fewshot=1, fewshot_config=own))[0] == "hintq0"


def test_an_answer_that_is_begun_stands_in_examples_and_at_the_end(made: TaskMaker) -> None:
    own: dict[str, Any] = {"sampler": "first_n"}
    task = made.task(num_fewshot=1, training_split="train", fewshot_config=own, gen_prefix="It is")
    assert prompts(task)[0] == "shot q0 It is a0\n\nq0 It is"


def test_a_chat_template_gets_roles_and_no_delimiter_stands_before_a_choice(made: TaskMaker) -> None:
    own: dict[str, Any] = {
        "num_fewshot": 1,
        "training_split": "train",
        "fewshot_config": {"sampler": "first_n"},
    }
    first, *_ = requests(made.task(chat=chat, description="D", **own, **CHOICES))
    assert first[0].prompt == "<system>D<user>shot q0<assistant>a0<user>q0<assistant>"
    assert [one.continuation for one in first] == ["a0", "b0"]


def test_a_delimiter_stands_before_a_choice_of_a_chat_where_an_answer_was_begun(made: TaskMaker) -> None:
    first, *_ = requests(made.task(chat=chat, gen_prefix="It is", **CHOICES))
    assert first[0].prompt == "<user>q0<assistant>It is"
    assert [one.continuation for one in first] == [" a0", " b0"]


# Options of a run


@pytest.mark.parametrize(("limit", "count"), [(None, 8), (3, 3), (100, 8), (0.5, 4), (0.3, 3), (1, 1)])
def test_a_limit_is_a_number_of_documents_or_below_one_a_fraction_rounded_up(
    made: TaskMaker, limit: float | None, count: int
) -> None:
    assert prompts(made.task(AskOptions(limit=limit))) == [f"q{i}" for i in range(count)]


def test_a_limit_does_not_change_what_is_asked_for_the_first_documents(made: TaskMaker) -> None:
    whole = prompts(made.task(num_fewshot=2))
    assert prompts(made.task(AskOptions(limit=3), num_fewshot=2)) == whole[:3]


@pytest.mark.parametrize(
    ("own", "asked", "count"), [(None, None, 0), (2, None, 2), (2, 3, 3), (None, 1, 1), (0, 3, 0), (2, 0, 0)]
)
def test_a_run_sets_the_number_of_examples_unless_the_task_says_none(
    made: TaskMaker, own: int | None, asked: int | None, count: int
) -> None:
    task = made.task(AskOptions(num_fewshot=asked), num_fewshot=own, training_split="train")
    assert task.builder.num_fewshot == count
    assert all(prompt.count("shot") == count for prompt in prompts(task))


def test_examples_of_another_split_are_lm_evals_draws_of_that_seed(made: TaskMaker) -> None:
    stream = random.Random(5)
    keys: dict[str, Any] = {"training_split": "train", "fewshot_split": "train", "num_fewshot": 2}
    for i, prompt in enumerate(prompts(made.task(AskOptions(seed=5), **keys))):
        drawn = stream.sample(range(3), 2)
        assert prompt == "".join(f"shot q{n} a{n}\n\n" for n in drawn) + f"q{i}"


def test_no_document_is_its_own_example_but_where_lm_eval_is_followed(made: TaskMaker) -> None:
    ours = prompts(made.task(num_fewshot=7))
    assert all(f"q{i} a{i}" not in prompt for i, prompt in enumerate(ours))
    followed = prompts(made.task(AskOptions(compat=True), num_fewshot=7))
    assert any(f"q{i} a{i}" in prompt for i, prompt in enumerate(followed))


def test_a_generation_ends_at_the_examples_delimiter_unless_the_task_says_where(made: TaskMaker) -> None:
    assert made.task(fewshot_delimiter="##").builder.generation == {
        "until": ["##"],
        "temperature": 0.0,
        "do_sample": False,
        "max_gen_toks": 256,
    }
    assert made.task(generation_kwargs={"top_k": 1}).builder.generation == {"until": ["\n\n"], "top_k": 1}
    assert made.task(generation_kwargs={"until": []}).builder.generation == {"until": []}


def test_a_run_replaces_generation_parameters_key_by_key(made: TaskMaker) -> None:
    options = AskOptions(generation={"max_gen_toks": 9, "top_p": 0.5})
    task = made.task(options, generation_kwargs={"until": ["\n"], "max_gen_toks": 5})
    assert task.builder.generation == {"until": ["\n"], "max_gen_toks": 9, "top_p": 0.5}


@pytest.mark.parametrize(
    ("generation", "sampled"),
    [
        ({"temperature": 0.7}, True),
        ({"temperature": 0.7, "do_sample": True}, True),
        ({"do_sample": True}, True),
        ({"temperature": 0.7, "do_sample": False}, False),
        ({"temperature": 0}, False),
        ({}, False),
    ],
)
def test_a_seed_is_part_of_generations_that_are_sampled(
    made: TaskMaker, generation: dict[str, Any], sampled: bool
) -> None:
    asked = made.task(AskOptions(seed=5), generation_kwargs=generation).builder.generation
    assert asked == {**({"seed": 5} if sampled else {}), "until": ["\n\n"], **generation}


@pytest.mark.parametrize("temperature", [0, 0.0, "0", "0.0"])
def test_at_a_temperature_of_0_nothing_is_drawn(made: TaskMaker, temperature: object) -> None:
    drawn = {"do_sample": True, "temperature": 0.8, "until": ["\n"]}
    task = made.task(AskOptions(seed=5, generation={"temperature": temperature}), generation_kwargs=drawn)
    assert task.builder.generation == {"do_sample": False, "temperature": temperature, "until": ["\n"]}


def test_equal_drawn_requests_are_counted_in_the_order_of_the_documents(maker: TaskMaker) -> None:
    maker.data([{"question": name} for name in ("a", "b", "a", "a", "b")])
    drawn = {"do_sample": True, "temperature": 0.8}

    def draws(options: AskOptions, generation: dict[str, Any]) -> dict[int, list[int]]:
        builder = maker.task(options, generation_kwargs=generation).builder
        return {one.doc_id: [request.draw for request in one.requests] for one in builder}

    assert draws(AskOptions(), drawn) == {0: [0], 1: [0], 2: [1], 3: [2], 4: [1]}
    assert draws(AskOptions(limit=3), drawn) == {0: [0], 1: [0], 2: [1]}
    assert draws(AskOptions(samples={"made": [3, 4]}), drawn) == {3: [2], 4: [1]}
    assert draws(AskOptions(), {"temperature": 0}) == {doc_id: [0] for doc_id in range(5)}


def test_a_seed_that_is_given_wins(made: TaskMaker) -> None:
    task = made.task(AskOptions(generation={"seed": 9}), generation_kwargs={"do_sample": True})
    assert task.builder.generation["seed"] == 9


# Tasks that cannot be asked


def refusal(task_of: Callable[[], object]) -> str:
    with pytest.raises(TaskError) as caught:
        task_of()
    return str(caught.value)


@pytest.mark.parametrize("key", ["doc_to_text", "doc_to_target", "description", "gen_prefix"])
def test_an_undefined_variable_is_named_with_the_fields_there_are(made: TaskMaker, key: str) -> None:
    keys: dict[str, Any] = {"output_type": "loglikelihood", key: "{{quesion}}"}
    task = made.task(**keys)
    message = refusal(lambda: requests(task))
    assert message.startswith(f"made: {key}, document 0: UndefinedError: 'quesion' is undefined")
    assert "the document has question, answer, choices, label" in message
    assert message.endswith(f"(in {made.file})")


def test_the_document_an_error_is_in_is_named(maker: TaskMaker) -> None:
    maker.data([*ROWS[:2], {**ROWS[2], "question": None}])
    message = refusal(lambda: requests(maker.task(doc_to_text="{{question.upper()}}")))
    assert message.startswith("made: doc_to_text, document 2: UndefinedError")


@pytest.mark.parametrize("choices", ["{{label}}", "label", "{{[]}}", {}])
def test_choices_that_are_no_list_are_an_error(made: TaskMaker, choices: object) -> None:
    message = refusal(lambda: requests(made.task(**{**CHOICES, "doc_to_choice": choices})))
    assert message.startswith("made: doc_to_choice, document 0: gives ")
    assert "not a list of choices" in message


@pytest.mark.parametrize("choices", ["chioces", "{{question}}", "{{choices[0]}}, b"])
def test_a_template_of_choices_that_writes_no_list_is_an_error_with_what_it_writes(
    made: TaskMaker, choices: str
) -> None:
    message = refusal(lambda: requests(made.task(**{**CHOICES, "doc_to_choice": choices})))
    assert message.startswith("made: doc_to_choice, document 0: gives '")
    assert "', which is not written as a list" in message


@pytest.mark.parametrize("choice", [None, 1, ["a"]])
def test_a_choice_that_is_no_text_is_an_error_before_the_model_is_asked(
    maker: TaskMaker, choice: object
) -> None:
    maker.data([ROWS[0], {**ROWS[1], "choices": ["a1", choice]}])
    message = refusal(lambda: requests(maker.task(**CHOICES)))
    assert message == (
        f"made: doc_to_choice, document 1: choice 1 is {choice!r}, not a text (in {maker.file})"
    )


def test_task_code_that_scores_may_have_choices_of_any_kind(made: TaskMaker) -> None:
    score = made.function("def score(doc, results):\n    return {'acc': 1}")
    first, *_ = requests(made.task(**{**CHOICES, "doc_to_choice": [1, 2]}, process_results=score))
    assert [one.continuation for one in first] == [" 1", " 2"]


@pytest.mark.parametrize("label", [-1, -9, 2, 10**30, [], [-1], [5, -2]])
def test_a_label_that_is_no_choice_is_an_error_but_where_lm_eval_is_followed(
    maker: TaskMaker, label: object
) -> None:
    maker.data([{**ROWS[0], "label": label}])
    message = refusal(lambda: requests(maker.task(**CHOICES)))
    assert message.startswith(f"made: doc_to_target, document 0: the label {label!r} is none of the choices")
    assert requests(maker.task(AskOptions(compat=True), **CHOICES))


@pytest.mark.parametrize(("key", "value"), [("description", 5), ("gen_prefix", [1])])
def test_what_stands_beside_the_question_must_be_text(maker: TaskMaker, key: str, value: object) -> None:
    maker.data([{**ROWS[0], "beside": value}])
    keys: dict[str, Any] = {key: "beside"}
    message = refusal(lambda: requests(maker.task(**keys)))
    assert message == f"made: {key}, document 0: gives {value!r}, not a text (in {maker.file})"


def test_a_field_that_is_null_is_nothing_beside_the_question_and_an_error_as_the_question(
    maker: TaskMaker,
) -> None:
    maker.data([ROWS[0], {**ROWS[1], "question": None}])
    message = refusal(lambda: requests(maker.task(doc_to_text="question")))
    assert message == f"made: doc_to_text, document 1: gives None, not a text (in {maker.file})"
    assert prompts(maker.task(doc_to_text="Q", description="question", gen_prefix="question"))[1] == "Q"


def test_a_template_writes_none_for_a_field_that_is_null_as_lm_eval_does(maker: TaskMaker) -> None:
    maker.data([{**ROWS[0], "question": None}])
    assert prompts(maker.task(doc_to_text="Q: {{question}}")) == ["Q: None"]


@pytest.mark.parametrize("kind", ["loglikelihood", "loglikelihood_rolling"])
def test_a_target_that_is_no_text_is_an_error(made: TaskMaker, kind: str) -> None:
    message = refusal(lambda: requests(made.task(output_type=kind, doc_to_target="label")))
    assert message == f"made: doc_to_target, document 0: gives 0, not a text (in {made.file})"


def test_a_question_that_is_no_text_is_an_error(made: TaskMaker) -> None:
    message = refusal(lambda: requests(made.task(doc_to_text="label")))
    assert message == f"made: doc_to_text, document 0: gives 0, not a text (in {made.file})"


def test_a_function_that_fails_is_an_error_of_its_key(made: TaskMaker) -> None:
    fail = made.function("def fail(doc):\n    return doc['nothing']")
    message = refusal(lambda: requests(made.task(doc_to_text=fail)))
    assert message.startswith("made: doc_to_text, document 0: KeyError: 'nothing'; the document has question")


def test_an_example_that_fails_is_named_by_its_place_in_the_pool(made: TaskMaker) -> None:
    own: dict[str, Any] = {"samples": [{"question": "?"}], "sampler": "first_n"}
    message = refusal(lambda: requests(made.task(num_fewshot=1, fewshot_config=own)))
    assert message.startswith("made: few-shot example, document 0: KeyError: 'answer'; the document has q")


def test_a_template_that_is_none_is_an_error_before_any_document(made: TaskMaker) -> None:
    message = refusal(lambda: made.task(doc_to_text="{{question").builder.readers)
    assert message.startswith("made: doc_to_text: TemplateSyntaxError")


def test_a_task_without_doc_to_text_is_an_error(made: TaskMaker) -> None:
    message = refusal(lambda: requests(made.task(doc_to_text=None)))
    assert message == f"made: doc_to_text: is missing (in {made.file})"


@pytest.mark.parametrize("kind", ["loglikelihood", "loglikelihood_rolling", "generate_until"])
def test_a_task_without_doc_to_target_is_an_error(made: TaskMaker, kind: str) -> None:
    task = made.task(output_type=kind, doc_to_target=None)
    assert refusal(lambda: requests(task)) == f"made: doc_to_target: is missing (in {made.file})"


def test_a_task_of_choices_without_doc_to_choice_is_an_error(made: TaskMaker) -> None:
    message = refusal(lambda: requests(made.task(output_type="multiple_choice")))
    assert message == f"made: doc_to_choice: is missing (in {made.file})"


@pytest.mark.parametrize("temperature", ["warm", None])
def test_a_temperature_that_is_no_number_is_an_error(made: TaskMaker, temperature: object) -> None:
    task = made.task(generation_kwargs={"temperature": temperature})
    assert refusal(lambda: requests(task)).startswith("made: generation_kwargs: ")
    task = made.task(AskOptions(generation={"temperature": "warm"}), generation_kwargs={})
    assert refusal(lambda: requests(task)).startswith("made: generation_kwargs: ")


@pytest.mark.parametrize(
    ("generation", "said"),
    [
        ({"until": 5}, "`until` wants a text or a list of texts, not 5"),
        ({"until": ["a", None]}, "`until` wants a text or a list of texts, not ['a', None]"),
        ({"max_gen_toks": "many"}, "`max_gen_toks` wants a number of tokens of at least 1, not 'many'"),
        ({"max_new_tokens": 0}, "`max_new_tokens` wants a number of tokens of at least 1, not 0"),
        ({"max_tokens": float("inf")}, "`max_tokens` wants a number of tokens of at least 1, not inf"),
        ({"temperature": float("nan")}, "temperature=nan is not a number from 0 on"),
        ({"temperature": -0.5}, "temperature=-0.5 is not a number from 0 on"),
        ({"do_sample": "no"}, "`do_sample` wants true or false, not 'no'"),
        ({"day": date(2001, 1, 1)}, "`day` wants a text, a number or a list or mapping of these, not"),
        ({"sets": [{1}]}, "`sets` wants a text, a number or a list or mapping of these, not"),
    ],
)
def test_a_generation_parameter_that_means_nothing_is_an_error_of_the_task_or_the_run(
    made: TaskMaker, generation: dict[str, Any], said: str
) -> None:
    message = refusal(lambda: requests(made.task(generation_kwargs=generation)))
    assert message.startswith(f"made: generation_kwargs: {said}")
    assert message.endswith(f"(in {made.file})")
    asked = made.task(AskOptions(generation=generation))
    assert refusal(lambda: requests(asked)).startswith(f"made: generation_kwargs: {said}")


@pytest.mark.parametrize("until", [None, [], "stop", ["a", "b"]])
def test_stop_sequences_are_nothing_a_text_or_texts(made: TaskMaker, until: object) -> None:
    assert made.task(generation_kwargs={"until": until}).builder.generation == {"until": until}


@pytest.mark.parametrize(
    ("count", "keys", "said"),
    [
        (9, {}, "num_fewshot: 9 few-shot examples need 9 documents, but their split has 8"),
        (1, {"sampler": "frst_n"}, "fewshot_config.sampler: unknown few-shot sampler 'frst_n'; there are: d"),
        (1, {"samples": []}, "num_fewshot: 1 few-shot examples need 1 documents, but their split has 0"),
    ],
)
def test_examples_that_cannot_be_drawn_are_said_with_key_and_file(
    made: TaskMaker, count: int, keys: dict[str, Any], said: str
) -> None:
    message = refusal(lambda: requests(made.task(num_fewshot=count, fewshot_config=keys)))
    assert message.startswith(f"made: {said}")
    assert message.endswith(f"(in {made.file})")


def test_equal_documents_are_too_few_for_examples_of_one(maker: TaskMaker) -> None:
    maker.data([ROWS[0]] * 4)
    message = refusal(lambda: requests(maker.task(num_fewshot=2)))
    assert message.startswith("made: num_fewshot, document 0: too few documents differ from the evaluated")


@pytest.mark.parametrize(
    ("sample", "said"),
    [({"label": 9}, "the label 9 is no index of the 2 choices"), ({"label": []}, "is None, not a text")],
)
def test_an_example_whose_label_is_no_choice_is_an_error(
    made: TaskMaker, sample: dict[str, Any], said: str
) -> None:
    own = {"samples": [{**ROWS[0], **sample}], "sampler": "first_n"}
    message = refusal(lambda: requests(made.task(num_fewshot=1, fewshot_config=own, **CHOICES)))
    assert message.startswith("made: few-shot example, document 0: ")
    assert said in message


@pytest.mark.parametrize(
    ("key", "value"),
    [("use_prompt", "p")],
)
def test_a_task_that_needs_what_is_not_there_yet_is_refused(made: TaskMaker, key: str, value: object) -> None:
    keys: dict[str, Any] = {key: value}
    message = refusal(lambda: requests(made.task(**keys)))
    assert message.startswith(f"made: {key}: ")
    assert "not supported yet" in message


@pytest.mark.parametrize("key", ["sampler", "fewshot_indices"])
def test_what_is_not_read_is_refused(made: TaskMaker, key: str) -> None:
    value = made.function("class Own:\n    pass") if key == "sampler" else [0, 1]
    message = refusal(lambda: requests(made.task(num_fewshot=1, fewshot_config={key: value})))
    assert message.startswith(f"made: fewshot_config.{key}: ")
    assert message.endswith(f"(in {made.file})")


# Sampler classes

SAMPLER = """
from lm_eval.api.samplers import ContextSampler

class Own(ContextSampler):
    def sample(self, n, eval_doc=None, df=None, **kwargs):
        drawn = self.df[self.rnd.randrange(len(self.df))]
        told = {"question": f"told {eval_doc and eval_doc['question']}", "answer": "yes"}
        return [drawn, told][:n]

class Same(ContextSampler):
    def sample(self, n, eval_doc=None, df=None, **kwargs):
        return self.df[2 : 2 + n]
"""


def examples(made: TaskMaker, name: str, seed: int = 5, **keys: Any) -> list[list[str]]:
    """The examples before each document, by a sampler class."""
    (made.folder / "functions.py").write_text(SAMPLER)
    sampler = {"sampler": FunctionRef(made.folder, f"functions.{name}")}
    task = made.task(AskOptions(seed=seed), num_fewshot=2, fewshot_config=sampler, **keys)
    return [prompt.split("\n\n")[:-1] for prompt in prompts(task)]


def test_a_sampler_class_is_asked_for_each_document_in_order(made: TaskMaker) -> None:
    stream = random.Random(5)
    drawn = [f"shot q{number} a{number}" for number in (stream.randrange(3) for _ in ROWS)]
    assert examples(made, "Own", training_split="train") == [[one, "told None yes"] for one in drawn]
    assert examples(made, "Own", seed=6, training_split="train") != examples(
        made, "Own", training_split="train"
    )


def test_a_sampler_class_is_told_the_document_where_lm_eval_tells_it(made: TaskMaker) -> None:
    found = examples(made, "Own", fewshot_split="test")
    assert [own[1] for own in found] == [f"told q{number} yes" for number in range(8)]


def test_a_document_is_no_example_of_itself_by_a_sampler_class_either(made: TaskMaker) -> None:
    found = examples(made, "Same")
    assert found[0] == ["q2 a2", "q3 a3"]
    for number in (2, 3):
        assert len(found[number]) == 2
        assert all(f"q{number} " not in example for example in found[number])


def test_examples_are_the_same_when_the_requests_are_built_again(made: TaskMaker) -> None:
    (made.folder / "functions.py").write_text(SAMPLER)
    sampler = {"sampler": FunctionRef(made.folder, "functions.Own")}
    task = made.task(num_fewshot=2, fewshot_config=sampler, fewshot_split="test")
    assert prompts(task) == prompts(task)


def test_what_a_sampler_class_raises_is_named_with_the_document(made: TaskMaker) -> None:
    sampler = made.function(
        "class Bad:\n    def __init__(self, df, rnd): ...\n    def set_rnd(self, rnd): ..."
    )
    message = refusal(lambda: requests(made.task(num_fewshot=1, fewshot_config={"sampler": sampler})))
    assert message.startswith("made: fewshot_config.sampler, document 0: AttributeError: 'Bad' object has no")


def test_a_chat_template_that_fails_is_named_with_the_document(made: TaskMaker) -> None:
    def refusing(messages: Sequence[Mapping[str, str]], *, continue_final: bool) -> str:
        raise ValueError("no system role")

    message = refusal(lambda: requests(made.task(chat=refusing)))
    assert message.startswith("made: the chat template, document 0: ValueError: no system role")
