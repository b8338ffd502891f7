"""What is easily got wrong in lm-eval's prompts and scores, as small tasks that both sides run in a few ways.

lm-eval runs once; what it said can be kept, so that one side alone can be run again (`broken_on_purpose.py`).
"""

import pickle
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from backends.simple.scripted import _rendered
from tests.parity import oracle, synthetic
from tests.parity.oracle import RECORDED, SECTIONS, Both, Case, Recorder, ask_assay, ask_lm_eval

CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
LOGPROB = 1e-4  # how far apart log-probabilities of a real model may be


@dataclass(frozen=True)
class Way:
    """One run of both sides. tasks: of `synthetic`. model: whose answers: recorded ones, through a chat
    template or not, or those of the stories model."""

    tasks: str
    options: Mapping[str, Any] = field(default_factory=dict)
    model: str = "recorded"
    bootstrap: int = 100_000


WAYS = {
    "as they are": Way(
        "described examples_from_the_same_split examples_of_an_evaluated_validation_split inline_examples "
        "default_likelihood_metrics default_rolling_metrics rolling_with_spaces default_text_metrics "
        "without_stops digits_as_text targets_by_template choices_by_template unicode_choices ties brier "
        "mutual_information several_right_choices several_targets ignoring regexes_in_order "
        "all_to_the_metric own_results medians translation repeated made_rows"
    ),
    "asked for examples": Way(
        "fixed_without_examples described inline_examples default_choice_metrics",
        {"num_fewshot": 3, "seed": 99, "system_instruction": "Be brief.\n"},
    ),
    "as chats": Way(
        "default_choice_metrics prefixed_choices prefixed_with_a_space described",
        {"apply_chat_template": True, "num_fewshot": 2, "system_instruction": "Be brief."},
        "chat",
    ),
    "in groups": Way("weighted filtered"),
    "binary choices": Way("f1_and_mcc", bootstrap=0),  # lm-eval's bootstrap of these takes minutes
    "alone": Way("drawn_rows", {"metadata": {"size": 6}}),
    "a real model": Way(
        "default_choice_metrics after_a_space default_likelihood_metrics rolling_over_windows stops_in_order",
        {"limit": 4},
        "stories",
    ),
}


class ChatRecorder(Recorder):
    """A `Recorder` with a chat template."""

    tokenizer_name = "chat"

    def chat_template(self, chat_template: bool | str = False) -> str:
        return CHAT_TEMPLATE

    def apply_chat_template(self, chat_history: Any, add_generation_prompt: bool = True) -> str:
        return _rendered(CHAT_TEMPLATE, chat_history, continue_final=not add_generation_prompt)


@dataclass(frozen=True)
class Said:
    """What lm-eval said of all ways: results with samples, and the answers that it was given."""

    theirs: Mapping[str, Any]
    answers: Mapping[str, Any]


def write(folder: Path) -> None:
    """The tasks, and the chat template."""
    synthetic.write(folder)
    (folder / "template").write_text(CHAT_TEMPLATE)


def lm_evals(folder: Path, ways: Sequence[str], stories: Path) -> Said:
    """lm-eval's side of some ways."""
    theirs = {name: _compared(_theirs(WAYS[name], folder, stories)) for name in ways}
    return Said(theirs, dict(oracle.ANSWERS))


def keep(said: Said, file: Path) -> None:
    file.write_bytes(pickle.dumps(said))


def kept(file: Path) -> Said:
    said: Said = pickle.loads(file.read_bytes())
    return said


def differences(
    said: Said, name: str, folder: Path, stories: Path, output: Path, only: str = ""
) -> list[str]:
    """What Assay says otherwise, in one run, a line each. only: this task or group of the way."""
    oracle.ANSWERS.update(said.answers)
    way = replace(WAYS[name], tasks=only or WAYS[name].tasks)
    version = output.as_posix().encode().hex()
    models = {
        "recorded": f"{RECORDED}?version={version}",
        "chat": f"{RECORDED}?version={version}&chat_template={folder / 'template'}",
        "stories": f"hf:{stories}?dtype=float32&device=cpu",
    }
    ours = ask_assay(_case(way, folder), models[way.model], output)
    there = ours.results["results"].keys() | ours.failures.keys()
    theirs = said.theirs[name] if not only else _of(there, said.theirs[name])
    both = Both(theirs, ours, LOGPROB if way.model == "stories" else 0.0)
    extra = (r"_stderr,none: lm-eval 'N/A'",) if way.bootstrap == 0 else ()
    return both.differences(oracle.STDERR_OF_OURS, oracle.SEED_OF_OURS, oracle.GROUP_OF_GROUPS, *extra)


def _compared(theirs: Mapping[str, Any]) -> Mapping[str, Any]:
    """What of lm-eval's results is compared, as JSON has it."""
    found: Mapping[str, Any] = oracle._plain({key: theirs.get(key, {}) for key in ("samples", *SECTIONS)})
    return found


def _of(names: Collection[str], theirs: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        section: {name: one for name, one in content.items() if name in names}
        for section, content in theirs.items()
    }


def _theirs(way: Way, folder: Path, stories: Path) -> Mapping[str, Any]:
    if way.model == "stories":
        from lm_eval.models.huggingface import HFLM

        lm = HFLM(pretrained=str(stories), dtype="float32", device="cpu", batch_size=4)
        return ask_lm_eval(_case(way, folder), lm)
    return ask_lm_eval(_case(way, folder), ChatRecorder() if way.model == "chat" else Recorder())


def _case(way: Way, folder: Path) -> Case:
    return Case(way.tasks.split(), (folder / "data",), folder / "tasks", way.options, way.bootstrap)
