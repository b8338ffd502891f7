"""Tasks that are Python classes on lm-eval: what a run tells them is done or refused, never ignored."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from backends.chat import Chat
from tasks_lib.ask_options import AskOptions
from tasks_lib.catalog.selection import TaskFile
from tasks_lib.class_tasks.task import ClassTask
from tasks_lib.errors import TaskError
from tasks_lib.files.config import ClassConfig, FunctionRef, TaskConfig
from tasks_lib.task import ConfiguredTask, open_task
from tests.support.packages import needed
from tests.support.task_maker import ROWS, TaskMaker, prompts, requests, scored, text

needed("lm_eval", reason="task classes are lm-eval's")

CODE = """
from lm_eval.api.instance import Instance
from lm_eval.api.metrics import mean
from lm_eval.api.task import ConfigurableTask, Task

class Asked(ConfigurableTask):
    VERSION = 3
    DATASET_PATH = "made"

    def __init__(self, config=None):
        super().__init__(config={"doc_to_text": "{{question}}", "doc_to_target": "answer",
                                 "test_split": "test", "training_split": "test"})

    def construct_requests(self, doc, ctx, chat_template=None, apply_chat_template=False, **kwargs):
        return Instance("generate_until", doc, (ctx, {"until": ["."]}), 0, **kwargs)

    def process_results(self, doc, results):
        return {"right": float(results[0] == doc["answer"])}

    def aggregation(self):
        return {"right": mean}

    def higher_is_better(self):
        return {"right": True}
"""


@pytest.fixture
def made(maker: TaskMaker) -> TaskMaker:
    maker.data(ROWS)
    return maker


def task(
    maker: TaskMaker, code: str = "", options: AskOptions | None = None, chat: Any = None, **keys: object
) -> ClassTask:
    """The task of `Asked`, or of the last class of that code on it."""
    (maker.folder / "functions.py").write_text(f"{CODE}\n{code}\n")
    name = re.findall(r"^class (\w+)", code or CODE, re.MULTILINE)[-1]
    cls = FunctionRef(maker.folder, f"functions.{name}")
    config = ClassConfig.model_validate({"task": "made", "class": cls, **keys})
    return ClassTask(maker.context(options, chat).scope(config, maker.file), chat)


def chat(messages: Sequence[Mapping[str, str]], *, continue_final: bool) -> str:
    ending = "" if continue_final else "<model>"
    return "".join(f"<{one['role']}>{one['content']}" for one in messages) + ending


def test_a_file_is_opened_as_what_it_is(made: TaskMaker) -> None:
    cls = FunctionRef(made.folder, "functions.Asked")
    as_class = ClassConfig.model_validate({"task": "made", "class": cls})
    for config, kind in ((as_class, ClassTask), (TaskConfig(task="made"), ConfiguredTask)):
        assert type(open_task(TaskFile(config, made.file, ""), made.context())) is kind


def test_documents_come_from_the_data_root(made: TaskMaker) -> None:
    own = task(made)
    assert own.documents.evaluated.docs == ROWS
    assert prompts(own) == [row["question"] for row in ROWS]
    assert own.version == 3


def test_documents_come_from_the_data_root_however_a_class_loads_them(made: TaskMaker) -> None:
    own = task(
        made,
        """
from datasets import load_dataset

class Loads(Asked):
    def download(self, *args, **kwargs):
        self.dataset = load_dataset("json", data_files={"test": "https://nowhere.invalid/test.jsonl"})
        self.dataset["test"] = self.dataset["test"].select([1, 3])
""",
    )
    assert prompts(own) == ["q1", "q3"]


def test_a_split_that_is_not_there_is_named(made: TaskMaker) -> None:
    code = "class Elsewhere(Asked):\n    def test_docs(self): return self.dataset['dev']"
    with pytest.raises(TaskError, match=r"no split 'dev' in .*; there are: test"):
        _ = task(made, code).documents.evaluated


def test_the_identity_of_the_data_is_their_content(made: TaskMaker) -> None:
    before = task(made).documents.digest()
    assert task(made).documents.digest() == before
    made.data([*ROWS[:-1], {**ROWS[-1], "answer": "another"}])
    assert task(made).documents.digest() != before


def test_examples_and_limit_of_a_run_are_followed(made: TaskMaker) -> None:
    own = task(made, options=AskOptions(num_fewshot=2, limit=0.25))
    found = prompts(own)
    assert [prompt.count("\n\n") for prompt in found] == [2, 2]
    assert prompts(own) == found  # asked again, the same are drawn
    assert prompts(task(made, options=AskOptions(num_fewshot=2, limit=0.25, seed=9))) != found


def test_generation_parameters_of_a_run_replace_those_of_a_class(made: TaskMaker) -> None:
    options = {"generation": {"max_gen_toks": 5, "do_sample": True, "temperature": 1.0}}
    request = requests(task(made, options=AskOptions(**options, seed=7)))[0][0]  # type: ignore[arg-type]
    assert request.generation == {"until": ["."], **options["generation"], "seed": 7}
    as_lm_eval = requests(task(made, options=AskOptions(**options, compat=True)))[0][0]  # type: ignore[arg-type]
    assert as_lm_eval.generation == {"until": ["."]}


@pytest.mark.parametrize("compat", [False, True])
def test_a_mark_that_ends_thinking_is_in_every_generation(compat: bool, made: TaskMaker) -> None:
    options = AskOptions(end_of_thinking="</think>", compat=compat)
    asked = requests(task(made, options=options))
    assert all(own[0].generation["end_of_thinking"] == "</think>" for own in asked)


def test_examples_of_a_document_do_not_depend_on_which_others_are_asked(made: TaskMaker) -> None:
    every = prompts(task(made, options=AskOptions(num_fewshot=2)))
    some = {"made": [2, 5]}
    assert prompts(task(made, options=AskOptions(num_fewshot=2, samples=some))) == [every[2], every[5]]
    as_lm_eval = prompts(task(made, options=AskOptions(num_fewshot=2, samples=some, compat=True)))
    assert as_lm_eval[0] != every[2]
    assert as_lm_eval[0].endswith("q2")


def test_a_class_that_runs_code_does_so_where_its_file_says_it(made: TaskMaker) -> None:
    code = "class Runs(Asked):\n    UNSAFE_CODE = True"
    assert prompts(task(made, code, unsafe_code=True))[0] == "q0"


def test_a_chat_template_and_a_system_instruction_are_used(made: TaskMaker) -> None:
    options = AskOptions(num_fewshot=1, system_instruction="Be brief.")
    first = prompts(task(made, options=options, chat=chat))[0]
    assert first.startswith("<system>Be brief.<user>q")
    assert first.endswith("<user>q0<model>")
    assert first.count("<assistant>") == 1


OWN_PROMPT = "class Deaf(Asked):\n    def fewshot_context(self, doc, **kwargs): return doc['question']"


def test_a_system_instruction_that_a_class_ignores_is_refused(made: TaskMaker) -> None:
    with pytest.raises(TaskError, match="made: --system-instruction: the class makes its prompts without it"):
        prompts(task(made, OWN_PROMPT, AskOptions(system_instruction="Be brief.")))


ENDED_PROMPT = """
class Ended(Asked):
    def construct_requests(self, doc, ctx, **kwargs):
        return super().construct_requests(doc, ctx + "!", **kwargs)
"""


def test_a_chat_that_is_asked_as_it_is_passes_a_class_whole(made: TaskMaker) -> None:
    """Where the class leaves it alone; else what it asks is a text."""

    def as_it_is(messages: Sequence[Mapping[str, str]], *, continue_final: bool) -> Chat:
        return Chat.of(messages, continued=continue_final)

    options = AskOptions(num_fewshot=1)
    asked = requests(task(made, options=options, chat=as_it_is))[0][0].prompt
    assert isinstance(asked, Chat)
    assert [one.role for one in asked.messages] == ["user", "assistant", "user"]
    ended = requests(task(made, ENDED_PROMPT, options=options, chat=as_it_is))[0][0].prompt
    assert type(ended) is str
    assert ended == f"{asked.as_text()}!"


def test_a_chat_template_that_a_class_ignores_is_refused(made: TaskMaker) -> None:
    assert prompts(task(made, OWN_PROMPT))[0] == "q0"
    with pytest.raises(
        TaskError, match="made: --apply-chat-template: the class makes its prompts without it"
    ):
        prompts(task(made, OWN_PROMPT, chat=chat))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "class Sees(Asked):\n    MULTIMODAL = True",
            "images and sound of task classes are not supported yet",
        ),
        ("class Runs(Asked):\n    UNSAFE_CODE = True", "its file has to say so: `unsafe_code: true`"),
        ("class All(Asked):\n    def build_all_requests(self, **_): ...", "its own `build_all_requests`"),
        (
            "class Bad(Asked):\n    def __init__(self): raise OSError('no net')",
            "made: class: OSError: no net",
        ),
        (
            "class Odd(Asked):\n    def construct_requests(self, doc, ctx, **_):\n"
            "        return Instance(request_type='generate_until', doc=doc, arguments=(ctx, {}, {}), idx=0,"
            " metadata=('made', 0, 1))",
            r"a generate_until request of \(str, dict, dict\) cannot be asked",
        ),
        (
            "class Often(Asked):\n    def construct_requests(self, doc, ctx, **_):\n"
            "        return Instance(request_type='generate_until', doc=doc, arguments=(ctx, {}), idx=0,"
            " metadata=('made', 0, 4))",
            "asked 4 times, `repeats` is 1",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(code: str, message: str, made: TaskMaker) -> None:
    with pytest.raises(TaskError, match=message):
        prompts(task(made, code))


def test_keys_of_the_file_are_the_classes_own(made: TaskMaker) -> None:
    code = """
def upper(word):
    return word.upper()

class Takes(Asked):
    def __init__(self, config):
        self.words = [config["spice"], config["task"], config["how"]("x"), config["metadata"]["v"]]
        super().__init__()

    def doc_to_text(self, doc, *_):
        return " ".join(self.words)
"""
    keys: dict[str, Any] = {
        "spice": "salt",
        "how": FunctionRef(made.folder, "functions.upper"),
        "metadata": {"v": "2"},
    }
    assert prompts(task(made, code, **keys))[0] == "salt made X 2"


def test_scores_have_standard_errors_where_the_aggregation_is_lm_evals(made: TaskMaker) -> None:
    own = task(made)
    samples = scored(own, *(text("a0") for _ in ROWS))
    assert [one.scores["right"] for one in samples] == [1.0] + [0.0] * 7
    (score,) = own.scorer.aggregate(samples, compat=False)
    assert (score.metric, score.filter, score.value, score.count) == ("right", "none", 0.125, 8)
    assert score.stderr == pytest.approx(0.125)
    assert own.scorer.metrics["right"].higher_is_better is True


def test_where_lm_eval_is_not_installed_the_message_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks_lib.catalog.catalog import Catalog
    from tasks_lib.code import trusted_functions

    monkeypatch.setattr(trusted_functions, "installed_catalog", lambda: None)
    (tmp_path / "py.yaml").write_text("task: py\nclass: !function task.Py\n")
    with pytest.raises(TaskError, match=r"py\.yaml, task py: `class` needs lm-eval, which is not installed"):
        Catalog([tmp_path], tmp_path / "home").select(["py"])
