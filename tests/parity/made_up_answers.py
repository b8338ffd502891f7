"""What a scripted model says to made-up documents: right and wrong, and the same in every run."""

from collections.abc import Sequence
from dataclasses import replace
from re import _constants as opcodes  # type: ignore[attr-defined]
from re import _parser as patterns  # type: ignore[attr-defined]
from typing import Any

from backends.requests import Request, Response
from backends.simple.scripted import hashed
from backends.text.stop_sequences import cut_at_stops, stops_of
from metrics.errors import MetricError
from metrics.scores.choices import NO_CHOICE, resolve_gold
from tasks_lib.files.config import TaskConfig
from tasks_lib.prompts.request_builder import DocRequests
from tasks_lib.scoring.scorer import Answered
from tasks_lib.task import ConfiguredTask
from tests.parity.noted_answers import note
from tests.parity.synthetic_documents import NoChoice

CERTAIN = Response(logprob=-0.01, is_greedy=True)

# How models say an answer; a task's own filters add theirs.
PHRASES = (
    "{}",
    " {}",
    "The answer is {}.",
    "#### {}",
    "So the answer is {}.",
    "\\boxed{{{}}}",
    "({})",
    "[{}]",
    '{{"answer": "{}"}}',
    "Answer: {}",
    "Final Answer: The final answer is {}. I hope it is correct.",
    "{}\n\nQ: and {}?",
    "<answer>{}</answer>",
    "```\n{}\n```",
)


def answered(config: TaskConfig, task: ConfiguredTask, asked: Sequence[DocRequests]) -> list[Answered]:
    """The documents with answers to all repeats of their requests.

    A log-likelihood is a hash of the request, but for the choices that the model is certain of. A text says
    the target, or the document's `answer`, for two of three documents: for one in words that a filter of the
    task looks for, for the other in words of models, if possible those of the prompt's examples.
    """
    own = _phrases_of(config) or ["{}"]
    found = []
    for one in asked:
        certain, said = _certain_positions(config, task, one), _right_texts(config, task, one)
        responses = [
            [
                CERTAIN
                if position in certain
                else _answer(replace(request, repeat=repeat), said, one.doc_id, own)
                for repeat in range(config.repeats)
            ]
            for position, request in enumerate(one.requests)
        ]
        found.append(Answered(one, responses))
    return found


def noted(given: Sequence[Answered]) -> list[Answered]:
    """The same with the answers that were noted for their requests, of this task or one before."""
    return [
        Answered(
            one.asked,
            [
                [note(replace(request, repeat=repeat), said) for repeat, said in enumerate(own)]
                for request, own in zip(one.asked.requests, one.responses, strict=True)
            ],
        )
        for one in given
    ]


def check_labels(config: TaskConfig, task: ConfiguredTask, asked: Sequence[DocRequests]) -> None:
    """Raise NoChoice where the labels of most documents, or of the first, name none of their choices."""
    builder = task.builder
    if config.doc_to_choice is None or config.process_results is not None or not asked:
        return
    wrong = []
    for one in asked:
        choices = builder.choices(one.doc_id, one.doc)
        label = (
            builder.readers.text(one.doc)
            if builder.has_multiple_inputs
            else builder.target(one.doc_id, one.doc)
        )
        gold = resolve_gold(label, choices)
        wrong.append(gold == NO_CHOICE or (isinstance(gold, list) and set(gold) <= {NO_CHOICE}))
    if wrong[0] or sum(wrong) > len(wrong) / 2:
        raise NoChoice(choices)


def _answer(request: Request, said: Sequence[str], doc_id: int, own: Sequence[str]) -> Response:
    if request.kind != "generate_until":
        return hashed(request)
    number = int(request.digest()[:8], 16)
    match doc_id % 3:
        case 0:
            phrase, text = own[number % len(own)], said[0]
        case 1:
            words = _words_of(request.prompt_text)
            phrase, text = words[number % len(words)], said[-1]
        case _:
            phrase, text = "{}", hashed(request).text or ""
    text = phrase.replace("{{", "{").replace("}}", "}").replace("{}", text)
    return Response(text=cut_at_stops(text, stops_of(request.generation)))


def _words_of(prompt: str) -> Sequence[str]:
    """The longest of the phrases that a prompt has already, or else all."""
    heads = {phrase: phrase.replace("{{", "{").partition("{}")[0].strip() for phrase in PHRASES}
    there = [phrase for phrase, head in heads.items() if len(head) > 3 and head in prompt]
    return [max(there, key=lambda phrase: len(heads[phrase]))] if there else PHRASES


def _right_texts(config: TaskConfig, task: ConfiguredTask, one: DocRequests) -> list[str]:
    """The target, and the document's answer where that is another text."""
    target = task.builder.target(one.doc_id, one.doc)
    if config.doc_to_choice is not None and isinstance(target, int):
        choices = task.builder.choices(one.doc_id, one.doc)
        target = choices[target % len(choices)]
    texts = [str(target[0] if isinstance(target, list | tuple) and target else target)]
    if config.process_results is not None and isinstance(answer := one.doc.get("answer"), str):
        texts.append(answer)
    return texts


def _certain_positions(config: TaskConfig, task: ConfiguredTask, one: DocRequests) -> list[int]:
    """Of the requests whose choice the model is certain of: right ones for every other document, a wrong one
    for the second."""
    if config.output_type != "multiple_choice" or (one.doc_id % 2 and one.doc_id != 1):
        return []
    choices = task.builder.choices(one.doc_id, one.doc)
    try:
        gold = resolve_gold(task.builder.target(one.doc_id, one.doc), choices)
    except MetricError:
        return []  # a task's own scoring may read labels of any kind
    right = gold if isinstance(gold, list) else [gold]
    wrong = [position for position in range(len(choices)) if position not in right]
    return right if one.doc_id != 1 else wrong[:1]


# Words that a filter looks for


def _phrases_of(config: TaskConfig) -> list[str]:
    steps = [step for pipeline in config.filter_list or [] for step in pipeline.filter]
    found = [step.options["regex_pattern"] for step in steps if "regex_pattern" in step.options]
    return [_matching(patterns.parse(pattern)) for pattern in found if isinstance(pattern, str)]


def _matching(parsed: Any) -> str:
    """A text that a regular expression matches, `{}` for what its groups hold."""
    return "".join(_piece(kind, given) for kind, given in parsed)


def _piece(kind: Any, given: Any) -> str:
    match kind:
        case opcodes.LITERAL:
            return chr(given).replace("{", "{{").replace("}", "}}")
        case opcodes.SUBPATTERN:
            return "{}" if given[0] else _matching(given[3])
        case opcodes.MAX_REPEAT | opcodes.MIN_REPEAT:
            return _matching(given[2]) * max(int(given[0]), 1)
        case opcodes.ASSERT:
            return _matching(given[1])
        case opcodes.BRANCH:
            return _matching(given[1][0])
        case opcodes.IN:
            return _piece(*given[0]) if given[0][0] is not opcodes.NEGATE else "x"
        case opcodes.RANGE:
            return chr(given[0])
        case opcodes.CATEGORY:
            return {opcodes.CATEGORY_DIGIT: "7", opcodes.CATEGORY_SPACE: " "}.get(given, "x")
        case opcodes.ANY | opcodes.NOT_LITERAL:
            return "x"
    return ""
