"""Prompts that are cut, lose their system message, change with the clock, or show no examples: it is said."""

import shutil
import time
from pathlib import Path

import pytest

from tests.support.lab import Lab

LONG = "a small story of a girl and her dog " * 120


@pytest.fixture
def long_texts(lab: Lab) -> Lab:
    """A task that generates and one of choices; the first document of each is longer than the model reads."""
    lab.add_texts("texts", 2)
    lab.add_choices("choices", 2)
    for name, rest in (("texts", {"answer": "1"}), ("choices", {"choices": ["yes", "no"], "answer": 0})):
        lab.write_data(name, [{"question": LONG, **rest}, {"question": "short", **rest}])
    return lab


def test_prompts_that_are_cut_are_counted_or_refused(long_texts: Lab, stories260k: Path) -> None:
    lab, model = long_texts, f"hf:{stories260k}?dtype=float32"
    cut = lab.evaluate("texts,choices", model)
    usage = cut.record.assay.tasks
    assert {task: one.prompts_cut for task, one in usage.items()} == {"texts": 1, "choices": 2}
    assert "texts: 1 of 2 prompts were longer than the model reads" in cut.table()
    tokens = {task: list(cut.samples(task)["tokens_cut"]) for task in ("texts", "choices")}
    assert all(first > 500 > second == 0 for first, second in tokens.values())

    again = lab.evaluate("texts,choices", model)  # from the store
    assert again.record.assay.requests_asked == 0
    assert again.record.assay.tasks["choices"].prompts_cut == 2

    refused = lab.evaluate("texts,choices", model, truncate="refuse")
    assert set(refused.failures) == {"texts", "choices"}
    assert "tokens more than the model reads" in refused.failures["texts"]
    left_out = lab.evaluate("texts,choices", model, truncate="refuse", min_coverage=0.5)
    assert not left_out.failures
    assert {one.docs_answered for one in left_out.record.assay.tasks.values()} == {1}
    assert all(one.prompts_cut == 0 for one in left_out.record.assay.tasks.values())


@pytest.fixture
def templated(tmp_path: Path, stories260k: Path) -> str:
    """A model whose chat template refuses system messages and writes the time."""
    from transformers import AutoTokenizer

    folder = tmp_path / "model"
    shutil.copytree(stories260k, folder, copy_function=shutil.copyfile)
    folder.chmod(0o755)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = (
        "{{ strftime_now('%H:%M:%S') }}{% for m in messages %}"
        "{% if m.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
        "<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    tokenizer.save_pretrained(folder)
    return f"hf:{folder}?dtype=float32"


def test_a_template_that_drops_system_messages_or_writes_the_time_is_named(
    lab: Lab, templated: str, capfd: pytest.CaptureFixture[str]
) -> None:
    lab.add_texts("texts", 2, description="Count.")
    chat = {"apply_chat_template": True, "system_instruction": "Be brief.", "explain_cache": True}
    first = lab.evaluate("texts", templated, limit=1, **chat)
    dropped, clock = first.record.assay.notices
    assert "leaves out system messages" in dropped
    assert "no prompt has --system-instruction and the description of texts" in dropped
    assert "writes the time" in clock
    said = capfd.readouterr().err
    assert f"warning: {dropped}" in said
    assert dropped in first.table()
    time.sleep(1.1)  # the template writes seconds
    lab.evaluate("texts", templated, limit=2, **chat)
    assert "time that the chat template writes (" in capfd.readouterr().err


def test_a_template_that_takes_them_all_and_knows_no_time_is_not(lab: Lab, stories260k: Path) -> None:
    lab.add_texts("texts", 1)
    result = lab.evaluate("texts", f"hf:{stories260k}?dtype=float32")
    assert result.record.assay.notices == []


def test_listed_examples_that_nothing_asks_for_are_named(lab: Lab) -> None:
    samples = {"sampler": "first_n", "samples": [{"question": "1?", "answer": "1"}]}
    lab.add_texts("texts", 1, fewshot_config=samples)
    (said,) = lab.evaluate("texts").record.assay.notices
    assert said.startswith("texts: few-shot examples are listed in the file, and none is shown")
    assert lab.evaluate("texts", num_fewshot=1).record.assay.notices == []
