"""What is asked again after a change, and what is not: by content, never by name or position."""

import json
from pathlib import Path

import pytest

from tests.support.lab import Lab


def test_the_same_command_again_asks_nothing(lab: Lab) -> None:
    lab.add_choices("facts", 5)
    lab.add_texts("sums", 4)
    first = lab.run(tasks="facts,sums")
    assert (first.status, lab.asked) == (0, 14), first.errors
    scores = lab.last["results"]
    again = lab.run(tasks="facts,sums")
    assert (again.status, lab.asked) == (0, 14), again.errors
    assert lab.last["results"] == scores
    assert lab.last["assay"]["requests_asked"] == 0


def test_a_larger_limit_asks_only_for_what_is_new(lab: Lab) -> None:
    lab.add_texts("sums", 9)
    lab.evaluate("sums", limit=3)
    lab.evaluate("sums", limit=7)
    assert lab.asked == 7
    lab.evaluate("sums")
    assert lab.asked == 9
    assert lab.evaluate("sums", limit=2).results["n-samples"]["sums"]["effective"] == 2
    assert lab.asked == 9


def test_an_edited_document_is_asked_again_and_only_that(lab: Lab) -> None:
    lab.add_choices("facts", 6)
    lab.evaluate("facts")
    file = lab.data / "facts" / "default" / "test.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    rows[3]["question"] = "edited?"
    lab.write_data("facts", rows)
    result = lab.evaluate("facts")
    assert lab.asked == 12 + 2
    assert result.samples("facts")["doc"][3]["question"] == "edited?"


def test_documents_in_another_order_are_not_asked_again(lab: Lab) -> None:
    lab.add_texts("sums", 6)
    first = lab.evaluate("sums")
    file = lab.data / "sums" / "default" / "test.jsonl"
    lab.write_data("sums", [json.loads(line) for line in reversed(file.read_text().splitlines())])
    second = lab.evaluate("sums")
    assert lab.asked == 6
    by_question = [
        {doc["question"]: said for doc, said in zip(frame["doc"], frame["filtered_resps"], strict=True)}
        for frame in (first.samples("sums"), second.samples("sums"))
    ]
    assert by_question[0] == by_question[1]


def test_an_edited_answer_changes_the_score_and_asks_nothing(lab: Lab) -> None:
    lab.add_texts("sums", 5)
    first = lab.evaluate("sums")
    said = first.samples("sums")["filtered_resps"]
    lab.write_data("sums", [{"question": f"sums {i}?", "answer": one[0]} for i, one in enumerate(said)])
    second = lab.evaluate("sums")
    assert lab.asked == 5
    assert second.results["results"]["sums"]["exact_match,number"] == 1.0


def test_a_changed_filter_changes_the_scores_and_asks_nothing(lab: Lab) -> None:
    lab.add_texts("sums", 5)
    first = lab.evaluate("sums")
    nothing = {"function": "regex", "regex_pattern": "(nowhere)"}
    lab.edit_task("sums", filter_list=[{"name": "other", "filter": [nothing, {"function": "take_first"}]}])
    second = lab.evaluate("sums")
    assert lab.asked == 5
    assert "exact_match,number" in first.results["results"]["sums"]
    assert second.results["results"]["sums"]["exact_match,other"] == 0.0
    assert set(second.samples("sums")["filter"]) == {"other"}


def test_a_changed_prompt_is_never_answered_from_the_store(lab: Lab) -> None:
    lab.add_texts("sums", 5)
    first = lab.evaluate("sums")
    lab.edit_task("sums", doc_to_text="Q: {{question}}\nA:")
    second = lab.evaluate("sums")
    assert lab.asked == 10
    assert list(first.samples("sums")["resps"]) != list(second.samples("sums")["resps"])


def test_a_changed_python_function_of_a_task_is_never_answered_from_the_store(lab: Lab) -> None:
    file = lab.add_texts("sums", 5)
    file.write_text(file.read_text() + "process_docs: !function code.process\n")
    code = lab.tasks / "code.py"
    code.write_text("def process(docs):\n    return docs\n")
    lab.evaluate("sums", trust_task_code=True)
    code.write_text(
        "def process(docs):\n    return docs.map(lambda doc: {'question': 'New: ' + doc['question']})\n"
    )
    result = lab.evaluate("sums", trust_task_code=True)
    assert lab.asked == 10
    assert result.samples("sums")["doc"][0]["question"].startswith("New: ")


def test_a_changed_number_of_examples_is_never_answered_from_the_store(lab: Lab) -> None:
    lab.add_texts("sums", 5)
    lab.evaluate("sums")
    lab.evaluate("sums", num_fewshot=2)
    assert lab.asked == 10


def test_a_changed_example_is_never_answered_from_the_store(lab: Lab) -> None:
    lab.add_texts("sums", 4, fewshot_split="train", num_fewshot=1, fewshot_config={"sampler": "first_n"})
    for word in ("first", "second"):
        lab.write_data("sums", [{"question": word, "answer": "1"}], split="train")
        lab.evaluate("sums")
    assert lab.asked == 8


def test_a_changed_system_instruction_is_never_answered_from_the_store(lab: Lab) -> None:
    lab.add_texts("sums", 4)
    lab.evaluate("sums")
    lab.evaluate("sums", system_instruction="Be brief.")
    assert lab.asked == 8


@pytest.mark.parametrize("parameter", ["temperature=0.5", "until=#"])
def test_a_changed_generation_parameter_is_never_answered_from_the_store(lab: Lab, parameter: str) -> None:
    lab.add_texts("sums", 4)
    lab.evaluate("sums")
    lab.evaluate("sums", gen_kwargs=parameter)
    assert lab.asked == 8


def test_a_generation_parameter_leaves_log_probabilities_alone(lab: Lab) -> None:
    lab.add_choices("facts", 3)
    lab.evaluate("facts")
    lab.evaluate("facts", gen_kwargs="temperature=0.5")
    assert lab.asked == 6


def test_the_batch_size_is_no_part_of_the_identity(lab: Lab) -> None:
    lab.add_texts("sums", 5)
    lab.evaluate("sums", batch_size=1)
    lab.evaluate("sums", batch_size=4)
    assert lab.asked == 5


def test_another_version_of_the_model_is_asked_anew(lab: Lab) -> None:
    lab.add_texts("sums", 8)
    first = lab.evaluate("sums", "scripted:hash?version=1")
    second = lab.evaluate("sums", "scripted:hash?version=2")
    assert lab.asked == 16
    assert list(first.samples("sums")["resps"]) != list(second.samples("sums")["resps"])


def test_an_edited_table_of_answers_is_another_model(lab: Lab, tmp_path: Path) -> None:
    lab.add_texts("sums", 3)
    table = tmp_path / "answers.json"
    for answer, score in (("1", 1 / 3), ("none of them", 0.0)):
        table.write_text(json.dumps({"*": answer}))
        result = lab.evaluate("sums", f"scripted:{table}")
        assert result.results["results"]["sums"]["exact_match,number"] == pytest.approx(score)
    assert lab.asked == 6


def test_a_changed_chat_template_is_never_answered_from_the_store(lab: Lab, tmp_path: Path) -> None:
    lab.add_texts("sums", 3)
    template = tmp_path / "template.jinja"
    for mark in ("<a>", "<b>"):
        template.write_text("{% for message in messages %}" + mark + "{{ message.content }}{% endfor %}")
        result = lab.evaluate("sums", f"scripted:hash?chat_template={template}", apply_chat_template=True)
        assert result.samples("sums")["arguments"][0][0][0].startswith(mark)
    assert lab.asked == 6


def test_without_the_chat_template_a_prompt_is_another(lab: Lab, tmp_path: Path) -> None:
    lab.add_texts("sums", 3)
    template = tmp_path / "template.jinja"
    template.write_text("{% for message in messages %}<{{ message.content }}>{% endfor %}")
    model = f"scripted:hash?chat_template={template}"
    lab.evaluate("sums", model, apply_chat_template=True)
    lab.evaluate("sums", model)
    assert lab.asked == 6


def test_two_tasks_with_the_same_requests_ask_once(lab: Lab) -> None:
    lab.add_texts("sums", 5)
    lab.add_texts("twin", 5, dataset_path="sums")
    result = lab.evaluate("sums,twin")
    assert lab.asked == 5
    rows = [{**result.results["results"][name], "name": "", "alias": ""} for name in ("sums", "twin")]
    assert rows[0] == rows[1]
